/**
 * What is broken while a soak runs: faults of chaos (k8s/chaos), seeded, one at a time, with peace in between so that the
 * figures of peace can be told from those of trouble. One node, the witness, is never ended, so that its memory has one
 * long history; everything else happens to it as well.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Fault } from '../chaos/fault.ts';
import { FAULTS } from '../chaos/faults/index.ts';
import type { ProcessTarget } from '../chaos/processes/processTarget.ts';
import type { ChaosTarget, Hit } from '../chaos/target.ts';
import type { Random } from '../swarm/random.ts';
import type { FaultWindow } from './recording.ts';

/** About the weights of TigerBeetle's Vortex: pauses often, ends and partitions seldom, servers as well. */
export const WEIGHTS: Readonly<Record<string, number>> = {
  kill: 2,
  pause: 3,
  zombie: 1,
  'scale-down': 3,
  'swizzle-clog': 1,
  'nats-restart': 1,
  'postgres-backends': 1,
  'postgres-slow': 2,
  storm: 1,
  repeats: 1,
};
/** A node that is hit by these ends, or stands still until others have taken its place: not the witness. */
const DEADLY = new Set(['kill', 'kill-late', 'zombie', 'scale-down']);

const isPartition = (fault: Fault): boolean => fault.row.startsWith('3a');

/** What a soak draws from, each as often as it weighs. */
export const BAG: readonly Fault[] = FAULTS.flatMap(fault =>
  new Array<Fault>(WEIGHTS[fault.name] ?? (isPartition(fault) ? 1 : 0)).fill(fault),
);

/** What a short run breaks, in turn. */
export const SHORT: readonly Fault[] = [
  FAULTS.find(fault => fault.name === 'kill')!,
  FAULTS.find(fault => fault.name === 'pause')!,
  FAULTS.find(isPartition)!,
];

const STEADY_MS_MAX = 90_000;
/** Phones come back with a backoff of seconds, and what waited is done. */
const CALM_MS = 5_000;

export interface FaultPlan {
  readonly random: Random;
  readonly peaceS: readonly [least: number, most: number];
  /** No fault begins later than this. */
  readonly untilMs: number;
  /** These in turn, instead of what is drawn. */
  readonly inTurn: readonly Fault[] | null;
  readonly nowS: () => number;
  readonly add: (window: FaultWindow) => void;
  readonly report: (line: string) => void;
}

const figures = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, n]) => `${name} ${n}`)
    .join(', ');

/** A machine that has much other work may not start a node at once: it is started again, as a supervisor would. */
const MENDS = 3;

const mended = async (target: ProcessTarget): Promise<void> => {
  for (let i = 1; ; i++) {
    try {
      return await target.mend();
    } catch (error) {
      if (i === MENDS) throw error;
    }
  }
};

/** Something that is done to the cluster, as one window of the recording: until all is well again. */
export const inWindow = async (
  target: ProcessTarget,
  plan: Pick<FaultPlan, 'nowS' | 'add' | 'report'>,
  fault: string,
  work: () => Promise<Hit>,
): Promise<void> => {
  const fromS = plan.nowS();
  const { targets, what, counts } = await work().catch((error: Error) => ({
    targets: [],
    what: `not as planned: ${error.message.split('\n')[0]}`,
    counts: {},
  }));
  await mended(target);
  await target.steady(STEADY_MS_MAX);
  await pause(CALM_MS);
  const window: FaultWindow = {
    kind: 'fault',
    fault,
    node: targets.join(', '),
    fromS,
    toS: plan.nowS(),
    hit: `${what} (${figures(counts)})`,
  };
  plan.add(window);
  const tookS = (window.toS - fromS).toFixed(0);
  plan.report(`  ${fromS.toFixed(0)} s: ${fault}: ${window.hit}; well again after ${tookS} s`);
};

/** Runs one fault of chaos by itself; what it hit, and what it did. */
export const perform = async (target: ChaosTarget, fault: Fault, random: Random): Promise<Hit> => {
  let hit: Hit = { targets: [], what: 'nobody to hit', counts: {} };
  let counts: Readonly<Record<string, number>> = {};
  const nodes = DEADLY.has(fault.name) ? target.nodes.slice(1) : target.nodes;
  const one = random.pick(nodes);
  await fault.run({
    // some take their nodes themselves: the witness is none of those either
    target: { ...target, nodes },
    random,
    victim: () => one,
    victims: () => [one],
    lasts: ms => pause(ms),
    hit: said => {
      hit = said;
    },
    counted: more => {
      counts = { ...counts, ...more };
    },
  });
  return { ...hit, counts: { ...hit.counts, ...counts } };
};

/** Breaks one thing after the other until the run is nearly over, or all of `inTurn` was done. */
export const breakThings = async (target: ProcessTarget, plan: FaultPlan): Promise<void> => {
  const { random, peaceS, inTurn, untilMs } = plan;
  for (let i = 0; inTurn === null || i < inTurn.length; i++) {
    await pause(random.between(...peaceS) * 1_000);
    if (inTurn === null && performance.now() > untilMs) return;
    const fault = inTurn?.[i] ?? random.pick(BAG);
    await inWindow(target, plan, fault.name, () => perform(target, fault, random));
  }
};
