/**
 * Load of the failover benchmark: phones in numbers that know every node, durable meetings at a steady rate, and for each
 * kill the time until each phone's own actor answers it again.
 */
import type { Op } from '../../nodes/simulation/history.ts';
import { shardOf } from '../../protocol/shard.ts';
import { clock } from '../swarm/clock.ts';
import type { Point } from '../swarm/crowd.ts';
import { MeetingLoad, type MeetOp, type ProbeOp } from '../swarm/meetings.ts';
import type { Roaming } from '../swarm/roaming.ts';
import type { SeededPerson } from '../swarm/seed.ts';
import type { Job } from '../swarm/worker.ts';

export interface FailoverArgs {
  readonly urls: readonly string[];
  readonly officers: readonly SeededPerson[];
  readonly civilians: readonly SeededPerson[];
  /** Meetings and questions per second of this worker. */
  readonly perS: number;
  readonly probesPerS: number;
  readonly kills: number;
  readonly centre: Point;
  readonly sideM: number;
}

/** Who is about to be killed, and what it owns. */
export interface Victim {
  /** Place of its URL in `urls`. */
  readonly index: number;
  /** By shard: whether it is the victim's. */
  readonly owned: readonly boolean[];
}

/** After one kill, per phone: milliseconds until it was served again. */
export interface Served {
  /** Phones with their socket or their actor on the victim. */
  readonly affectedMs: readonly number[];
  readonly othersMs: readonly number[];
  /** Who was not served within the patience, and why. */
  readonly never: readonly string[];
}

export interface FailoverResult {
  readonly history: MeetOp[];
  readonly ops: Op[];
  readonly probes: ProbeOp[];
  readonly told: [userId: string, encounterIds: string[]][];
  readonly problems: string[];
  readonly repeats: number;
  readonly connects: number;
  readonly resumes: number;
}

const SERVED_MS_MAX = 30_000;
const measure = async (
  load: MeetingLoad,
  affected: ReadonlySet<Roaming>,
  killedAt: number,
): Promise<Served> => {
  const affectedMs: number[] = [];
  const othersMs: number[] = [];
  const never: string[] = [];
  await Promise.all(
    load.phones.map(async phone => {
      const op = await load.probe(phone, SERVED_MS_MAX);
      if (op.outcome !== 'ok') never.push(`${op.userId}: ${op.why}`);
      else (affected.has(phone) ? affectedMs : othersMs).push(clock() - killedAt);
    }),
  );
  return { affectedMs, othersMs, never };
};

export const run = async (job: Job<FailoverArgs>): Promise<FailoverResult> => {
  const { kills, ...plan } = job.args;
  const load = new MeetingLoad({ ...plan, random: job.random });
  await load.connect();
  await job.barrier('connected');
  job.watch.begin();
  load.start();
  for (let i = 0; i < kills; i++) {
    const victim = await job.barrier<Victim>(`victim ${i}`);
    const affected = new Set(
      load.phones.filter(
        phone => phone.nodeIndex === victim.index || victim.owned[shardOf('user', phone.person.userId)],
      ),
    );
    const { killedAt } = await job.barrier<{ killedAt: number }>(`armed ${i}`);
    await job.barrier(`served ${i}`, await measure(load, affected, killedAt));
  }
  await job.barrier('rolled');
  await load.settle();
  // Everybody reads once more what happened to them.
  const never = await load.notServed(SERVED_MS_MAX);
  await job.barrier('settled');
  load.end();
  return {
    history: load.history,
    ops: load.ops,
    probes: load.probes,
    told: [...load.told].map(([userId, ids]) => [userId, [...ids]]),
    problems: [...load.problems, ...never.map(one => `not served in the end: ${one}`)],
    repeats: load.repeats,
    connects: load.phones.reduce((sum, phone) => sum + phone.stats.connects, 0),
    resumes: load.phones.reduce((sum, phone) => sum + phone.stats.resumes, 0),
  };
};
