/** What a node holds: at any moment by its page of metrics, and at rest, when nobody is connected, after collections. */
import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster, ClusterNode } from '../swarm/clusterTown.ts';
import { metricSum } from '../swarm/metricsPage.ts';
import { openFiles } from './openFiles.ts';
import type { AtRest, Memory } from './recording.ts';

export const fdsOf = (pid: number): number => {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
};

/** What a node holds by its page of metrics; all at the same moment. */
export const heldOf = (page: string, pid: number) => ({
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
export const collect = async (node: ClusterNode, patienceMs = 3_000): Promise<Memory | null> => {
  const signal = AbortSignal.timeout(patienceMs);
  const asked = fetch(`${node.urls.admin}/debug/gc`, { method: 'POST', signal });
  const response = await asked.catch(() => null);
  if (!response?.ok) return null;
  const { rss, heapUsed, heapSpaces } = (await response.json()) as Required<Memory>;
  return { rss, heapUsed: heapUsed - codeIn(heapSpaces), heapSpaces };
};

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
