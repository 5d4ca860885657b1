/**
 * People on the cluster while something is done to it: phones with the real client behind the Service, meetings and
 * questions at a steady rate, and the reckoning afterwards: what was lost, what happened twice, what failed, who was
 * without service for how long.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { DrainArgs, DrainResult } from '../bench/drain.profile.ts';
import { rounded } from '../bench/table.ts';
import { agreement } from '../swarm/agreement.ts';
import { Histogram } from '../swarm/histogram.ts';
import { judge, readMeetings, untold } from '../swarm/judge.ts';
import { seedPeople } from '../swarm/seed.ts';
import { Swarm } from '../swarm/swarm.ts';
import type { KubernetesTown } from './town.ts';

export interface LoadPlan {
  readonly phones: number;
  /** Meetings and questions per second. */
  readonly perS: number;
  readonly asksPerS: number;
  readonly seed: number;
}

/** What one deed did to the people. */
export interface Figures {
  readonly commands: number;
  readonly acknowledged: number;
  readonly lost: number;
  readonly doubled: number;
  readonly failed: number;
  readonly saidAgain: number;
  readonly resumed: number;
  readonly fromSnapshot: number;
  readonly socketGapP50S: number;
  readonly socketGapP99S: number;
  readonly commandP99Ms: number;
  readonly commandMaxMs: number;
  readonly seconds: number;
  readonly problems: readonly string[];
  readonly failures: readonly string[];
  readonly generatorSaturated: boolean;
}

/** An app gives a command so long, and tries it again meanwhile. */
const DEADLINE_MS = 5_000;
const CALM_MS = 3_000;
const AGREE_MS_MAX = 60_000;
const OFFICER_SHARE = 0.2;

export const underLoad = async (
  town: KubernetesTown,
  plan: LoadPlan,
  deed: () => Promise<void>,
): Promise<Figures> => {
  const { databaseUrl } = town.stores;
  const officers = Math.max(1, Math.round(plan.phones * OFFICER_SHARE));
  const people = await seedPeople(
    { town: { databaseUrl }, dataDir: town.dataDir },
    { officers, civilians: plan.phones - officers },
  );
  const swarm = new Swarm<DrainResult>({
    profile: import.meta.resolve('../bench/drain.profile.ts'),
    workers: 1,
    seed: plan.seed,
    args: () =>
      ({
        urls: [town.realtime],
        officers: people.officers,
        civilians: people.civilians,
        perS: plan.perS,
        probesPerS: plan.asksPerS,
        deadlineMs: DEADLINE_MS,
        localAddress: '127.0.0.1',
      }) satisfies DrainArgs,
  });
  try {
    await swarm.pass('connected');
    await swarm.reached('loaded');
    await pause(CALM_MS);
    swarm.go('loaded');
    await swarm.reached('rolled');
    const began = performance.now();
    await deed();
    const seconds = rounded((performance.now() - began) / 1_000, 1);
    await pause(CALM_MS);
    swarm.go('rolled');
    await swarm.pass('settled');
    const { results, saturated } = await swarm.finished();
    const [result] = results as [DrainResult];
    const verdict = await judge(databaseUrl, { history: result.history, ops: result.ops });
    const { meetings } = await readMeetings(databaseUrl);
    const ours = new Set(people.officers.map(one => one.userId));
    const told = new Map(result.told.map(([id, ids]) => [id, new Set(ids)] as const));
    const unheard = untold(
      meetings.filter(one => ours.has(one.officer)),
      told,
    ).length;
    const { problems: disagree } = await agreement(town.stores, { patienceMs: AGREE_MS_MAX });
    const sockets = Histogram.of(result.gapsMs);
    const commands = Histogram.of(result.tookMs);
    return {
      commands: commands.count,
      acknowledged: verdict.acknowledged,
      lost: result.lost + verdict.lost + unheard,
      doubled: result.doubled + verdict.doubled,
      failed: result.failures.length,
      saidAgain: result.saidAgain,
      resumed: result.resumed,
      fromSnapshot: result.notResumed,
      socketGapP50S: rounded(sockets.percentileMs(50) / 1_000, 2),
      socketGapP99S: rounded(sockets.percentileMs(99) / 1_000, 2),
      commandP99Ms: rounded(commands.percentileMs(99), 0),
      commandMaxMs: rounded(commands.maxMs, 0),
      seconds,
      problems: [...verdict.problems, ...result.problems, ...disagree].slice(0, 20),
      failures: result.failures.slice(0, 8).map(one => one.why),
      generatorSaturated: saturated,
    };
  } finally {
    await swarm.stop();
  }
};
