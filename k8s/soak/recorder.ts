/**
 * Looks at everything that runs, each `LOOK_S` seconds, from outside where that is possible (/proc, the pages of metrics,
 * PostgreSQL's own views) and through the probe where it is not, and writes it down line by line. Each `COLLECT_S` every
 * node in turn is asked to collect its garbage: what stays is the floor that a leak would raise.
 */
import { createWriteStream, readdirSync, statSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import type { Cluster, ClusterNode } from '../swarm/clusterTown.ts';
import { metricSum } from '../swarm/metricsPage.ts';
import { familyCpuSeconds, familyOf, procCpuSeconds, procRssBytes } from '../swarm/processCost.ts';
import { openFiles } from './openFiles.ts';
import { readProbe } from './probed.ts';
import { type AtRest, type Line, LOOK_S, type Memory, type NodeSample, Recording } from './recording.ts';

const COLLECT_S = 120;
/** prom-client's monitor of the loop has timers of 10 ms, and their period is in its values. */
const MONITOR_MS = 10;
/** The size of a folder is looked up in all of its files: not at every look. */
const DISK_LOOKS = 6;

const fdsOf = (pid: number): number => {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
};

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

const STORE = `
  select (select count(*) from pg_stat_activity where datname = current_database())::int as connections,
         (select count(*) from pg_locks where not granted)::int as "locksWaiting",
         pg_database_size(current_database())::float8 as "databaseBytes",
         (select coalesce(sum(n_dead_tup), 0) from pg_stat_user_tables)::float8 as "deadRows"`;

/** What a node holds by its page of metrics; all at the same moment. */
const heldOf = (page: string, pid: number) => ({
  fds: fdsOf(pid),
  timeouts: metricSum(page, 'nodejs_active_resources', '"Timeout"'),
  sockets: metricSum(page, 'rt_connections'),
  actors: metricSum(page, 'heyblue_actors', '"user"'),
  otherActors: metricSum(page, 'heyblue_actors') - metricSum(page, 'heyblue_actors', '"user"'),
  timers: metricSum(page, 'heyblue_timers_armed'),
  subscriptions: metricSum(page, 'heyblue_nats_subscriptions'),
  outbox: metricSum(page, 'heyblue_outbox_depth'),
});

/** Compiled code and what belongs to it: V8's code and trusted spaces, those of large objects too. */
const codeIn = (spaces: Readonly<Record<string, number>>): number =>
  Object.entries(spaces)
    .filter(([name]) => /^(code|trusted)/.test(name))
    .reduce((sum, [, bytes]) => sum + bytes, 0);

/**
 * Asks a node to collect its garbage; null when it does not answer. Compiled code does not count as heap here: the engine
 * makes more of it whenever something is done often for the first time, and nobody holds it. (It counts in `rss`.)
 */
const collect = async (node: ClusterNode, patienceMs = 3_000): Promise<Memory | null> => {
  const signal = AbortSignal.timeout(patienceMs);
  const asked = fetch(`${node.urls.admin}/debug/gc`, { method: 'POST', signal });
  const response = await asked.catch(() => null);
  if (!response?.ok) return null;
  const { rss, heapUsed, heapSpaces } = (await response.json()) as Required<Memory>;
  return { rss, heapUsed: heapUsed - codeIn(heapSpaces), heapSpaces };
};

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
  #diskBytes = 0;
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
    if (look % DISK_LOOKS === 0) this.#diskBytes = bytesIn(cluster.dataDir);
    try {
      if (this.#postgres === null) {
        const client = new Client({ connectionString: cluster.town.databaseUrl });
        client.on('error', () => {
          this.#postgres = null;
        });
        await client.connect();
        this.#postgres = client;
      }
      const { rows } = await this.#postgres.query(STORE);
      this.add({ kind: 'store', tS: this.nowS(), ...rows[0], diskBytes: this.#diskBytes });
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
      natsDisconnects: metricSum(page, 'heyblue_nats_disconnects_total'),
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

type Held = ReturnType<typeof heldOf>;

/** What every node holds now; null for one that does not answer. */
const looked = (cluster: Cluster): Promise<(Held | null)[]> =>
  Promise.all(
    cluster.nodes.map(async node => {
      const page = await node.metrics();
      return page === null ? null : heldOf(page, node.pid);
    }),
  );

const REST_LOOK_MS = 1_000;
const REST_PATIENCE_MS = 30_000;
/** Looks at what is held at rest: any work of a moment has a timer, which is gone at another look. What leaks stays. */
const REST_LOOKS = 5;

const leastOf = (one: Held | null, other: Held | null): Held | null => {
  if (one === null || other === null) return one ?? other;
  const least = { ...one };
  for (const name of Object.keys(one) as (keyof Held)[]) least[name] = Math.min(one[name], other[name]);
  return least;
};

/** What stays: of every count of every node the smallest of some looks. */
const staying = async (cluster: Cluster): Promise<(Held | null)[]> => {
  let least = await looked(cluster);
  for (let i = 1; i < REST_LOOKS; i++) {
    await pause(REST_LOOK_MS);
    const now = await looked(cluster);
    least = least.map((one, k) => leastOf(one, now[k] ?? null));
  }
  return least;
};

/**
 * Waits until nobody is connected, remembered or owed anything, or until the patience is over; then collects and measures.
 *
 * @param patienceMs a silent socket ends after 40 s, a person without a socket leaves memory after 90 s
 */
export const atRest = async (cluster: Cluster, patienceMs: number): Promise<AtRest[]> => {
  const end = performance.now() + patienceMs;
  for (;;) {
    const held = await looked(cluster);
    const over = held.every(one => one !== null && one.sockets + one.actors + one.outbox === 0);
    if (!over && performance.now() < end) {
      await pause(REST_LOOK_MS);
      continue;
    }
    for (let i = 0; i < 3; i++) await Promise.all(cluster.nodes.map(node => collect(node, REST_PATIENCE_MS)));
    // takes seconds: pages that a collection emptied are given back some time later
    const stay = await staying(cluster);
    const memory = await Promise.all(cluster.nodes.map(node => collect(node, REST_PATIENCE_MS)));
    return cluster.nodes.map(({ id, pid }, i) => {
      const [held, left] = [stay[i], memory[i]];
      if (!held || !left) throw new Error(`${id} does not say what it holds at rest`);
      return { node: id, pid, ...held, ...left, open: openFiles(pid) };
    });
  }
};
