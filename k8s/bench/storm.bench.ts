/**
 * All phones of a node come back at once: 10,000 phones with the real client on three nodes, durable events under way,
 * one node ended by kill -9. How long until each of its phones is welcome elsewhere, how fast the survivors take them, and
 * what that asks of PostgreSQL.
 *
 * Queries are statements of the nodes' role as PostgreSQL counts them (swarm/statements.ts), from the kill until nobody
 * comes back any more: each kind of statement less its usual number, which is what the same load asked for in as much time
 * before the kill; all of them divided by the phones that came back.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { LIMITS } from '../../gateway/limits.ts';
import type { Bench, Report } from '../bench.ts';
import { clock } from '../swarm/clock.ts';
import { type Cluster, startCluster } from '../swarm/clusterTown.ts';
import { Histogram } from '../swarm/histogram.ts';
import { judge, readMeetings, untold } from '../swarm/judge.ts';
import { metricSince } from '../swarm/metricsPage.ts';
import { addressOf, OFFICER_SHARE, partOf } from '../swarm/parts.ts';
import { procCpuSeconds } from '../swarm/processCost.ts';
import { anySeed, Random } from '../swarm/random.ts';
import { seedPeople } from '../swarm/seed.ts';
import { countStatements, readStatements, statementsSince, sumOf } from '../swarm/statements.ts';
import { Swarm } from '../swarm/swarm.ts';
import { numberArg } from './args.ts';
import type { Return, StormArgs, Stormed, StormResult } from './storm.profile.ts';
import { figure, rounded, table } from './table.ts';

/** One process may open 20,000 files here, and a client costs more than a socket. */
export const PHONES_PER_WORKER = 5_000;
/** Timers and reads that follow a return belong to it. */
const CALM_MS = 2_000;
const STEADY_MS_MAX = 60_000;

interface Plan {
  readonly phones: number;
  readonly nodes: number;
  readonly perS: number;
  readonly seconds: number;
  readonly seed: number;
}

/** Two workers for 10,000 phones, each with its part of the people, its own source address and its part of the load. */
export const workersFor = (phones: number): number => Math.max(1, Math.ceil(phones / PHONES_PER_WORKER));

/** The most arrivals at one node within any second. */
export const mostPerS = (returns: readonly Return[]): number => {
  let most = 0;
  for (const of of new Set(returns.map(([, node]) => node))) {
    const times = returns
      .filter(([, node]) => node === of)
      .map(([afterMs]) => afterMs)
      .sort((a, b) => a - b);
    let from = 0;
    for (let to = 0; to < times.length; to++) {
      while (times[to]! - times[from]! >= 1_000) from++;
      most = Math.max(most, to - from + 1);
    }
  }
  return most;
};

const pages = async (cluster: Cluster): Promise<string[]> =>
  Promise.all(cluster.nodes.filter(node => node.isRunning).map(async node => (await node.metrics()) ?? ''));

const storm = async (plan: Plan, report: Report) => {
  const cluster = await startCluster({
    nodes: plan.nodes,
    wires: false,
    // The crowd is the test: the gateways' own bucket for it stays as it is.
    env: { HEYBLUE_HANDSHAKE_RATE: '1000' },
    log: report,
  });
  try {
    const { databaseUrl } = cluster.town;
    const counting = await countStatements(cluster);
    await cluster.steady(cluster.nodes, STEADY_MS_MAX);
    const officers = Math.max(1, Math.round(plan.phones * OFFICER_SHARE));
    const people = await seedPeople(cluster, { officers, civilians: plan.phones - officers });
    const workers = workersFor(plan.phones);
    const swarm = new Swarm<StormResult>({
      profile: import.meta.resolve('./storm.profile.ts'),
      workers,
      seed: plan.seed,
      args: index =>
        ({
          urls: cluster.nodes.map(node => node.urls.realtime),
          officers: partOf(people.officers, index, workers),
          civilians: partOf(people.civilians, index, workers),
          perS: plan.perS / workers,
          localAddress: addressOf(index),
        }) satisfies StormArgs,
    });
    try {
      await swarm.pass('connected');
      report(`${figure(plan.phones)} phones are connected to ${plan.nodes} nodes`);
      await swarm.reached('loaded');
      await pause(CALM_MS);
      const read = async () => (counting ? readStatements(databaseUrl) : new Map<string, number>());
      const quietFrom = clock();
      const quiet = await read();
      await pause(plan.seconds * 1_000);
      const before = await read();
      const quietMs = clock() - quietFrom;
      const random = new Random(plan.seed).fork('kills');
      const victim = random.below(cluster.nodes.length);
      const node = cluster.nodes[victim]!;
      const survivors = cluster.nodes.filter(one => one !== node);
      const cpuOf = () => survivors.reduce((sum, one) => sum + (procCpuSeconds(one.pid) ?? 0), 0);
      const pagesBefore = await Promise.all(survivors.map(async one => (await one.metrics()) ?? ''));
      swarm.go('loaded', { victim });
      const counts = await swarm.reached<number>('armed');
      const cpuBefore = cpuOf();
      const killedAt = clock();
      await node.kill();
      swarm.go('armed', { killedAt });
      report(`  killed ${node.id}: ${figure(counts.reduce((a, b) => a + b, 0))} phones were on it`);
      const stormed = await swarm.reached<Stormed>('back');
      const survivorsCpuS = cpuOf() - cpuBefore;
      await pause(CALM_MS);
      const after = await read();
      const stormMs = clock() - killedAt;
      const pagesAfter = await pages(cluster);
      swarm.go('back');
      await cluster.steady(survivors, STEADY_MS_MAX);
      await swarm.pass('calm');
      await swarm.pass('settled');
      const { results, load, saturated } = await swarm.finished();
      const verdict = await judge(databaseUrl, {
        history: results.flatMap(one => one.history),
        ops: results.flatMap(one => one.ops),
      });
      const { meetings } = await readMeetings(databaseUrl);
      const told = new Map(results.flatMap(one => one.told.map(([id, ids]) => [id, new Set(ids)] as const)));
      return {
        counting,
        stormed,
        survivorsCpuS,
        quietStatements: statementsSince(quiet, before),
        stormStatements: statementsSince(before, after),
        quietMs,
        stormMs,
        resumes: metricSince(pagesBefore, pagesAfter, 'rt_resume_total', 'result'),
        turned: metricSince(pagesBefore, pagesAfter, 'rt_accept_rejected_total', 'reason'),
        closed: metricSince(pagesBefore, pagesAfter, 'rt_close_total', 'code'),
        results,
        verdict,
        untold: untold(meetings, told).length,
        crashes: cluster.crashes,
        load,
        saturated,
      };
    } finally {
      await swarm.stop();
    }
  } finally {
    await cluster.stop();
  }
};

const oneLine = (query: string): string => query.replace(/\s+/g, ' ').slice(0, 100);

export const bench: Bench = {
  name: 'storm',
  description:
    '10,000 phones on three nodes, one node killed: when all of its phones are back, and at what price',
  run: async (report, args) => {
    const plan: Plan = {
      phones: numberArg(args, 'phones', 10_000),
      nodes: Math.max(2, numberArg(args, 'nodes', 3)),
      perS: numberArg(args, 'rate', 40),
      seconds: numberArg(args, 'seconds', 10),
      seed: numberArg(args, 'seed', anySeed()),
    };
    report(`Seed ${plan.seed}; ${figure(plan.phones)} phones, ${plan.perS} meetings a second`);
    const run = await storm(plan, report);
    const theirs = run.stormed.flatMap(one => one.theirs);
    const others = run.stormed.flatMap(one => one.others);
    const never = run.stormed.flatMap(one => one.never);
    const took = new Histogram();
    for (const [afterMs] of theirs) took.record(afterMs);
    const resumed = theirs.filter(([, , whole]) => whole).length;
    const usual = (query: string): number =>
      (run.quietStatements.get(query) ?? 0) * (run.stormMs / run.quietMs);
    const extra = [...run.stormStatements].reduce(
      (sum, [query, calls]) => sum + Math.max(0, calls - usual(query)),
      0,
    );
    const perPhone = extra / Math.max(1, theirs.length + others.length);
    const generatorCpuS = run.stormed.reduce((all, one) => all + one.cpuS, 0);
    const attach = mostPerS([...theirs, ...others]);
    const sum = (of: 'events' | 'snapshots' | 'lost' | 'doubled'): number =>
      run.results.reduce((all, one) => all + one[of], 0);
    const history = run.results.flatMap(one => one.history);
    const outcomes = Map.groupBy(history, op => op.outcome);
    const lost = sum('lost') + run.verdict.lost + run.untold + never.length;
    const doubled = sum('doubled') + run.verdict.doubled;
    const problems = [
      ...run.verdict.problems,
      ...run.results.flatMap(one => one.problems),
      ...never.map(one => `never back: ${one}`),
      ...run.crashes,
    ];
    report(
      table([
        [
          'kill to welcome again p50',
          `${figure(took.percentileMs(50) / 1_000, 2)} s of ${figure(took.count)}`,
        ],
        ['kill to welcome again p99', `${figure(took.percentileMs(99) / 1_000, 2)} s  (goal 15)`],
        ['the last', `${figure(took.maxMs / 1_000, 2)} s`],
        ['resumed, from a snapshot, never back', `${resumed}, ${theirs.length - resumed}, ${never.length}`],
        ['phones of other nodes that came back', `${others.length}`],
        ['what the gateways say of returns', JSON.stringify(run.resumes)],
        ['turned away at the door', JSON.stringify(run.turned)],
        ['closed by the survivors', JSON.stringify(run.closed)],
        [
          'most attaches within a second at one node',
          `${attach}  (bucket ${figure(LIMITS.attachPerS)} a second, and as many at once)`,
        ],
        [
          'statements per phone that came back',
          run.counting ? `${figure(perPhone, 2)}  (goal 1.1)` : 'not counted: no pg_stat_statements',
        ],
        [
          'statements in the storm, more than usual',
          `${figure(sumOf(run.stormStatements))}, ${figure(extra)} in ${figure(run.stormMs / 1_000, 1)} s`,
        ],
        [
          'CPU of the survivors, of the generator',
          `${figure(run.survivorsCpuS, 1)} s, ${figure(generatorCpuS, 1)} s`,
        ],
        [
          'meetings ok, refused, unknown',
          ['ok', 'failed', 'unknown'].map(one => figure(outcomes.get(one as 'ok')?.length ?? 0)).join(', '),
        ],
        ['durable events, snapshots', `${figure(sum('events'))}, ${figure(sum('snapshots'))}`],
        ['lost, doubled', `${lost}, ${doubled}  (goal 0)`],
      ]),
    );
    const dearest = [...run.stormStatements].sort((a, b) => b[1] - a[1]).slice(0, 6);
    for (const [query, calls] of dearest)
      report(`  ${figure(calls)} (usual ${figure(usual(query))}) x ${oneLine(query)}`);
    for (const problem of problems.slice(0, 20)) report(`  WRONG: ${problem}`);
    if (run.saturated) report('The generator was at its limit: these times contain its own.');
    return {
      p50_s: rounded(took.percentileMs(50) / 1_000),
      p99_s: rounded(took.percentileMs(99) / 1_000),
      max_s: rounded(took.maxMs / 1_000),
      max_attach_per_s: attach,
      attach_bucket_per_s: LIMITS.attachPerS,
      db_queries_per_phone: run.counting ? rounded(perPhone) : null,
      lost,
      doubled,
      phones_of_killed: theirs.length + never.length,
      resumed,
      snapshot: theirs.length - resumed,
      never_back: never.length,
      others_back: others.length,
      untold: run.untold,
      resume_results: run.resumes,
      turned_away: run.turned,
      survivors_cpu_s: rounded(run.survivorsCpuS),
      generator_cpu_s: rounded(generatorCpuS),
      meetings: history.length,
      acknowledged: run.verdict.acknowledged,
      events: sum('events'),
      phones: plan.phones,
      nodes: plan.nodes,
      problems: problems.slice(0, 20),
      seed: plan.seed,
      generator_saturated: run.saturated,
      generator_utilization: rounded(run.load.utilization),
    };
  },
};
