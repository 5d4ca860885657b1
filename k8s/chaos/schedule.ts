/**
 * Which fault comes when, from a seed alone. Faults are drawn from a bag that holds each as often as it weighs, without
 * putting them back: a long run meets all of them, and two runs with one seed meet the same ones in the same order.
 */
import type { Random } from '../swarm/random.ts';
import type { Fault } from './fault.ts';

/** Seconds between the beginnings of two faults: Vortex's rate, a handful of them each minute. */
const PAUSE_S_MIN = 10;
const PAUSE_S_MAX = 20;

export interface Planned {
  readonly n: number;
  readonly fault: Fault;
  /** After the fault before it began. */
  readonly afterMs: number;
  /** Chance of its own, so that what one fault draws changes nothing for the next. */
  readonly random: Random;
}

export function* schedule(faults: readonly Fault[], random: Random): Generator<Planned, never> {
  if (faults.length === 0) throw new RangeError('a schedule without faults');
  const pauses = random.fork('pauses');
  const draws = random.fork('draws');
  let bag: Fault[] = [];
  for (let n = 1; ; n++) {
    // A fault's first turn comes before the second turn of any other: short runs see more kinds.
    if (bag.length === 0) bag = rounds(faults).flatMap(round => draws.shuffled(round));
    const fault = bag.shift()!;
    const afterMs = Math.round(1_000 * pauses.between(PAUSE_S_MIN, PAUSE_S_MAX));
    yield { n, fault, afterMs, random: random.fork(`${n} ${fault.name}`) };
  }
}

/** All faults once, then those that weigh 2 or more once again, and so on. */
const rounds = (faults: readonly Fault[]): Fault[][] => {
  const heaviest = Math.max(...faults.map(fault => fault.weight));
  return Array.from({ length: heaviest }, (_, i) => faults.filter(fault => fault.weight > i));
};
