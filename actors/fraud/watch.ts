/**
 * What speaks against one person's phone: a small value in the state of the user actor. Pure: the clock is a number, and
 * nothing here leaves the actor but the trust bits (`trust.ts`).
 *
 * Where the person was is wiped with everything else that is known of the place ({@link wiped}), but for a coarse cell
 * (`motion.ts`); findings and debts hold on, or whoever cheats would only switch sharing off and on, or leave for a while
 * ({@link heldMs}).
 */
import { FIX_FLAG } from '../../protocol/frames.ts';
import { AT_REST, type Motion, motionTrust, moveTo, offMap, waitMs } from './motion.ts';
import { hear, isTooPerfect, type Noise, type Sample, UNHEARD } from './noise.ts';
import type { FraudRules } from './rules.ts';
import { TRUST } from './trust.ts';

/** What is found by looking at one phone, and holds for a while. */
export const FINDINGS = ['simulated', 'too_perfect', 'cloned', 'two_phones'] as const;
export type Finding = (typeof FINDINGS)[number];

export interface Watch {
  readonly motion: Motion;
  readonly noise: Noise;
  /** By finding: town milliseconds until which it holds. */
  readonly until: Readonly<Partial<Record<Finding, number>>>;
  /** When another phone took the place of a socket in use, newest last. */
  readonly twins: readonly number[];
}

export const UNSUSPECTED: Watch = { motion: AT_REST, noise: UNHEARD, until: {}, twins: [] };

/** Notes a finding; it holds from now on for `holdsMs`. */
export const found = (watch: Watch, finding: Finding, nowMs: number, { holdsMs }: FraudRules): Watch => ({
  ...watch,
  until: { ...watch.until, [finding]: nowMs + holdsMs },
});

/** Takes a report. `isTaken` false: the position is dropped, the one before goes on. */
export function observe(
  watch: Watch,
  sample: Sample,
  flags: number,
  nowMs: number,
  rules: FraudRules,
): { readonly watch: Watch; readonly isTaken: boolean } {
  const { motion, isTaken } = moveTo(watch.motion, sample, rules);
  const noise = isTaken ? hear(watch.noise, sample, rules) : watch.noise;
  const { until, twins } = watch;
  let next: Watch = { motion, noise, until, twins };
  if ((flags & FIX_FLAG.simulated) !== 0) next = found(next, 'simulated', nowMs, rules);
  if (!isTaken) return { watch: next, isTaken };
  if (isTooPerfect(noise, rules)) next = found(next, 'too_perfect', nowMs, rules);
  return { watch: next, isTaken };
}

/**
 * Another phone took the place of a socket that was heard `heardMs` ago, and did not know of it.
 *
 * @param heardMs milliseconds; negative when a clock was set back since: more than two clocks differ says nothing
 */
export function displaced(watch: Watch, heardMs: number, nowMs: number, rules: FraudRules): Watch {
  if (Math.abs(heardMs) > rules.twinHeardMs) return watch;
  const twins = [...watch.twins.filter(atMs => nowMs - atMs < rules.holdsMs), nowMs].slice(-rules.twinTimes);
  const next = { ...watch, twins };
  return twins.length >= rules.twinTimes ? found(next, 'two_phones', nowMs, rules) : next;
}

/** The bits of this person now. */
export function trustOf({ motion, until }: Watch, nowMs: number, rules: FraudRules): number {
  let bits = motionTrust(motion, nowMs, rules);
  // nothing was found of nearly everybody
  if (until === UNSUSPECTED.until) return bits;
  for (const finding of FINDINGS) if ((until[finding] ?? 0) > nowMs) bits |= TRUST[finding];
  return bits;
}

function lasting(until: Watch['until'], nowMs: number): Watch['until'] {
  const hold = Object.entries(until).filter(([, untilMs]) => untilMs > nowMs);
  return hold.length > 0 ? Object.fromEntries(hold) : UNSUSPECTED.until;
}

/** Off the map: no place is left but a coarse cell; findings are, as long as they hold. */
export const wiped = (watch: Watch, nowMs: number): Watch => ({
  ...watch,
  motion: offMap(watch.motion),
  noise: UNHEARD,
  until: lasting(watch.until, nowMs),
});

/** Without findings and debts that are over. */
export function relieved(watch: Watch, nowMs: number, rules: FraudRules): Watch {
  const { motion } = watch;
  const isPaid = motion.owedM > 0 && waitMs(motion, nowMs, rules) === 0;
  const until = lasting(watch.until, nowMs);
  return { ...watch, until, motion: isPaid ? { ...motion, owedM: 0 } : motion };
}

/** The cell is forgotten too, when the longest wait is over since. */
export function forgotten(watch: Watch, nowMs: number, { waitMsMax }: FraudRules): Watch {
  const { motion } = watch;
  const isOver = motion.left !== null && nowMs - motion.left.atMs >= waitMsMax;
  return isOver ? { ...watch, motion: { ...motion, left: null } } : watch;
}

/** For so long at the most something still speaks against the person, whatever the time is, milliseconds; 0: nothing does. */
export function heldMs({ motion, until }: Watch, rules: FraudRules): number {
  const debtMs = motion.owedM === 0 ? 0 : waitMs(motion, motion.owedAtMs, rules);
  return until === UNSUSPECTED.until ? debtMs : Math.max(debtMs, rules.holdsMs);
}
