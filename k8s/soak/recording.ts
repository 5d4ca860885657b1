/**
 * What a run writes down, one JSON object a line: everything that the verdict and the page are made from, so that somebody
 * else can judge the same run again. Times are seconds since the start of the recording.
 */
import type { HistogramData } from '../swarm/histogram.ts';
import type { OpenFiles } from './openFiles.ts';

/** Seconds between two looks; each covers the time since the one before it. */
export const LOOK_S = 5;

/** One look at a node. A node that sleeps or is cut off does not answer: then there is none. */
export interface NodeSample {
  readonly kind: 'node';
  readonly tS: number;
  readonly node: string;
  /** Of one life: a node that was ended and started again is another process. */
  readonly pid: number;
  /** Seconds since this life began to serve. */
  readonly upS: number;
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  /** Of `external`: what buffers hold. */
  readonly arrayBuffers: number;
  /** Old space now, and after the last whole collection. */
  readonly oldUsed: number;
  readonly oldAfterMajor: number;
  /** How late the loop ran since the last look, milliseconds. */
  readonly loopP50Ms: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly utilization: number;
  /** Since the life began. */
  readonly cpuS: number;
  readonly gcMajorMs: number;
  readonly gcMinorMs: number;
  readonly gcOtherMs: number;
  readonly fds: number;
  readonly timeouts: number;
  readonly sockets: number;
  /** Of people, and all the others: regions, pairs, offers. */
  readonly actors: number;
  readonly otherActors: number;
  readonly timers: number;
  readonly subscriptions: number;
  readonly outbox: number;
  readonly routeBytes: number;
  readonly mailboxFull: number;
  /** Sockets that were closed because their phone was too slow (4102), since the life began. */
  readonly slowClosed: number;
  /** What the slowest phone of this life held back: upper bound of a bucket, bytes. */
  readonly bufferedMax: number;
  readonly natsDisconnects: number;
  /** Statements that took a connection to PostgreSQL since the life began, and how long they waited for it. */
  readonly poolTakes: number;
  readonly poolWaitMs: number;
}

/** A server, or a process of the generator. */
export interface ServerSample {
  readonly kind: 'server';
  readonly tS: number;
  readonly name: string;
  readonly rss: number;
  readonly cpuS: number;
  readonly fds: number;
}

export interface StoreSample {
  readonly kind: 'store';
  readonly tS: number;
  readonly connections: number;
  readonly locksWaiting: number;
  readonly databaseBytes: number;
  readonly deadRows: number;
  /** Of the whole town: PostgreSQL, JetStream, tables and streams. */
  readonly diskBytes: number;
  readonly jetStreamBytes: number;
  /** How often NATS has said that somebody takes its messages too slowly. */
  readonly natsSlow: number;
}

/** What the phones saw, of all commands that ended since the last look. */
export interface OpsSample {
  readonly kind: 'ops';
  readonly tS: number;
  /** Which process of the generator. */
  readonly worker: number;
  readonly ok: number;
  readonly failed: number;
  readonly unknown: number;
  /** From the moment a meeting was due to its answer, from its scan to the other phone, from a question to its answer. */
  readonly meet: HistogramData;
  readonly push: HistogramData;
  readonly ask: HistogramData;
  readonly connected: number;
  readonly phones: number;
  readonly positions: number;
  /** Connections lost or left on purpose since the last look. */
  readonly churned: number;
  /** Of phones that lost their connection and had another one since the last look: how long ago that was, and how long it took. */
  readonly gaps: readonly (readonly [endedAgoS: number, tookS: number])[];
}

/** What stayed after a collection. */
export interface Memory {
  readonly rss: number;
  /** Without compiled code. */
  readonly heapUsed: number;
  /** All of it by V8's spaces. */
  readonly heapSpaces?: Readonly<Record<string, number>>;
}

/** A collection was asked for, and this is what stayed. */
export interface FloorSample extends Memory {
  readonly kind: 'floor';
  readonly tS: number;
  readonly node: string;
  readonly pid: number;
  readonly upS: number;
  /** People whom it held then. */
  readonly actors: number;
}

/** Something was broken on purpose; the window ends when everybody is served again. */
export interface FaultWindow {
  readonly kind: 'fault';
  readonly fault: string;
  readonly node: string;
  readonly fromS: number;
  toS: number;
  /** What it hit, in words. */
  readonly hit: string;
}

/**
 * A snapshot or a profile was taken of a node. Either leaves megabytes in its process, tables of source positions above
 * all, and a snapshot a few hundred outside of the heap: how much memory that life takes is not the node's doing any more.
 */
export interface Instrumented {
  readonly kind: 'instrumented';
  readonly tS: number;
  readonly node: string;
  readonly pid: number;
  readonly by: 'heap snapshot' | 'CPU profile';
}

export type Line =
  | NodeSample
  | ServerSample
  | StoreSample
  | OpsSample
  | FloorSample
  | FaultWindow
  | Instrumented;

/** What a node held at some moment with nobody connected, after collections. */
export interface AtRest extends Memory {
  readonly node: string;
  readonly pid: number;
  readonly sockets: number;
  /** Of people, and all the others: regions, pairs, offers. */
  readonly actors: number;
  readonly otherActors: number;
  readonly fds: number;
  readonly subscriptions: number;
  readonly timeouts: number;
  readonly timers: number;
  readonly outbox: number;
  /** Its files by kind. */
  readonly open: OpenFiles;
}

/** Lines by kind. */
export class Recording {
  readonly nodes: NodeSample[] = [];
  readonly servers: ServerSample[] = [];
  readonly stores: StoreSample[] = [];
  readonly ops: OpsSample[] = [];
  readonly floors: FloorSample[] = [];
  readonly faults: FaultWindow[] = [];
  readonly instrumented: Instrumented[] = [];

  add(line: Line): void {
    switch (line.kind) {
      case 'node':
        this.nodes.push(line);
        break;
      case 'server':
        this.servers.push(line);
        break;
      case 'store':
        this.stores.push(line);
        break;
      case 'ops':
        this.ops.push(line);
        break;
      case 'floor':
        this.floors.push(line);
        break;
      case 'fault':
        this.faults.push(line);
        break;
      case 'instrumented':
        this.instrumented.push(line);
        break;
    }
  }

  /** CPU seconds of every process of ours, from the first look to the last. */
  cpuS(): number {
    const spent = (samples: readonly { readonly cpuS: number }[]): number =>
      Math.max(0, samples.at(-1)!.cpuS - samples[0]!.cpuS);
    let sum = 0;
    // a life that began meanwhile spent all of it meanwhile
    for (const life of Map.groupBy(this.nodes, one => one.pid).values())
      sum += life[0]!.tS > 2 * LOOK_S ? life.at(-1)!.cpuS : spent(life);
    for (const one of Map.groupBy(this.servers, server => server.name).values()) sum += spent(one);
    return sum;
  }

  /** Whether the memory of this life is its own doing. */
  isUntouched(pid: number): boolean {
    return !this.instrumented.some(one => one.pid === pid);
  }

  /** Whether a look fell into such a time. */
  isQuietLook({ tS }: { readonly tS: number }): boolean {
    return this.isQuiet(tS - LOOK_S, tS);
  }

  /** Whether nothing was broken, and nothing was getting well, at any moment from `fromS` to `toS`. */
  isQuiet(fromS: number, toS: number): boolean {
    return this.faults.every(fault => toS <= fault.fromS || fromS >= fault.toS);
  }
}
