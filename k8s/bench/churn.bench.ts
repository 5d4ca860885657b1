/**
 * People come and go: 5,000 phones are connected at any time, 200 connect and 200 are lost each second for five minutes,
 * by a goodbye, a reset or silence. Afterwards everything that two nodes hold for phones must be there once per phone that
 * is connected, and nothing for those who went: sockets, tables, actors and what they know of sockets, files, timers,
 * subscriptions; and their memory is what it was before.
 *
 * Before and after are measured in the same way: nobody comes or goes until all counts are those of the connected phones
 * (a silent socket ends after 40 s, a person without a socket leaves memory after 90 s), then garbage is collected.
 */
import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench, Report } from '../bench.ts';
import { type Cluster, type ClusterNode, startCluster } from '../swarm/clusterTown.ts';
import { metricSum } from '../swarm/metricsPage.ts';
import { addressOf, partOf } from '../swarm/parts.ts';
import { anySeed } from '../swarm/random.ts';
import { seedPeople } from '../swarm/seed.ts';
import { Swarm } from '../swarm/swarm.ts';
import { numberArg } from './args.ts';
import type { ChurnArgs, Churned } from './churn.profile.ts';
import { figure, rounded, table } from './table.ts';

/** What must be there once for each connected phone. */
const PER_PHONE = ['sockets', 'sessions', 'users', 'attached', 'actors', 'present'] as const;
/** What must not be there when nobody comes or goes. */
const NOTHING = [
  'half_open',
  'waiting',
  'attaching',
  'put_off',
  'volatiles',
  'again',
  'probes',
  'grace',
] as const;
/** What has nothing to do with phones, and must be as before. */
const SAME = ['files', 'subscriptions', 'timeouts'] as const;
type Count = (typeof PER_PHONE)[number] | (typeof NOTHING)[number] | (typeof SAME)[number] | 'timers';

interface Held {
  readonly counts: Readonly<Record<Count, number>>;
  readonly rss: number;
  readonly heapUsed: number;
}

/** People beyond the connected ones: those who are away (3 s and more), and the silent ones who stay away for 60 s. */
const AWAY_S = 8;
const SILENT_S = 70 / 6;
const SETTLE_MS_MAX = 190_000;
const LOOK_MS = 2_000;
/** Pages that a collection emptied are given back some time later. */
const QUIET_MS = 8_000;
const WORKERS = 2;
/** Noise of a heap after a collection, and of what the allocator keeps. */
const HEAP_FLAT = 1.05;
const RSS_FLAT = 1.1;
const TIMERS_FLAT = 1.01;

interface Plan {
  readonly live: number;
  readonly nodes: number;
  readonly perS: number;
  readonly warmS: number;
  readonly seconds: number;
  readonly seed: number;
}

const countOf = async (node: ClusterNode): Promise<Record<Count, number>> => {
  const page = (await node.metrics()) ?? '';
  const held = (name: string): number => metricSum(page, 'rt_held', `"${name}"`);
  const presence = (name: string): number => metricSum(page, 'rt_sessions_by_presence', `"${name}"`);
  const sockets = metricSum(page, 'rt_connections');
  return {
    sockets,
    sessions: held('sessions'),
    users: held('users'),
    attached: metricSum(page, 'rt_attached'),
    actors: metricSum(page, 'heyblue_actors', '"user"'),
    present: presence('online') + presence('away'),
    half_open: metricSum(page, 'rt_half_open'),
    waiting: held('waiting'),
    attaching: held('attaching'),
    put_off: held('put_off'),
    volatiles: held('volatiles'),
    again: held('again'),
    probes: held('probes'),
    grace: presence('grace') + presence('offline'),
    files: readdirSync(`/proc/${node.pid}/fd`).length - sockets,
    subscriptions: metricSum(page, 'heyblue_nats_subscriptions'),
    timeouts: metricSum(page, 'nodejs_active_resources', '"Timeout"'),
    timers: metricSum(page, 'heyblue_timers_armed'),
  };
};

const countAll = async (cluster: Cluster): Promise<Record<Count, number>> => {
  const all = await Promise.all(cluster.nodes.map(countOf));
  const sum = { ...all[0]! };
  for (const one of all.slice(1)) for (const name of Object.keys(sum) as Count[]) sum[name] += one[name];
  return sum;
};

/** What is not as it should be with so many phones; empty when all is well. */
const differences = (
  counts: Readonly<Record<Count, number>>,
  live: number,
  before: Readonly<Record<Count, number>> | null,
): string[] => [
  ...PER_PHONE.filter(name => counts[name] !== live).map(
    name => `${name} ${counts[name]} for ${live} phones`,
  ),
  ...NOTHING.filter(name => counts[name] !== 0).map(name => `${name} ${counts[name]}`),
  ...(before === null
    ? []
    : [
        ...SAME.filter(name => counts[name] !== before[name]).map(
          name => `${name} ${counts[name]}, before ${before[name]}`,
        ),
        ...(counts.timers > before.timers * TIMERS_FLAT + 10
          ? [`timers ${counts.timers}, before ${before.timers}`]
          : []),
      ]),
];

const collect = async (node: ClusterNode): Promise<{ rss: number; heapUsed: number }> => {
  const response = await fetch(`${node.urls.admin}/debug/gc`, { method: 'POST' });
  if (!response.ok) throw new Error(`POST /debug/gc of the admin port answered ${response.status}`);
  return (await response.json()) as { rss: number; heapUsed: number };
};

/** Waits until everything is as it should be, or patience ends; then measures memory. */
const settled = async (cluster: Cluster, live: number, before: Held | null): Promise<Held> => {
  const end = performance.now() + SETTLE_MS_MAX;
  for (;;) {
    const counts = await countAll(cluster);
    const wrong = differences(counts, live, before?.counts ?? null);
    if (wrong.length > 0 && performance.now() < end) {
      await pause(LOOK_MS);
      continue;
    }
    for (let i = 0; i < 3; i++) await Promise.all(cluster.nodes.map(collect));
    await pause(QUIET_MS);
    const memory = await Promise.all(cluster.nodes.map(collect));
    return {
      counts,
      rss: memory.reduce((sum, one) => sum + one.rss, 0),
      heapUsed: memory.reduce((sum, one) => sum + one.heapUsed, 0),
    };
  }
};

const added = (all: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
  const sum: Record<string, number> = {};
  for (const one of all) for (const [key, n] of Object.entries(one)) sum[key] = (sum[key] ?? 0) + n;
  return sum;
};

const churn = async (plan: Plan, report: Report) => {
  const cluster = await startCluster({
    nodes: plan.nodes,
    wires: false,
    env: { HEYBLUE_ADMIN_GC: '1' },
    log: report,
  });
  try {
    await cluster.steady();
    const away = Math.ceil(plan.perS * (AWAY_S + SILENT_S));
    const { civilians } = await seedPeople(cluster, { officers: 0, civilians: plan.live + away });
    const live = Math.floor(plan.live / WORKERS) * WORKERS;
    const swarm = new Swarm<Churned>({
      profile: import.meta.resolve('./churn.profile.ts'),
      workers: WORKERS,
      seed: plan.seed,
      args: index =>
        ({
          urls: cluster.nodes.map(node => node.urls.realtime),
          people: partOf(civilians, index, WORKERS),
          live: live / WORKERS,
          perS: plan.perS / WORKERS,
          warmS: plan.warmS,
          seconds: plan.seconds,
          localAddress: addressOf(index),
        }) satisfies ChurnArgs,
    });
    try {
      await swarm.pass('connected');
      report(`${figure(live)} phones are connected to ${plan.nodes} nodes; they begin to come and go`);
      await swarm.reached('warm');
      const before = await settled(cluster, live, null);
      report(
        `  before: ${differences(before.counts, live, null).join('; ') || 'all counts are those of the phones'}`,
      );
      swarm.go('warm');
      await swarm.reached('churned');
      const after = await settled(cluster, live, before);
      swarm.go('churned');
      const { results, load, saturated } = await swarm.finished();
      return { before, after, live, results, load, saturated, crashes: cluster.crashes };
    } finally {
      await swarm.stop();
    }
  } finally {
    await cluster.stop();
  }
};

export const bench: Bench = {
  name: 'churn',
  description: '200 phones come and 200 go each second for 5 minutes at 5,000 connected: what stays behind',
  run: async (report, args) => {
    const plan: Plan = {
      live: numberArg(args, 'phones', 5_000),
      nodes: Math.max(1, numberArg(args, 'nodes', 2)),
      perS: numberArg(args, 'rate', 200),
      warmS: numberArg(args, 'warm', 30),
      seconds: numberArg(args, 'seconds', 300),
      seed: numberArg(args, 'seed', anySeed()),
    };
    report(
      `Seed ${plan.seed}; ${figure(plan.live)} phones, ${plan.perS} come and ${plan.perS} go a second for ${plan.seconds} s`,
    );
    const { before, after, live, results, load, saturated, crashes } = await churn(plan, report);
    const wrong = [...differences(after.counts, live, before.counts), ...crashes];
    const connected = results.reduce((sum, one) => sum + one.live, 0);
    if (connected !== live) wrong.push(`${connected} phones are connected instead of ${live}`);
    const connects = results.reduce((sum, one) => sum + one.connects, 0);
    const resumes = results.reduce((sum, one) => sum + one.resumes, 0);
    const losses = added(results.map(one => one.losses));
    const failed = added(results.map(one => one.failed));
    const closed = added(results.map(one => one.closed));
    const rss = after.rss / before.rss;
    const heap = after.heapUsed / before.heapUsed;
    const flat = rss <= RSS_FLAT && heap <= HEAP_FLAT;
    const mib = (bytes: number): string => `${figure(bytes / 2 ** 20, 1)} MiB`;
    const both = (name: Count): string => `${figure(before.counts[name])} and ${figure(after.counts[name])}`;
    report(
      table([
        ['connects, of them resumed', `${figure(connects)}, ${figure(resumes)}`],
        ['losses', JSON.stringify(losses)],
        ['connects that failed', JSON.stringify(failed)],
        ['closed by the nodes although they answered', JSON.stringify(closed)],
        ...PER_PHONE.map(name => [`${name}  (goal ${figure(live)})`, both(name)] as const),
        ['files beside sockets', both('files')],
        ['timeouts of the process, timers of actors', `${both('timeouts')}; ${both('timers')}`],
        ['subscriptions', both('subscriptions')],
        ['heap before and after', `${mib(before.heapUsed)} and ${mib(after.heapUsed)} (${figure(heap, 3)})`],
        ['RSS before and after', `${mib(before.rss)} and ${mib(after.rss)} (${figure(rss, 3)})`],
        ['equal to the live count, memory flat', `${wrong.length === 0}, ${flat}  (goal true, true)`],
      ]),
    );
    for (const one of wrong) report(`  WRONG: ${one}`);
    if (saturated) report('The generator was at its limit: fewer came and went than were asked for.');
    return {
      live,
      ...Object.fromEntries(PER_PHONE.map(name => [name, after.counts[name]])),
      left_behind: Object.fromEntries(NOTHING.map(name => [name, after.counts[name]])),
      files_before: before.counts.files,
      files: after.counts.files,
      timers_before: before.counts.timers,
      timers: after.counts.timers,
      timeouts_before: before.counts.timeouts,
      timeouts: after.counts.timeouts,
      subscriptions_before: before.counts.subscriptions,
      subscriptions: after.counts.subscriptions,
      heap_before: before.heapUsed,
      heap: after.heapUsed,
      rss_before: before.rss,
      rss: after.rss,
      equal: wrong.length === 0,
      memory_flat: flat,
      connects,
      resumes,
      losses,
      failed,
      closed,
      per_s: rounded((connects - live) / (plan.seconds + plan.warmS), 1),
      seconds: plan.seconds,
      nodes: plan.nodes,
      problems: wrong.slice(0, 20),
      seed: plan.seed,
      generator_saturated: saturated,
      generator_utilization: rounded(load.utilization),
    };
  },
};
