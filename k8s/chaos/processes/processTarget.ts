/**
 * Chaos on this machine: node processes and embedded servers as `npm start` runs them, a wire that can fail on each link,
 * proxies in front of DynamoDB and Kinesis, a clock file for each node. Needs no root but for a full disk.
 */
import { copyFileSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { stopOnSignal } from '../../swarm/cleanup.ts';
import { type Cluster, type ClusterNode, startCluster } from '../../swarm/clusterTown.ts';
import type { Random } from '../../swarm/random.ts';
import { terminateBackends } from '../backends.ts';
import { burners } from '../burners.ts';
import { muteDoors, slamDoors } from '../doors.ts';
import { poison } from '../poison.ts';
import { loseData, NAMES, restartServer, type ServerHost } from '../servers.ts';
import type { ChaosNode, ChaosTarget, Deed } from '../target.ts';
import { Cloud } from '../wires/cloud.ts';
import { Disk } from './disk.ts';
import { Logins } from './logins.ts';
import { NodeWires } from './nodeWires.ts';

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

const START_ATTEMPTS = 3;
const CLOCK = join(import.meta.dirname, 'shiftedClock.mjs');

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
    const wires = new Map<string, NodeWires>();
    for (let i = 1; i <= options.nodes; i++) {
      const id = `n${i}`;
      const node = await cluster.addNode(id, own => ({
        DYNAMODB_ENDPOINT: open.dynamodb.url,
        KINESIS_ENDPOINT: open.kinesis.url,
        CHAOS_CLOCK_FILE: clockOf(id),
        NODE_OPTIONS: imports.join(' '),
        HEYBLUE_SECRETS_DIR: logins.folderOf(id, own!.postgres.url),
        ...options.env,
      }));
      wires.set(id, new NodeWires(node, random.fork(`repeats of ${id}`)));
    }
    for (const node of cluster.nodes) await node.start();

    const nodeOf = (node: ChaosNode): ClusterNode => cluster.nodes.find(one => one.id === node.id)!;
    const wiresOf = (node: ChaosNode): NodeWires => wires.get(node.id)!;
    const servers: ServerHost = {
      pidOf: server => cluster.pidOf(NAMES[server]),
      natsStore: join(dataDir, 'nats', 'store'),
    };
    const asleep = new Set<string>();
    const shifted = new Set<string>();

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
        wiresOf(node).watchStale();
        return { targets: [node.id], what: `${node.id} stands still`, counts: { paused: 1 } };
      },
      wake: node => {
        asleep.delete(node.id);
        if (nodeOf(node).isRunning) nodeOf(node).thaw();
        return { staleRefused: wiresOf(node).endWatch() };
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

      partition: (node, link, way, mode) => wiresOf(node).partition(link, way, mode),
      delay: (node, link, ms) => wiresOf(node).delay(link, ms),
      keepCommits: node => wiresOf(node).keepCommits(),
      heal: (node, link) => wiresOf(node).heal(link),
      repeat: (node, share) => wiresOf(node).repeat(share),
      muteDoors: nodes => muteDoors(nodes.map(nodeOf)),
      slamDoors: nodes => slamDoors(nodes.map(nodeOf)),

      restartServer: server => restartServer(servers, server),
      loseData: () => loseData(servers),
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
          await wiresOf(node).mend();
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
