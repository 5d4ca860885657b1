/**
 * Load of the storm benchmark: phones that use the real client, spread over all nodes, with durable events under way. One
 * node is killed; when each of its phones was welcome somewhere else is what they tell.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Op } from '../../nodes/simulation/history.ts';
import { ClientLoad } from '../swarm/clientLoad.ts';
import type { MeetOp } from '../swarm/meetings.ts';
import type { SeededPerson } from '../swarm/seed.ts';
import type { Job } from '../swarm/worker.ts';

export interface StormArgs {
  readonly urls: readonly string[];
  readonly officers: readonly SeededPerson[];
  readonly civilians: readonly SeededPerson[];
  /** Meetings per second of this worker. */
  readonly perS: number;
  readonly localAddress: string;
}

/** One phone that came back: milliseconds after the kill, where, and whether what it missed was replayed. */
export type Return = readonly [afterMs: number, node: number, resumed: boolean];

export interface Stormed {
  /** Phones of the killed node. */
  readonly theirs: readonly Return[];
  /** Phones of the other nodes that came back meanwhile, although their node was well. */
  readonly others: readonly Return[];
  /** Who did not come back in time, and what its client says. */
  readonly never: readonly string[];
  /** CPU seconds of this process meanwhile. */
  readonly cpuS: number;
}

export interface Counted {
  readonly events: number;
  readonly snapshots: number;
  readonly lost: number;
  readonly doubled: number;
  readonly goaways: number;
}

export interface StormResult extends Counted {
  readonly history: MeetOp[];
  readonly ops: Op[];
  readonly told: [userId: string, encounterIds: string[]][];
  readonly problems: string[];
}

/** A command is kept by the client until the town is whole again. */
const DEADLINE_MS = 45_000;
const BACK_MS_MAX = 60_000;
const SERVED_MS_MAX = 20_000;
/** Nobody has come back for so long: it is over. */
const STILL_MS = 2_000;
const STILL_TIMES_MAX = 10;
const QUIET_MS = 1_000;
const QUIET_MS_MAX = 15_000;

/** What the apps of a load were given; waits until nothing comes any more. */
export const countedOf = async (load: ClientLoad): Promise<Counted> => {
  const sum = (of: 'events' | 'snapshots' | 'lost' | 'doubled' | 'goaways'): number =>
    load.phones.reduce((all, phone) => all + phone[of], 0);
  const until = performance.now() + QUIET_MS_MAX;
  for (let seen = -1; seen !== sum('events') && performance.now() < until; ) {
    seen = sum('events');
    await pause(QUIET_MS);
  }
  return {
    events: sum('events'),
    snapshots: sum('snapshots'),
    lost: sum('lost'),
    doubled: sum('doubled'),
    goaways: sum('goaways'),
  };
};

const cpuSince = (from: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1e6;
};

export const run = async (job: Job<StormArgs>): Promise<StormResult> => {
  const load = new ClientLoad({
    ...job.args,
    probesPerS: 0,
    deadlineMs: DEADLINE_MS,
    random: job.random,
  });
  await load.connect();
  await job.barrier('connected');
  job.watch.begin();
  load.start();
  const { victim } = await job.barrier<{ victim: number }>('loaded');
  const theirs = load.phones.filter(phone => phone.node === victim);
  const others = load.phones.filter(phone => phone.node !== victim);
  for (const phone of theirs) phone.expectArrival();
  const { killedAt } = await job.barrier<{ killedAt: number }>('armed', theirs.length);
  const cpuFrom = process.cpuUsage();
  const late = pause(BACK_MS_MAX, undefined, { ref: false });
  await Promise.race([late, Promise.all(theirs.map(phone => phone.arrived))]);
  // Those whose actor was on the killed node, and not their socket, may be sent away and come back as well.
  const arrivals = (): number => load.phones.reduce((all, phone) => all + phone.arrivals.length, 0);
  for (let seen = -1, i = 0; seen !== arrivals() && i < STILL_TIMES_MAX; i++) {
    seen = arrivals();
    await pause(STILL_MS);
  }
  const never: string[] = [];
  const returned = (phone: (typeof theirs)[number]): Return | null => {
    const back = phone.arrivals.find(one => one.atMs >= killedAt);
    return back === undefined ? null : [back.atMs - killedAt, back.node, back.resumed];
  };
  const stormed: Stormed = {
    theirs: theirs.flatMap(phone => {
      const back = returned(phone);
      if (back === null) never.push(`${phone.person.userId}: ${phone.client.state}`);
      return back === null ? [] : [back];
    }),
    others: others.flatMap(phone => {
      const back = returned(phone);
      return back === null ? [] : [back];
    }),
    never,
    cpuS: cpuSince(cpuFrom),
  };
  await job.barrier('back', stormed);
  await job.barrier('calm');
  await load.settle();
  const answers = await Promise.all(load.phones.map(phone => load.ask(phone, SERVED_MS_MAX)));
  const counted = await countedOf(load);
  await job.barrier('settled');
  load.end();
  return {
    ...counted,
    history: load.history,
    ops: load.ops,
    told: load.phones.map(phone => [phone.person.userId, [...phone.told]]),
    problems: [
      ...load.problems,
      ...answers.flatMap(({ outcome, userId, why }) =>
        outcome === 'ok' ? [] : [`not served in the end: ${userId}: ${why}`],
      ),
    ],
  };
};
