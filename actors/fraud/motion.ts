/**
 * Where a person cannot have come from: impossible speed, and what it costs.
 *
 * Problem. A phone's position is a claim. One claim that is too fast is nearly always a broken fix (0.23 % of the steps of
 * honest people) and must do no harm; a person who is then really elsewhere has flown, or cheats.
 *
 * Mechanism. The last believed place stands until another is believed. A fix that nobody on the ground can reach from
 * there is dropped and remembered as astray; the next one is believed when it can be reached from the believed place (the
 * stray one was broken, and nothing is left of it) or from the stray one (the person is really there). In the second case
 * the person owes the metres that could not have been travelled: at `fastMps` they are worked off second by second, as if
 * the way were made now, for `waitMsMax` at most. So the wait grows with the distance, several small jumps owe as much
 * as one large jump, and whoever owes is not paid without a look.
 *
 * Off the map the place is forgotten, but for the coarse cell that held it and when: else a teleport would cost no more than
 * switching sharing off and on. The first fix afterwards is judged by the nearest point of that cell, so that nobody is
 * accused of a way he may have made; what that gives away is given once a minute at most ({@link CELL_STEP_MS}).
 */
import { distanceM, type TimedPoint } from '../geo/distance.ts';
import { boxOf, cellOf } from '../geo/grid.ts';
import type { FraudRules } from './rules.ts';
import { TRUST } from './trust.ts';

export interface Motion {
  /** The last believed place; null when none is known (sharing has just begun). */
  readonly here: TimedPoint | null;
  /** The coarse cell of a believed place before sharing ended last, and when that was; null when there was none. */
  readonly left: { readonly cell: number; readonly atMs: number } | null;
  /** The last one that was dropped, when it is newer than `here`; and whether it was a teleport. */
  readonly astray: (TimedPoint & { readonly teleport: boolean }) | null;
  /** Metres ahead of what can be, at `owedAtMs`. */
  readonly owedM: number;
  readonly owedAtMs: number;
  /** What is owed came about by a teleport. */
  readonly teleport: boolean;
}

export const AT_REST: Motion = {
  here: null,
  left: null,
  astray: null,
  owedM: 0,
  owedAtMs: 0,
  teleport: false,
};

/**
 * Who switches off and on sooner than this after a cell was kept is judged by that one, older: a cell gives away 1.5 km, and
 * whoever took a new one each second would travel at three times the speed of sound.
 */
const CELL_STEP_MS = 60_000;

/** What is still owed at a moment. */
export const owedM = (motion: Motion, nowMs: number, { fastMps }: FraudRules): number =>
  Math.max(0, motion.owedM - (fastMps * Math.max(0, nowMs - motion.owedAtMs)) / 1_000);

/** Milliseconds until the person may be paid without a look. */
export const waitMs = (motion: Motion, nowMs: number, rules: FraudRules): number =>
  Math.ceil((owedM(motion, nowMs, rules) * 1_000) / rules.fastMps);

const pointOf = ({ latE7, lngE7, takenAtMs }: TimedPoint): TimedPoint => ({ latE7, lngE7, takenAtMs });

/** Metres of a step beyond what can be travelled in its time. Two fixes of one second count as a second apart. */
const beyondM = (from: TimedPoint, to: TimedPoint, mps: number): number =>
  distanceM(from.latE7, from.lngE7, to.latE7, to.lngE7) -
  (mps * Math.max(1_000, to.takenAtMs - from.takenAtMs)) / 1_000;

/** The same since the last known place; where only its cell is known, since any point of that. Positive: it cannot be. */
function aheadM({ here, left }: Motion, fix: TimedPoint, mps: number, { waitMsMax }: FraudRules): number {
  if (here !== null) return beyondM(here, fix, mps);
  if (left === null || fix.takenAtMs - left.atMs > waitMsMax) return 0;
  const { south, north, west, east } = boxOf(left.cell);
  const [latE7, lngE7] = [(south + north) * 5e6, (west + east) * 5e6];
  const cornerM = (lat: number): number => distanceM(latE7, lngE7, lat * 1e7, west * 1e7);
  const middle = { latE7, lngE7, takenAtMs: left.atMs };
  return beyondM(middle, fix, mps) - Math.max(cornerM(south), cornerM(north));
}

/** Off the map: of the place its cell is left, and what is owed. */
export function offMap(motion: Motion): Motion {
  const { here, left } = motion;
  const isKept = here === null || (left !== null && here.takenAtMs - left.atMs < CELL_STEP_MS);
  const cell = isKept ? left : { cell: cellOf(here.latE7 / 1e7, here.lngE7 / 1e7), atMs: here.takenAtMs };
  return { ...motion, here: null, astray: null, left: cell };
}

/** Takes a fix, and keeps it as it is. `isTaken` false: it is dropped, the believed place stays. */
export function moveTo(
  motion: Motion,
  fix: TimedPoint,
  rules: FraudRules,
): { readonly motion: Motion; readonly isTaken: boolean } {
  const { here, left, astray } = motion;
  const beyond = aheadM(motion, fix, rules.fastMps, rules);
  if (beyond <= 0) {
    const { owedM: owed, owedAtMs, teleport } = motion;
    const isOver = owed > 0 && owedM(motion, fix.takenAtMs, rules) === 0;
    const next = { here: fix, left, astray: null, owedM: isOver ? 0 : owed, owedAtMs, teleport };
    return { motion: next, isTaken: true };
  }
  const teleport = aheadM(motion, fix, rules.teleportMps, rules) > 0;
  if (astray === null || beyondM(astray, fix, rules.fastMps) > 0)
    return { motion: { ...motion, astray: { ...pointOf(fix), teleport } }, isTaken: false };
  const most = (rules.fastMps * rules.waitMsMax) / 1_000;
  const sinceMs = here?.takenAtMs ?? left?.atMs ?? fix.takenAtMs;
  const owed = Math.min(most, owedM(motion, sinceMs, rules) + beyond);
  const isTeleport = astray.teleport || teleport || (motion.teleport && motion.owedM > 0);
  return {
    motion: { here: fix, left, astray: null, owedM: owed, owedAtMs: fix.takenAtMs, teleport: isTeleport },
    isTaken: true,
  };
}

/** The bits of a moment. */
export function motionTrust(motion: Motion, nowMs: number, rules: FraudRules): number {
  let bits = 0;
  if (motion.astray === null && motion.owedM === 0) return bits;
  if (motion.astray !== null) bits |= motion.astray.teleport ? TRUST.teleport : TRUST.too_fast;
  if (owedM(motion, nowMs, rules) > 0) bits |= motion.teleport ? TRUST.teleport : TRUST.too_fast;
  return bits;
}
