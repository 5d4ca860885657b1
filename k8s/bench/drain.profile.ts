/**
 * Load of the drain benchmark: phones that use the real client, meetings and questions at a steady rate, while every node
 * in turn empties itself and starts again. Each phone's longest time without service is what they tell.
 */
import type { Op } from '../../nodes/simulation/history.ts';
import { ClientLoad } from '../swarm/clientLoad.ts';
import type { MeetOp } from '../swarm/meetings.ts';
import type { SeededPerson } from '../swarm/seed.ts';
import type { Job } from '../swarm/worker.ts';
import { type Counted, countedOf } from './storm.profile.ts';

export interface DrainArgs {
  readonly urls: readonly string[];
  readonly officers: readonly SeededPerson[];
  readonly civilians: readonly SeededPerson[];
  /** Meetings and questions per second of this worker. */
  readonly perS: number;
  readonly probesPerS: number;
  /** What an app gives a command. */
  readonly deadlineMs: number;
  readonly localAddress: string;
}

export interface Failure {
  readonly atMs: number;
  readonly why: string;
}

export interface DrainResult extends Counted {
  readonly history: MeetOp[];
  readonly ops: Op[];
  readonly told: [userId: string, encounterIds: string[]][];
  /** Per phone: longest time without a welcome socket, and longest time that one of its commands took, milliseconds. */
  readonly gapsMs: readonly number[];
  readonly slowestMs: readonly number[];
  /** Times of all commands, and of those that were not done in time. */
  readonly tookMs: readonly number[];
  readonly failures: readonly Failure[];
  /** Commands that were refused with "try again", or had no answer, and were said again. */
  readonly saidAgain: number;
  readonly codes: Record<string, number>;
  readonly resumed: number;
  readonly notResumed: number;
  readonly problems: string[];
}

const SERVED_MS_MAX = 20_000;

export const run = async (job: Job<DrainArgs>): Promise<DrainResult> => {
  const { deadlineMs } = job.args;
  const load = new ClientLoad({ ...job.args, random: job.random });
  await load.connect();
  await job.barrier('connected');
  job.watch.begin();
  load.start();
  await job.barrier('loaded');
  for (const phone of load.phones) phone.forgetGaps();
  const arrivedBefore = load.phones.map(phone => phone.arrivals.length);
  await job.barrier('rolled');
  const gapsMs = load.phones.map(phone => phone.gapMs());
  await load.settle();
  const answers = await Promise.all(load.phones.map(phone => load.ask(phone, SERVED_MS_MAX)));
  const counted = await countedOf(load);
  await job.barrier('settled');
  const codes: Record<string, number> = {};
  for (const phone of load.phones)
    for (const [code, n] of Object.entries(phone.codes)) codes[code] = (codes[code] ?? 0) + n;
  load.end();

  const slowest = new Map<string, number>();
  const failures: Failure[] = [];
  const tookMs: number[] = [];
  let saidAgain = 0;
  const note = (
    userId: string,
    atMs: number,
    took: number,
    op: { tries: number; outcome: string; why: string | null },
  ): void => {
    slowest.set(userId, Math.max(slowest.get(userId) ?? 0, took));
    tookMs.push(took);
    if (op.tries > 1) saidAgain++;
    if (op.outcome !== 'ok') failures.push({ atMs, why: op.why ?? op.outcome });
    else if (took > deadlineMs) failures.push({ atMs, why: `answered after ${deadlineMs} ms` });
  };
  // The question of the end, asked to all at once, is not part of it.
  const last = new Set(answers);
  for (const op of load.asked) if (!last.has(op)) note(op.userId, op.askedAtMs, op.tookMs, op);
  for (const op of load.history) note(op.civilianId, op.dueAtMs, op.tookMs, op);
  const arrivals = load.phones.flatMap((phone, i) => phone.arrivals.slice(arrivedBefore[i]));
  return {
    ...counted,
    history: load.history,
    ops: load.ops,
    told: load.phones.map(phone => [phone.person.userId, [...phone.told]]),
    gapsMs,
    slowestMs: load.phones.map(phone => slowest.get(phone.person.userId) ?? 0),
    tookMs,
    failures,
    saidAgain,
    codes,
    resumed: arrivals.filter(one => one.resumed).length,
    notResumed: arrivals.filter(one => !one.resumed).length,
    problems: [
      ...load.problems,
      ...answers.flatMap(({ outcome, userId, why }) =>
        outcome === 'ok' ? [] : [`not served in the end: ${userId}: ${why}`],
      ),
    ],
  };
};
