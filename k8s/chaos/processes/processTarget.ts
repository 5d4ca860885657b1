/**
 * Chaos on this machine: node processes and embedded servers as `npm start` runs them, a wire that can fail on each link,
 * proxies in front of DynamoDB and Kinesis, a clock file for each node. Needs no root but for a full disk.
 */
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { signal } from '../../../infra/embedded/processes.ts';
import { stopOnSignal } from '../../swarm/cleanup.ts';
import { type Cluster, type ClusterNode, type ServerName, startCluster } from '../../swarm/clusterTown.ts';
import type { Random } from '../../swarm/random.ts';
import type { Wire } from '../../swarm/wire.ts';
import { terminateBackends } from '../backends.ts';
import { burners } from '../burners.ts';
import { poison } from '../poison.ts';
import type { ChaosNode, ChaosTarget, Deed, Hit, Link, Server } from '../target.ts';
import { Cloud } from '../wires/cloud.ts';
import { NatsFrames, type Repeats } from '../wires/natsFrames.ts';
import { staleIn } from '../wires/staleAnswers.ts';
import { Disk } from './disk.ts';
import { Logins } from './logins.ts';

export interface ProcessOptions {
  readonly nodes: number;
  readonly random: Random;
  /** Settings of every node. */
  readonly env?: Record<string, string>;
  /** Modules that every node loads before its own, by path: a test build is made of those. */
  readonly imports?: readonly string[];
  readonly natsServerBin?: string;
  readonly log?: (line: string) => void;
}

const NAMES: Record<Server, ServerName> = { nats: 'nats-server', postgres: 'PostgreSQL' };
const SERVER_MS_MAX = 60_000;
const POLL_MS = 50;
/** Begins the names of the prepared statements that commit (infra/postgres). */
const COMMITS = 'commit_';
const START_ATTEMPTS = 3;
const CLOCK = join(import.meta.dirname, 'shiftedClock.mjs');

const difference = (wire: Wire, before: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(wire.counts)
      .map(([name, now]) => [name, now - (before[name] ?? 0)] as const)
      .filter(([, more]) => more > 0),
  );

/** With the processes themselves, for runs that look at them from outside. */
export interface ProcessTarget extends ChaosTarget {
  readonly cluster: Cluster;
}

export const startProcesses = async (options: ProcessOptions): Promise<ProcessTarget> => {
  const { random } = options;
  const beganAtMs = Date.now();
  const began = performance.now();
  const cluster: Cluster = await startCluster({
    nodes: 0,
    doors: true,
    ...(options.natsServerBin === undefined ? {} : { natsServerBin: options.natsServerBin }),
    ...(options.log === undefined ? {} : { log: options.log }),
  });
  const { town, dataDir } = cluster;
  let disk: Disk | string | undefined;
  let cloud: Cloud | undefined;
  const fire = burners();
  const stop = stopOnSignal(async () => {
    await fire.cool();
    await cluster.stop();
    await cloud?.close();
    if (disk instanceof Disk) disk.remove();
  });
  try {
    disk = await Disk.under(town.databaseUrl, dataDir);
    const open = await Cloud.open(
      { dynamodb: town.dynamodbEndpoint, kinesis: town.kinesisEndpoint },
      random.fork('cloud'),
    );
    cloud = open;
    const logins = await Logins.open(town.databaseUrl, dataDir);
    const imports = [CLOCK, ...(options.imports ?? [])].map(path => `--import=${pathToFileURL(path).href}`);
    const clockOf = (id: string): string => join(dataDir, `clock-${id}`);
    const repeatsOf = new Map<string, Repeats>();
    for (let i = 1; i <= options.nodes; i++) {
      const id = `n${i}`;
      const node = await cluster.addNode(id, wires => ({
        DYNAMODB_ENDPOINT: open.dynamodb.url,
        KINESIS_ENDPOINT: open.kinesis.url,
        CHAOS_CLOCK_FILE: clockOf(id),
        NODE_OPTIONS: imports.join(' '),
        HEYBLUE_SECRETS_DIR: logins.folderOf(id, wires!.postgres.url),
        ...options.env,
      }));
      const repeats: Repeats = { share: 0, doubled: 0, replayed: 0 };
      repeatsOf.set(id, repeats);
      const chance = random.fork(`repeats of ${id}`);
      node.wires.nats.mangle = direction => {
        if (direction !== 'toNode') return null;
        const frames = new NatsFrames(repeats, chance);
        return chunk => frames.take(chunk);
      };
    }
    for (const node of cluster.nodes) await node.start();

    const nodeOf = (node: ChaosNode): ClusterNode => cluster.nodes.find(one => one.id === node.id)!;
    const wireOf = (node: ChaosNode, link: Link): Wire => nodeOf(node).wires[link];
    /** What the wire had counted when it was last healed. */
    const before = new Map<Wire, Record<string, number>>();
    const healWire = async (wire: Wire): Promise<Record<string, number>> => {
      const done = difference(wire, before.get(wire) ?? {});
      await wire.heal();
      before.set(wire, { ...wire.counts });
      return done;
    };
    const asleep = new Set<string>();
    const shifted = new Set<string>();
    /** What was refused to nodes that stand still. */
    const staleOf = new Map<string, number>();

    /** Waits for another process of the server, and until PostgreSQL takes connections. */
    const another = async (server: Server, pid: number): Promise<void> => {
      const end = performance.now() + SERVER_MS_MAX;
      while (performance.now() < end) {
        if (cluster.pidOf(NAMES[server]) !== pid) return;
        await pause(POLL_MS);
      }
      throw new Error(`no other ${NAMES[server]} within ${SERVER_MS_MAX / 1_000} s`);
    };
    const target: ProcessTarget = {
      cluster,
      nodes: cluster.nodes,
      town,
      dataDir,
      stores: {
        databaseUrl: town.databaseUrl,
        dynamodbEndpoint: town.dynamodbEndpoint,
        kinesisEndpoint: town.kinesisEndpoint,
        natsUrl: town.natsUrl!,
        awsEnv: town.awsEnv,
        dataDir,
      },
      crashes: cluster.crashes,
      beganAtMs,
      nowMs: () => performance.now() - began,
      cannot: (deed: Deed) => {
        if (deed === 'fillDisk' && !(disk instanceof Disk)) return disk ?? 'There is no disk.';
        return null;
      },

      kill: async node => {
        const { pid } = nodeOf(node);
        await nodeOf(node).kill();
        asleep.delete(node.id);
        return { targets: [node.id], what: `${node.id} (pid ${pid}) is killed`, counts: { killed: 1 } };
      },
      start: node => startAgain(nodeOf(node)),
      startSqueezed: async (node, heapMb) => {
        const NODE_OPTIONS = [...imports, `--max-old-space-size=${heapMb}`].join(' ');
        await startAgain(nodeOf(node), { NODE_OPTIONS });
        return { targets: [node.id], what: `${node.id} has ${heapMb} MB of heap`, counts: { heapMb } };
      },
      pause: node => {
        nodeOf(node).freeze();
        asleep.add(node.id);
        staleOf.set(node.id, 0);
        wireOf(node, 'postgres').tap = (direction, chunk) => {
          if (direction === 'toNode') staleOf.set(node.id, (staleOf.get(node.id) ?? 0) + staleIn(chunk));
        };
        return { targets: [node.id], what: `${node.id} stands still`, counts: { paused: 1 } };
      },
      wake: node => {
        asleep.delete(node.id);
        if (nodeOf(node).isRunning) nodeOf(node).thaw();
        wireOf(node, 'postgres').tap = null;
        return { staleRefused: staleOf.get(node.id) ?? 0 };
      },
      drain: async nodes => {
        const ends = await Promise.all(nodes.map(node => nodeOf(node).drain()));
        const hard = ends.filter(end => end.words !== 'ended with code 0');
        if (hard.length > 0)
          throw new Error(`a drain did not end well: ${hard.map(end => end.words).join()}`);
        const tookMs = Math.round(Math.max(...ends.map(end => end.tookMs)));
        const ids = nodes.map(node => node.id);
        return { targets: ids, what: `${ids.join(' and ')} end`, counts: { drained: ids.length, tookMs } };
      },

      partition: (node, link, way, mode): Hit => {
        const wire = wireOf(node, link);
        if (mode === 'reset') wire.cut();
        else wire.drop(way);
        const words = mode === 'reset' ? 'is cut' : `loses packets (${way})`;
        return { targets: [node.id], what: `${node.id} to ${link} ${words}`, counts: {} };
      },
      delay: (node, link, ms) => wireOf(node, link).delay(ms),
      keepCommits: node => wireOf(node, 'postgres').keepBack(chunk => chunk.includes(COMMITS)),
      heal: (node, link) => healWire(wireOf(node, link)),
      repeat: (node, share) => {
        const repeats = repeatsOf.get(node.id)!;
        const { doubled, replayed } = repeats;
        Object.assign(repeats, { share, doubled: 0, replayed: 0 });
        return { doubled, replayed };
      },
      muteDoors: nodes => {
        for (const node of nodes) nodeOf(node).door.drop('toNode');
      },
      slamDoors: nodes => {
        let closed = 0;
        for (const node of nodes) {
          const { door } = nodeOf(node);
          const { closed: was } = door.counts;
          door.hangUp();
          void door.heal();
          closed += door.counts.closed - was;
        }
        const ids = nodes.map(node => node.id);
        return { targets: ids, what: `every socket with ${ids.join(', ')} ends`, counts: { closed } };
      },

      restartServer: async server => {
        const pid = cluster.pidOf(NAMES[server]);
        // the immediate shutdown of PostgreSQL: as a crash, but its backends end as well
        cluster.signalServer(NAMES[server], server === 'postgres' ? 'SIGQUIT' : 'SIGKILL');
        await another(server, pid);
        return { targets: [NAMES[server]], what: `${NAMES[server]} is restarted`, counts: { restarted: 1 } };
      },
      loseData: async () => {
        const pid = cluster.pidOf('nats-server');
        const store = join(dataDir, 'nats', 'store');
        // it does not come back between the end and the removal
        signal(pid, 'SIGSTOP');
        renameSync(store, `${store}.lost`);
        signal(pid, 'SIGKILL');
        await another('nats', pid);
        rmSync(`${store}.lost`, { recursive: true, force: true });
        return { targets: ['nats-server'], what: 'nats-server begins again empty', counts: { restarted: 1 } };
      },
      terminateBackends: () => terminateBackends(town.databaseUrl),
      fillDisk: async () => {
        const bytes = (disk as Disk).fill();
        return { targets: ['PostgreSQL'], what: 'the disk of its tables is full', counts: { bytes } };
      },
      freeDisk: async () => {
        if (disk instanceof Disk) disk.free();
      },
      cloud: behaviour => open.behave(behaviour),
      clockJump: (node, offsetMs) => {
        writeFileSync(`${clockOf(node.id)}.new`, String(offsetMs));
        renameSync(`${clockOf(node.id)}.new`, clockOf(node.id));
        if (offsetMs === 0) shifted.delete(node.id);
        else shifted.add(node.id);
        const what = `the clock of ${node.id} is ${offsetMs / 1_000} s off`;
        return { targets: [node.id], what, counts: { offsetMs: Math.abs(offsetMs) } };
      },
      poison: (node, messages) => poison(target, node, messages),
      burn: fire.burn,
      rotate: async () => {
        const sessions = await logins.rotate();
        const what = 'another password of PostgreSQL, its sessions ended; another key signs tokens';
        return { targets: ['PostgreSQL', 'keys'], what, counts: { sessions } };
      },

      mend: async () => {
        await fire.cool();
        open.behave('pass');
        if (disk instanceof Disk) disk.free();
        for (const id of shifted) target.clockJump(cluster.nodes.find(node => node.id === id)!, 0);
        for (const node of cluster.nodes) {
          target.repeat(node, 0);
          await healWire(node.wires.nats);
          await healWire(node.wires.postgres);
          await node.door.heal();
          if (asleep.has(node.id)) target.wake(node);
          if (!node.isRunning) await startAgain(node);
        }
      },
      steady: async timeoutMs => {
        await cluster.steady([...cluster.nodes], timeoutMs);
      },
      keepLogs: folder => {
        mkdirSync(folder, { recursive: true });
        for (const name of readdirSync(dataDir).filter(one => one.endsWith('.log')))
          copyFileSync(join(dataDir, name), join(folder, name));
      },
      stop,
    };
    return target;
  } catch (error) {
    await stop();
    throw error;
  }
};

/** As an orchestrator does it: what could not start is started again, and some servers take their time. */
const startAgain = async (node: ClusterNode, env: Record<string, string> = {}): Promise<void> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await node.start(env);
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
    }
  }
};
