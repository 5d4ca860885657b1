/**
 * A cluster of one's own, for tests and benchmarks that make nodes fail: a real nats-server, PostgreSQL, DynamoDB and
 * Kinesis in a temporary folder, node processes in front of them, each behind wires of its own to NATS and PostgreSQL.
 *
 * Only what was started here is ever signalled, by its pid. A node that ends without being told to is a crash, and
 * remembered as one.
 */

import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startTown, type Town } from '../../infra/embedded/index.ts';
import { freePorts } from '../../infra/embedded/ports.ts';
import { signal, within } from '../../infra/embedded/processes.ts';
import { type NodeProcess, type NodeUrls, spawnNode } from '../../infra/embedded/town.ts';
import type { ClusterView } from '../../nodes/ports.ts';
import { stopOnSignal } from './cleanup.ts';
import { OPEN_AREAS } from './openAreas.ts';
import { layWire, type Wire } from './wire.ts';

/** What people call a server, as `Town.processes` does. */
export type ServerName = 'PostgreSQL' | 'nats-server';

export interface ClusterOptions {
  readonly nodes?: number;
  /** Settings of every node on top of the defaults. */
  readonly env?: Record<string, string>;
  /** Lay wires that can be cut between each node and its NATS and PostgreSQL. Default: true. */
  readonly wires?: boolean;
  /** Lay a wire between phones and the realtime door of each node as well. Default: false. */
  readonly doors?: boolean;
  /** The nats-server to run. Default: found, else fetched into the data folder of the town. */
  readonly natsServerBin?: string;
  /** nodes/main.ts of another release. Default: ours. */
  readonly entry?: string;
  readonly log?: (line: string) => void;
}

/** SIGTERM to exit when others take over; a node promises 45 s. */
const DRAIN_MS_MAX = 50_000;
/** Hand-offs of a few seconds, on a machine that has other work. */
const STEADY_MS_MAX = 45_000;
const POLL_MS = 50;

/** What every cluster that is put under load needs: all its phones come from one address. */
const FOR_LOAD: Record<string, string> = {
  HEYBLUE_HOST: '127.0.0.1',
  HEYBLUE_LOG_LEVEL: 'info',
  HEYBLUE_LOG_FORMAT: 'json',
  HEYBLUE_CONNECTIONS_PER_ADDRESS: '1000000',
  HEYBLUE_HANDSHAKE_RATE: '1000000',
  // A few officers meet everybody here: that is looked at elsewhere, and nothing of it would be paid.
  HEYBLUE_HISTORY_REVIEW: 'off',
  // Lists of officers at once and for whoever is there: who waits for them here is a program.
  ...OPEN_AREAS,
};

export type NodeWires = { readonly nats: Wire; readonly postgres: Wire } | null;

export interface NodePlan {
  readonly id: string;
  readonly env: Record<string, string>;
  readonly wires: NodeWires;
  /** Between phones and its realtime door. */
  readonly door: Wire | null;
  readonly logFile: string;
  readonly entry?: string | undefined;
}

/** One node of the cluster, dead or alive. */
export class ClusterNode {
  readonly id: string;
  readonly urls: NodeUrls;
  readonly logFile: string;
  readonly #plan: NodePlan;
  readonly #crashes: string[];
  #running: NodeProcess | null = null;
  /** Its end is ours: we signalled it. */
  #ending = false;

  constructor(plan: NodePlan, crashes: string[]) {
    const { env } = plan;
    this.id = plan.id;
    this.#plan = plan;
    this.#crashes = crashes;
    this.logFile = plan.logFile;
    this.urls = {
      rest: `http://127.0.0.1:${env.HEYBLUE_REST_PORT}`,
      realtime: plan.door?.url ?? `ws://127.0.0.1:${env.HEYBLUE_REALTIME_PORT}/v1/ws`,
      admin: `http://127.0.0.1:${env.HEYBLUE_ADMIN_PORT}`,
    };
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  get pid(): number {
    if (this.#running === null) throw new Error(`node ${this.id} does not run`);
    return this.#running.pid;
  }

  get wires(): { readonly nats: Wire; readonly postgres: Wire } {
    if (this.#plan.wires === null) throw new Error('this cluster has no wires');
    return this.#plan.wires;
  }

  get door(): Wire {
    if (this.#plan.door === null) throw new Error('this cluster has no doors');
    return this.#plan.door;
  }

  /**
   * Starts the process, this time with these settings on top of its own, and waits until it serves.
   *
   * @param entry nodes/main.ts of another release; default: that of the cluster
   */
  async start(env: Record<string, string> = {}, entry = this.#plan.entry): Promise<void> {
    if (this.#running !== null) throw new Error(`node ${this.id} runs already`);
    const running = await spawnNode({
      env: { ...this.#plan.env, ...env },
      output: { file: this.logFile },
      ...(entry !== undefined && { entry }),
    });
    this.#running = running;
    this.#ending = false;
    running.exited.then(words => {
      if (this.#running === running) this.#running = null;
      if (!this.#ending) this.#crashes.push(`node ${this.id} ${words}: ${lastLines(this.logFile)}`);
    });
  }

  /** Ends it without warning. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL', Number.POSITIVE_INFINITY);
  }

  /** Asks it to hand everything over and to end; how it ended, and after how many milliseconds. */
  async drain(): Promise<{ readonly words: string; readonly tookMs: number }> {
    const began = performance.now();
    const words = await this.#end('SIGTERM', DRAIN_MS_MAX);
    return { words, tookMs: performance.now() - began };
  }

  async #end(name: NodeJS.Signals, patienceMs: number): Promise<string> {
    const running = this.#running;
    if (running === null) return 'was not running';
    this.#ending = true;
    signal(running.pid, name);
    // one that sleeps hears nothing but SIGKILL
    if (name !== 'SIGKILL') signal(running.pid, 'SIGCONT');
    if (patienceMs !== Number.POSITIVE_INFINITY && !(await within(running.exited, patienceMs))) {
      signal(running.pid, 'SIGKILL');
      await running.exited;
      return `did not end within ${patienceMs} ms`;
    }
    return running.exited;
  }

  /** Stands still, as a machine does that is suspended; nothing of it is lost. */
  freeze(): void {
    signal(this.pid, 'SIGSTOP');
  }

  thaw(): void {
    signal(this.pid, 'SIGCONT');
  }

  /** Its page of metrics; null when it does not answer. */
  metrics(): Promise<string | null> {
    return this.#admin('/metrics').then(answer => answer?.text() ?? null);
  }

  /** The cluster as this node sees it; null when it does not answer. */
  async view(): Promise<ClusterView | null> {
    const answer = await this.#admin('/admin/cluster');
    return answer?.ok ? ((await answer.json()) as ClusterView) : null;
  }

  #admin(path: string): Promise<Response | null> {
    return fetch(`${this.urls.admin}${path}`, { signal: AbortSignal.timeout(2_000) }).catch(() => null);
  }

  async stop(): Promise<void> {
    if (this.#running !== null) await this.#end('SIGKILL', Number.POSITIVE_INFINITY);
    await this.#plan.wires?.nats.close();
    await this.#plan.wires?.postgres.close();
    await this.#plan.door?.close();
  }
}

/** `HEYBLUE_KEEP_LOGS=folder` keeps what the nodes said, for whoever wants to know what went wrong. */
const keepLogs = (dataDir: string): void => {
  const folder = process.env.HEYBLUE_KEEP_LOGS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(dataDir).filter(one => one.endsWith('.log')))
    copyFileSync(join(dataDir, name), join(folder, name));
};

const lastLines = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(-6, -1).join('\n');
  } catch {
    return '';
  }
};

export interface Cluster {
  readonly town: Town;
  readonly dataDir: string;
  readonly nodes: readonly ClusterNode[];
  /** Nodes that ended by themselves, in words; must stay empty. */
  readonly crashes: readonly string[];
  /** Signals one of the servers: SIGKILL and SIGQUIT end it, it is started again by itself. */
  signalServer(server: ServerName, name: NodeJS.Signals): void;
  pidOf(server: ServerName): number;
  /** A node more, not started; it joins with `start`. Its settings may follow from its wires. */
  addNode(id: string, env?: (wires: NodeWires) => Record<string, string>): Promise<ClusterNode>;
  /** Waits until these nodes (default: all that run) own all shards between them and agree about it. */
  steady(nodes?: readonly ClusterNode[], timeoutMs?: number): Promise<ClusterView>;
  stop(): Promise<void>;
}

/** Somebody who can be asked how the cluster looks from there. */
export interface Viewer {
  readonly id: string;
  view(): Promise<ClusterView | null>;
}

/** Waits until these nodes own all shards between them and agree about it. @throws Error with what is missing */
export const steadyView = async (nodes: readonly Viewer[], timeoutMs: number): Promise<ClusterView> => {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const views = await Promise.all(nodes.map(node => node.view()));
    const why = unsettled(nodes, views);
    if (why === null) return views[0]!;
    if (performance.now() > end) throw new Error(`no steady cluster after ${timeoutMs} ms: ${why}`);
    await pause(POLL_MS);
  }
};

/** Why the views of these nodes are not one settled cluster; null when they are. */
const unsettled = (nodes: readonly Viewer[], views: readonly (ClusterView | null)[]): string | null => {
  const ids = nodes.map(node => node.id).sort();
  for (const [i, view] of views.entries()) {
    const node = nodes[i]!.id;
    if (view === null) return `${node} does not answer`;
    if (!view.serving) return `${node} does not serve`;
    const up = view.nodes
      .filter(one => one.state === 'up')
      .map(one => one.node)
      .sort();
    if (up.join() !== ids.join()) return `${node} sees ${up}`;
    if (view.handoffs.length > 0) return `${node}: ${view.handoffs.length} hand-offs are under way`;
    const owners = new Map<string | null, number>();
    for (const owner of view.owners) owners.set(owner, (owners.get(owner) ?? 0) + 1);
    if (owners.has(null)) return `${node}: nobody owns ${owners.get(null)} shards`;
    if (ids.some(id => !owners.has(id))) return `${node}: somebody owns nothing`;
    if (view.owners.some((owner, shard) => owner !== views[0]!.owners[shard]))
      return `${node} and ${nodes[0]!.id} know different owners`;
  }
  return null;
};

/** @throws StartFailure with one sentence when a server or a node does not come up */
export const startCluster = async (options: ClusterOptions = {}): Promise<Cluster> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'heyblue-cluster-'));
  const nodes: ClusterNode[] = [];
  const crashes: string[] = [];
  let town: Town | undefined;
  const stop = stopOnSignal(async () => {
    await Promise.all(nodes.map(node => node.stop()));
    await town?.stop();
    keepLogs(dataDir);
    rmSync(dataDir, { recursive: true, force: true });
  });
  try {
    const running = await startTown({
      dataDir,
      nats: true,
      natsServerDir: resolve('.data'),
      env: options.natsServerBin === undefined ? {} : { NATS_SERVER_BIN: options.natsServerBin },
      log: options.log,
    });
    town = running;
    const pidOf = (server: ServerName): number => {
      const found = running.processes().find(one => one.name === server);
      if (found === undefined) throw new Error(`${server} does not run`);
      return found.pid;
    };
    const addNode: Cluster['addNode'] = async (id, envOf = () => ({})) => {
      const wires =
        options.wires === false
          ? null
          : { nats: await layWire(running.env.NATS_URL!), postgres: await layWire(running.databaseUrl) };
      const [restPort, realtimePort, adminPort] = await freePorts(3);
      const inner = `ws://127.0.0.1:${realtimePort}/v1/ws`;
      const door = options.doors ? await layWire(inner) : null;
      const node = new ClusterNode(
        {
          id,
          wires,
          door,
          entry: options.entry,
          logFile: join(dataDir, `${id}-${nodes.length}.log`),
          env: {
            ...running.env,
            ...(wires === null ? {} : { NATS_URL: wires.nats.url, DATABASE_URL: wires.postgres.url }),
            HEYBLUE_DATA_DIR: dataDir,
            HEYBLUE_ARCHIVE: 'off',
            HEYBLUE_NODE_ID: id,
            HEYBLUE_REST_PORT: String(restPort),
            HEYBLUE_REALTIME_PORT: String(realtimePort),
            HEYBLUE_PUBLIC_URL: door?.url ?? inner,
            HEYBLUE_ADMIN_PORT: String(adminPort),
            ...FOR_LOAD,
            ...options.env,
            ...envOf(wires),
          },
        },
        crashes,
      );
      nodes.push(node);
      return node;
    };
    for (let i = 1; i <= (options.nodes ?? 3); i++) await addNode(`n${i}`);
    // The first one migrates and makes the keys.
    for (const node of nodes) await node.start();
    return {
      town: running,
      dataDir,
      nodes,
      crashes,
      pidOf,
      signalServer: (server, name) => signal(pidOf(server), name),
      addNode,
      steady: (some = nodes.filter(node => node.isRunning), timeoutMs = STEADY_MS_MAX) =>
        steadyView(some, timeoutMs),
      stop,
    };
  } catch (error) {
    const logs = nodes.map(node => lastLines(node.logFile)).join('\n');
    await stop();
    if (error instanceof Error && logs !== '') error.message += `\n${logs}`;
    throw error;
  }
};
