/**
 * What a failing node costs its users: three nodes, 2,000 phones, durable load. Nodes are ended by kill -9 at moments
 * that only the seed knows, and every phone is asked how long it took until its own actor answered it again; the phones
 * retry fast and jittered, so their pauses are in the figures. Then all nodes are restarted in turn, each drained first,
 * and nobody may see an error that a retry inside the command's deadline does not hide.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench, Report } from '../bench.ts';
import { clock } from '../swarm/clock.ts';
import { type Cluster, type ClusterNode, startCluster } from '../swarm/clusterTown.ts';
import { NEW_YORK } from '../swarm/crowd.ts';
import { Histogram } from '../swarm/histogram.ts';
import { judge, readMeetings, untold } from '../swarm/judge.ts';
import { latencyOf, type MoveWatch, watchMoves } from '../swarm/moves.ts';
import { OFFICER_SHARE } from '../swarm/parts.ts';
import { anySeed, Random } from '../swarm/random.ts';
import { seedPeople } from '../swarm/seed.ts';
import { Swarm } from '../swarm/swarm.ts';
import { numberArg } from './args.ts';
import type { FailoverArgs, FailoverResult, Served, Victim } from './failover.profile.ts';
import { figure, rounded, table } from './table.ts';

/** What an app gives a command before it tells its user: the default of the client (gateway/client). */
const ASK_DEADLINE_MS = 5_000;
/** People per square kilometre as in the location benchmark. */
const PER_KM2 = 530;
const OTHERS_SERVE_MS_MAX = 60_000;

interface Plan {
  readonly phones: number;
  readonly nodes: number;
  readonly kills: number;
  readonly perS: number;
  readonly seed: number;
}

/** Kills one node after the other at random moments, and starts each again; who was served again after how long. */
const killAgainAndAgain = async (
  cluster: Cluster,
  swarm: Swarm<FailoverResult>,
  plan: Plan,
  report: Report,
): Promise<{ affected: Histogram; others: Histogram; never: string[] }> => {
  const random = new Random(plan.seed).fork('kills');
  const affected = new Histogram();
  const others = new Histogram();
  const never: string[] = [];
  for (let i = 0; i < plan.kills; i++) {
    await cluster.steady(cluster.nodes, OTHERS_SERVE_MS_MAX);
    await pause(random.between(500, 2_500));
    const index = random.below(cluster.nodes.length);
    const node = cluster.nodes[index]!;
    const view = await cluster.nodes[(index + 1) % cluster.nodes.length]!.view();
    const victim: Victim = { index, owned: (view?.owners ?? []).map(owner => owner === node.id) };
    await swarm.pass(`victim ${i}`, victim);
    await swarm.reached(`armed ${i}`);
    const killedAt = clock();
    await node.kill();
    swarm.go(`armed ${i}`, { killedAt });
    const served = await swarm.reached<Served>(`served ${i}`);
    const one = new Histogram();
    for (const { affectedMs, othersMs, never: lost } of served) {
      for (const ms of affectedMs) {
        affected.record(ms);
        one.record(ms);
      }
      for (const ms of othersMs) others.record(ms);
      never.push(...lost);
    }
    await node.start();
    report(
      `  killed ${node.id} (${i + 1} of ${plan.kills}): ${figure(one.count)} phones served again, ` +
        `half after ${figure(one.percentileMs(50) / 1000, 1)} s, the last after ${figure(one.maxMs / 1000, 1)} s`,
    );
    swarm.go(`served ${i}`);
  }
  await cluster.steady(cluster.nodes, OTHERS_SERVE_MS_MAX);
  return { affected, others, never };
};

export interface Rolled {
  readonly fromMs: number;
  readonly toMs: number;
  readonly drains: readonly { readonly node: string; readonly tookMs: number; readonly words: string }[];
}

/** Drains and starts again every node in turn, as a deployment does. */
export const rollingRestart = async (
  cluster: Cluster,
  nodes: readonly ClusterNode[],
  report: Report,
): Promise<Rolled> => {
  const fromMs = clock();
  const drains: Rolled['drains'][number][] = [];
  for (const node of nodes) {
    const { words, tookMs } = await node.drain();
    drains.push({ node: node.id, words, tookMs });
    await node.start();
    await cluster.steady(cluster.nodes, OTHERS_SERVE_MS_MAX);
    report(`  ${node.id} drained in ${figure(tookMs / 1000, 1)} s (${words}) and is back`);
  }
  return { fromMs, toMs: clock(), drains };
};

const counts = (reasons: readonly string[]): string[] => {
  const by = new Map<string, number>();
  for (const why of reasons) by.set(why, (by.get(why) ?? 0) + 1);
  return [...by].sort((a, b) => b[1] - a[1]).map(([why, count]) => `${count} x ${why}`);
};

const failover = async (plan: Plan, report: Report) => {
  const cluster = await startCluster({ nodes: plan.nodes, wires: false, log: report });
  let moves: MoveWatch | undefined;
  try {
    const officers = Math.max(1, Math.round(plan.phones * OFFICER_SHARE));
    const people = await seedPeople(cluster, { officers, civilians: plan.phones - officers });
    await cluster.steady();
    moves = await watchMoves(cluster.town.natsUrl!);
    const swarm = new Swarm<FailoverResult>({
      profile: import.meta.resolve('./failover.profile.ts'),
      workers: 1,
      seed: plan.seed,
      args: () =>
        ({
          urls: cluster.nodes.map(node => node.urls.realtime),
          ...people,
          perS: plan.perS,
          probesPerS: plan.perS,
          kills: plan.kills,
          centre: NEW_YORK,
          sideM: Math.sqrt(plan.phones / PER_KM2) * 1000,
        }) satisfies FailoverArgs,
    });
    try {
      await swarm.pass('connected');
      report(`${figure(plan.phones)} phones are connected to ${plan.nodes} nodes`);
      const killed = await killAgainAndAgain(cluster, swarm, plan, report);
      await swarm.reached('rolled');
      const movesBefore = moves.moves.length;
      const rolled = await rollingRestart(cluster, cluster.nodes, report);
      swarm.go('rolled');
      await swarm.reached('settled');
      const planned = moves.moves.slice(movesBefore);
      const brokenMoves = moves.broken;
      swarm.go('settled');
      const { results, load, saturated } = await swarm.finished();
      const result = results[0]!;
      const verdict = await judge(cluster.town.databaseUrl, result);
      const { meetings } = await readMeetings(cluster.town.databaseUrl);
      const told = new Map(result.told.map(([userId, ids]) => [userId, new Set(ids)]));
      return {
        killed,
        rolled,
        planned,
        brokenMoves,
        result,
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
    await moves?.stop();
    await cluster.stop();
  }
};

export const bench: Bench = {
  name: 'failover',
  description:
    'three nodes, 2,000 phones: kill -9 ten times, then a rolling restart; who waits how long, what is lost',
  run: async (report, args) => {
    const plan: Plan = {
      phones: numberArg(args, 'phones', 2_000),
      nodes: Math.max(2, numberArg(args, 'nodes', 3)),
      kills: numberArg(args, 'kills', 10),
      perS: numberArg(args, 'rate', 50),
      seed: numberArg(args, 'seed', anySeed()),
    };
    report(`Seed ${plan.seed}; ${plan.perS} meetings and as many questions a second`);
    const { killed, rolled, planned: moved, result, verdict, ...rest } = await failover(plan, report);
    const planned = latencyOf(moved);
    const parts = (['closedMs', 'takenMs', 'openedMs'] as const).map(part => latencyOf(moved, part));
    const during = [...result.history.map(op => ({ ...op, askedAtMs: op.dueAtMs })), ...result.probes].filter(
      op => op.askedAtMs >= rolled.fromMs && op.askedAtMs <= rolled.toMs,
    );
    const failed = during.filter(op => op.outcome !== 'ok' || op.tookMs > ASK_DEADLINE_MS);
    const asked = new Histogram();
    for (const op of during) asked.record(op.tookMs);
    const { affected, others, never } = killed;
    const outcomes = Map.groupBy(result.history, op => op.outcome);
    const problems = [...verdict.problems, ...result.problems, ...never, ...rest.crashes];
    report(
      table([
        ['kill to served again p50', `${figure(affected.percentileMs(50) / 1000, 2)} s`],
        ['kill to served again p99', `${figure(affected.percentileMs(99) / 1000, 2)} s  (goal 8)`],
        ['the last', `${figure(affected.maxMs / 1000, 2)} s of ${figure(affected.count)} phones hit`],
        ['phones of other nodes p99', `${figure(others.percentileMs(99), 0)} ms of ${figure(others.count)}`],
        ['never served', figure(never.length)],
        [
          'meetings ok, refused, unknown',
          ['ok', 'failed', 'unknown'].map(one => figure(outcomes.get(one as 'ok')?.length ?? 0)).join(', '),
        ],
        [
          'lost, doubled, interleaved',
          `${verdict.lost}, ${verdict.doubled}, ${verdict.interleaved}  (goal 0)`,
        ],
        ['told to only one of the two', figure(rest.untold)],
        ['moves of a shard p50', `${figure(planned.percentileMs(50))} ms of ${figure(planned.count)}`],
        ['moves of a shard p99', `${figure(planned.percentileMs(99))} ms  (goal 500)`],
        [
          'of it closing, taking, opening p99',
          parts.map(part => `${figure(part.percentileMs(99))} ms`).join(', '),
        ],
        [
          'asks during the rolling restart',
          `${figure(during.length)}, p99 ${figure(asked.percentileMs(99))} ms`,
        ],
        ['failed asks', `${failed.length}  (goal 0)`],
      ]),
    );
    for (const why of counts(failed.map(op => op.why ?? `answered after ${ASK_DEADLINE_MS} ms`)).slice(0, 5))
      report(`  failed: ${why}`);
    for (const problem of problems.slice(0, 20)) report(`  WRONG: ${problem}`);
    if (rest.saturated) report('The generator was at its limit: these latencies contain its own.');
    return {
      failover_p50_s: rounded(affected.percentileMs(50) / 1000),
      failover_p99_s: rounded(affected.percentileMs(99) / 1000),
      failover_max_s: rounded(affected.maxMs / 1000),
      affected: affected.count,
      others_p99_ms: rounded(others.percentileMs(99)),
      lost: verdict.lost,
      doubled: verdict.doubled,
      interleaved: verdict.interleaved,
      never_served: never.length,
      untold: rest.untold,
      move_p50_ms: rounded(planned.percentileMs(50), 1),
      move_p99_ms: rounded(planned.percentileMs(99), 1),
      moves: planned.count,
      failed_asks: failed.length,
      asks: during.length,
      ask_p99_ms: rounded(asked.percentileMs(99), 1),
      ask_max_ms: rounded(asked.maxMs, 1),
      drain_max_s: rounded(Math.max(...rolled.drains.map(one => one.tookMs)) / 1000),
      drains_clean: rolled.drains.every(one => one.words === 'ended with code 0'),
      meetings: result.history.length,
      acknowledged: verdict.acknowledged,
      repeats: result.repeats,
      owners: verdict.owners,
      kills: plan.kills,
      phones: plan.phones,
      nodes: plan.nodes,
      problems: problems.slice(0, 20),
      seed: plan.seed,
      generator_saturated: rest.saturated,
      generator_utilization: rounded(rest.load.utilization),
    };
  },
};
