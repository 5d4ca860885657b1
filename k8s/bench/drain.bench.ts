/**
 * A deployment under 10,000 phones with the real client: three nodes are drained and started again in turn, while people
 * meet and ask. How long each phone was without service, what was lost, and which commands failed.
 *
 * A phone is without service while none of its sockets is welcome, and while one of its commands waits for its answer: the
 * longer of the two longest times is its gap. A command fails when it is not done within what the client gives it, however
 * often the phone said it again meanwhile.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench, Report } from '../bench.ts';
import { startCluster } from '../swarm/clusterTown.ts';
import { Histogram } from '../swarm/histogram.ts';
import { judge, readMeetings, untold } from '../swarm/judge.ts';
import { addressOf, OFFICER_SHARE, partOf } from '../swarm/parts.ts';
import { anySeed } from '../swarm/random.ts';
import { seedPeople } from '../swarm/seed.ts';
import { Swarm } from '../swarm/swarm.ts';
import { numberArg } from './args.ts';
import type { DrainArgs, DrainResult } from './drain.profile.ts';
import { rollingRestart } from './failover.bench.ts';
import { workersFor } from './storm.bench.ts';
import { figure, rounded, table } from './table.ts';

/** What an app gives a command before it tells its user: the default of the client (gateway/client). */
const ASK_DEADLINE_MS = 5_000;
const STEADY_MS_MAX = 60_000;
const CALM_MS = 3_000;

interface Plan {
  readonly phones: number;
  readonly nodes: number;
  readonly perS: number;
  readonly asksPerS: number;
  readonly seed: number;
}

const drain = async (plan: Plan, report: Report) => {
  const cluster = await startCluster({
    nodes: plan.nodes,
    wires: false,
    // The crowd is the test: the gateways' own bucket for it stays as it is.
    env: { HEYBLUE_HANDSHAKE_RATE: '1000' },
    log: report,
  });
  try {
    await cluster.steady(cluster.nodes, STEADY_MS_MAX);
    const officers = Math.max(1, Math.round(plan.phones * OFFICER_SHARE));
    const people = await seedPeople(cluster, { officers, civilians: plan.phones - officers });
    const workers = workersFor(plan.phones);
    const swarm = new Swarm<DrainResult>({
      profile: import.meta.resolve('./drain.profile.ts'),
      workers,
      seed: plan.seed,
      args: index =>
        ({
          urls: cluster.nodes.map(node => node.urls.realtime),
          officers: partOf(people.officers, index, workers),
          civilians: partOf(people.civilians, index, workers),
          perS: plan.perS / workers,
          probesPerS: plan.asksPerS / workers,
          deadlineMs: ASK_DEADLINE_MS,
          localAddress: addressOf(index),
        }) satisfies DrainArgs,
    });
    try {
      await swarm.pass('connected');
      report(`${figure(plan.phones)} phones are connected to ${plan.nodes} nodes`);
      await swarm.reached('loaded');
      await pause(CALM_MS);
      swarm.go('loaded');
      await swarm.reached('rolled');
      const rolled = await rollingRestart(cluster, cluster.nodes, report);
      await pause(CALM_MS);
      swarm.go('rolled');
      await swarm.pass('settled');
      const { results, load, saturated } = await swarm.finished();
      const { databaseUrl } = cluster.town;
      const verdict = await judge(databaseUrl, {
        history: results.flatMap(one => one.history),
        ops: results.flatMap(one => one.ops),
      });
      const { meetings } = await readMeetings(databaseUrl);
      const told = new Map(results.flatMap(one => one.told.map(([id, ids]) => [id, new Set(ids)] as const)));
      return {
        rolled,
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

const added = (all: readonly Record<string, number>[]): Record<string, number> => {
  const sum: Record<string, number> = {};
  for (const one of all) for (const [key, n] of Object.entries(one)) sum[key] = (sum[key] ?? 0) + n;
  return sum;
};

export const bench: Bench = {
  name: 'drain',
  description:
    'rolling restart of three nodes under 10,000 phones and load: who is without service, and what fails',
  run: async (report, args) => {
    const plan: Plan = {
      phones: numberArg(args, 'phones', 10_000),
      nodes: Math.max(2, numberArg(args, 'nodes', 3)),
      perS: numberArg(args, 'rate', 30),
      asksPerS: numberArg(args, 'asks', 150),
      seed: numberArg(args, 'seed', anySeed()),
    };
    report(
      `Seed ${plan.seed}; ${figure(plan.phones)} phones, ${plan.perS} meetings and ${plan.asksPerS} questions a second`,
    );
    const { results, rolled, verdict, ...rest } = await drain(plan, report);
    const sockets = Histogram.of(results.flatMap(one => one.gapsMs));
    const gaps = Histogram.of(
      results.flatMap(one => one.gapsMs.map((ms, i) => Math.max(ms, one.slowestMs[i]!))),
    );
    const commands = Histogram.of(results.flatMap(one => one.tookMs));
    const failures = results.flatMap(one => one.failures);
    const sum = (
      of: 'events' | 'snapshots' | 'lost' | 'doubled' | 'goaways' | 'resumed' | 'notResumed' | 'saidAgain',
    ): number => results.reduce((all, one) => all + one[of], 0);
    const lost = sum('lost') + verdict.lost + rest.untold;
    const doubled = sum('doubled') + verdict.doubled;
    const codes = added(results.map(one => one.codes));
    const problems = [...verdict.problems, ...results.flatMap(one => one.problems), ...rest.crashes];
    report(
      table([
        ['without service p99, per phone', `${figure(gaps.percentileMs(99))} ms  (goal 3,000)`],
        [
          'of it without a socket p50, p99, the worst',
          [sockets.percentileMs(50), sockets.percentileMs(99), sockets.maxMs]
            .map(ms => `${figure(ms)} ms`)
            .join(', '),
        ],
        [
          'commands: how many, p99, the slowest',
          `${figure(commands.count)}, ${figure(commands.percentileMs(99))} ms, ${figure(commands.maxMs)} ms`,
        ],
        ['failed commands, said again', `${failures.length}  (goal 0), ${sum('saidAgain')}`],
        ['lost, doubled', `${lost}, ${doubled}  (goal 0)`],
        [
          'GOAWAY heard, resumed, from a snapshot',
          `${sum('goaways')}, ${sum('resumed')}, ${sum('notResumed')}`,
        ],
        ['close codes of welcome sockets', JSON.stringify(codes)],
        ['durable events, snapshots', `${figure(sum('events'))}, ${figure(sum('snapshots'))}`],
        [
          'drains',
          rolled.drains
            .map(one => `${one.node} ${figure(one.tookMs / 1_000, 1)} s (${one.words})`)
            .join(', '),
        ],
      ]),
    );
    for (const { why, atMs } of failures.slice(0, 8))
      report(`  failed ${figure((atMs - rolled.fromMs) / 1_000, 1)} s after the start: ${why}`);
    for (const problem of problems.slice(0, 20)) report(`  WRONG: ${problem}`);
    if (rest.saturated) report('The generator was at its limit: these times contain its own.');
    return {
      gap_p99_s: rounded(gaps.percentileMs(99) / 1_000, 3),
      lost,
      doubled,
      failed_commands: failures.length,
      socket_gap_p50_s: rounded(sockets.percentileMs(50) / 1_000, 3),
      socket_gap_p99_s: rounded(sockets.percentileMs(99) / 1_000, 3),
      socket_gap_max_s: rounded(sockets.maxMs / 1_000, 3),
      gap_max_s: rounded(gaps.maxMs / 1_000, 3),
      commands: commands.count,
      command_p99_ms: rounded(commands.percentileMs(99), 1),
      command_max_ms: rounded(commands.maxMs, 1),
      said_again: sum('saidAgain'),
      goaways: sum('goaways'),
      resumed: sum('resumed'),
      snapshot: sum('notResumed'),
      close_codes: codes,
      drain_max_s: rounded(Math.max(...rolled.drains.map(one => one.tookMs)) / 1_000),
      drains_clean: rolled.drains.every(one => one.words === 'ended with code 0'),
      untold: rest.untold,
      events: sum('events'),
      acknowledged: verdict.acknowledged,
      phones: plan.phones,
      nodes: plan.nodes,
      problems: problems.slice(0, 20),
      seed: plan.seed,
      generator_saturated: rest.saturated,
      generator_utilization: rounded(rest.load.utilization),
    };
  },
};
