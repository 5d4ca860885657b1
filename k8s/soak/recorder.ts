/**
 * Looks at everything that runs, each `LOOK_S` seconds, from outside where that is possible (/proc, the pages of metrics,
 * PostgreSQL's own views) and through the probe where it is not, and writes it down line by line. Each `COLLECT_S` every
 * node in turn is asked to collect its garbage: what stays is the floor that a leak would raise.
 */
import { createWriteStream, readdirSync, readFileSync, statSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { Client } from 'pg';
import { CLOSE } from '../../protocol/errors.ts';
import type { Cluster, ClusterNode } from '../swarm/clusterTown.ts';
import { highestBucket, metricSum } from '../swarm/metricsPage.ts';
import { familyCpuSeconds, familyOf, procCpuSeconds, procRssBytes } from '../swarm/processCost.ts';
import { readProbe } from './probed.ts';
import { type Line, LOOK_S, type NodeSample, Recording } from './recording.ts';
import { collect, fdsOf, heldOf } from './rest.ts';

const COLLECT_S = 120;
/** prom-client's monitor of the loop has timers of 10 ms, and their period is in its values. */
const MONITOR_MS = 10;
/** The size of a folder is looked up in all of its files: not at every look. */
const DISK_LOOKS = 6;

const bytesIn = (dir: string): number => {
  let sum = 0;
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    try {
      sum += statSync(join(entry.parentPath, entry.name)).size;
    } catch {
      // gone meanwhile
    }
  }
  return sum;
};

/** What a nats-server writes when it cuts a client off that does not read; it has no other way to tell without a port more. */
const SLOW_CONSUMER = /Slow Consumer/g;

/** How often a log says that a consumer is too slow; 0 without a log. */
export const slowConsumersIn = (logFile: string): number => {
  try {
    return readFileSync(logFile, 'utf8').match(SLOW_CONSUMER)?.length ?? 0;
  } catch {
    return 0;
  }
};

const STORE = `
  select (select count(*) from pg_stat_activity where datname = current_database())::int as connections,
         (select count(*) from pg_locks where not granted)::int as "locksWaiting",
         pg_database_size(current_database())::float8 as "databaseBytes",
         (select coalesce(sum(n_dead_tup), 0) from pg_stat_user_tables)::float8 as "deadRows"`;

export interface RecorderOptions {
  readonly cluster: Cluster;
  /** Where the lines go. */
  readonly file: string;
  /** Where the probes write. */
  readonly probes: string;
  /** Processes of the generator. */
  readonly workers: readonly number[];
}

export class Recorder {
  readonly recording = new Recording();
  readonly #options: RecorderOptions;
  readonly #out: WriteStream;
  readonly #startedAt = performance.now();
  /** When each life of a node was first seen. */
  readonly #born = new Map<number, number>();
  readonly #troubles = new Map<number, readonly string[]>();
  #postgres: Client | null = null;
  #timer: NodeJS.Timeout | null = null;
  #looks = 0;
  #disk = { diskBytes: 0, jetStreamBytes: 0 };
  #looking: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | null = null;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#out = createWriteStream(options.file);
  }

  /** Seconds since the recording began. */
  nowS(): number {
    return (performance.now() - this.#startedAt) / 1_000;
  }

  /** What the probes complained of, of all lives. */
  get troubles(): string[] {
    return [...this.#troubles.values()].flat();
  }

  add(line: Line): void {
    this.recording.add(line);
    this.#out.write(`${JSON.stringify(line)}\n`);
  }

  async start(): Promise<void> {
    // a page tells how late the loop was since the page before it: what was before the recording is not part of it
    await Promise.all(this.#options.cluster.nodes.map(node => node.metrics()));
    this.#timer = setInterval(() => {
      // one that takes longer than its turn is not overtaken
      this.#looking = this.#looking.then(() => this.look());
    }, LOOK_S * 1_000);
  }

  /** Ends the recording; a second time does nothing. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#looking;
    await this.#postgres?.end().catch(() => {});
    this.#out.end();
    await finished(this.#out);
  }

  async look(): Promise<void> {
    const { cluster, workers } = this.#options;
    const look = this.#looks++;
    await Promise.all(cluster.nodes.map(node => this.#lookAt(node)));
    for (const { name, pid } of cluster.town.processes()) {
      const family = familyOf(pid);
      this.#server(name, family, familyCpuSeconds(pid) ?? 0);
    }
    for (const [i, pid] of workers.entries()) this.#server(`generator ${i}`, [pid], procCpuSeconds(pid) ?? 0);
    this.#server('generator', [process.pid], procCpuSeconds(process.pid) ?? 0);
    await this.#lookAtStore(look);
    // each node once in COLLECT_S, one at a time
    const turns = COLLECT_S / LOOK_S;
    const node = cluster.nodes[look % turns];
    if (node?.isRunning) await this.#collect(node);
  }

  #server(name: string, pids: readonly number[], cpuS: number): void {
    const rss = pids.reduce((sum, pid) => sum + (procRssBytes(pid) ?? 0), 0);
    const fds = pids.reduce((sum, pid) => sum + fdsOf(pid), 0);
    this.add({ kind: 'server', tS: this.nowS(), name, rss, cpuS, fds });
  }

  async #lookAtStore(look: number): Promise<void> {
    const { cluster } = this.#options;
    const { dataDir } = cluster;
    try {
      if (look % DISK_LOOKS === 0)
        this.#disk = { diskBytes: bytesIn(dataDir), jetStreamBytes: bytesIn(join(dataDir, 'nats', 'store')) };
      const natsSlow = slowConsumersIn(join(dataDir, 'logs', 'nats.log'));
      if (this.#postgres === null) {
        const client = new Client({ connectionString: cluster.town.databaseUrl });
        client.on('error', () => {
          this.#postgres = null;
        });
        await client.connect();
        this.#postgres = client;
      }
      const { rows } = await this.#postgres.query(STORE);
      this.add({ kind: 'store', tS: this.nowS(), ...rows[0], ...this.#disk, natsSlow });
    } catch {
      // it was ended on purpose; the next look finds it again
      this.#postgres = null;
    }
  }

  #upS(pid: number): number {
    const nowS = this.nowS();
    if (!this.#born.has(pid)) this.#born.set(pid, nowS);
    return nowS - this.#born.get(pid)!;
  }

  async #lookAt(node: ClusterNode): Promise<void> {
    if (!node.isRunning) return;
    const { pid } = node;
    const page = await node.metrics();
    if (page === null || !node.isRunning || node.pid !== pid) return;
    const probed = readProbe(this.#options.probes, pid);
    if (probed !== null) this.#troubles.set(pid, probed.troubles);
    const lag = (name: string): number =>
      Math.max(0, metricSum(page, `nodejs_eventloop_lag_${name}_seconds`) * 1_000 - MONITOR_MS);
    const line: NodeSample = {
      kind: 'node',
      tS: this.nowS(),
      node: node.id,
      pid,
      upS: this.#upS(pid),
      rss: procRssBytes(pid) ?? 0,
      heapUsed: metricSum(page, 'nodejs_heap_size_used_bytes'),
      external: metricSum(page, 'nodejs_external_memory_bytes'),
      arrayBuffers: probed?.arrayBuffers ?? 0,
      oldUsed: metricSum(page, 'nodejs_heap_space_size_used_bytes', 'space="old"'),
      oldAfterMajor: probed?.oldAfterMajor ?? 0,
      loopP50Ms: lag('p50'),
      loopP99Ms: lag('p99'),
      loopMaxMs: lag('max'),
      utilization: probed?.utilization ?? 0,
      cpuS: procCpuSeconds(pid) ?? 0,
      gcMajorMs: probed?.majorMs ?? 0,
      gcMinorMs: probed?.minorMs ?? 0,
      gcOtherMs: probed?.otherMs ?? 0,
      ...heldOf(page, pid),
      routeBytes: metricSum(page, 'heyblue_route_bytes'),
      mailboxFull: metricSum(page, 'heyblue_mailbox_full_total'),
      slowClosed: metricSum(page, 'rt_close_total', `code="${CLOSE.slowConsumer}"`),
      bufferedMax: highestBucket(page, 'rt_buffered_bytes'),
      natsDisconnects: metricSum(page, 'heyblue_nats_disconnects_total'),
      poolTakes: metricSum(page, 'heyblue_postgres_wait_seconds_count'),
      poolWaitMs: metricSum(page, 'heyblue_postgres_wait_seconds_sum') * 1_000,
    };
    this.add(line);
  }

  async #collect(node: ClusterNode): Promise<void> {
    const { pid, id } = node;
    const left = await collect(node);
    // a whole collection at once stops the loop, and it was ours: what the next page tells begins here
    const page = await node.metrics();
    if (left === null || page === null) return;
    const { actors } = heldOf(page, pid);
    this.add({ kind: 'floor', tS: this.nowS(), node: id, pid, upS: this.#upS(pid), actors, ...left });
  }
}
