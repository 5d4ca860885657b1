/**
 * The rules of a proximity meeting, one versioned object, and their text. Everything is decided on the positions and
 * the times at which they were taken, in the order in which they come, so that brute force over the same fixes finds
 * the same (`k8s/tracks/oracle.ts` is written from this text alone).
 *
 * A pair (officer, civilian) is looked at on each fix of either, against the latest fix of the other. d is their
 * great-circle distance, a1 and a2 the accuracies of the two fixes. A fix is POOR when it is less accurate than
 * `keepAccuracyM`, SHARP when it is accurate to `sharpAccuracyM`. Two fixes are COMPARABLE when they were taken at most
 * `freshMs` apart. ENTER = clamp(enterM, enterPerAccuracy (a1 + a2), enterMaxM), EXIT = ENTER + exitMarginM. A fix that
 * says something anew at the time of the one before (REPEAT) is no further fix. While two are together they have a SLOT.
 *
 * 1. Silence: more than `silenceMs` between this fix and the mover's one before, or the other's latest, ends the slot,
 *    as of `silenceMs` after the earlier of these two. A sweep ends it too, once nothing so old can come any more.
 * 2. d > reachM ends the slot at once.
 * 3. Otherwise fixes that are not comparable change nothing.
 * 4. OUTSIDE is d > EXIT, or one of the two poor. The second fix outside in a row of the same person ends the slot (a
 *    repeat does not count); the first one pauses the dwell. A fix inside by either sets both back.
 * 5. Inside, both sharp: the slot's time since the last counted look, and the fix for its side, count. Above
 *    `vehicleMps` (either) dwell and fixes fall to 0 instead. The time becomes dwell when it is at most `gapMs`, both
 *    speeds are known and at most `walkMps`, and their velocities differ by at most `relativeMps`. A speed is that from
 *    the person's fix before, its direction that of the arrival.
 * 6. Without a slot one begins (ENTERED) when the two are comparable, neither is poor, d <= ENTER, both phones are
 *    there and the officer is not in a crowd: dwell 0, one fix of each counted.
 * 7. Dwell and the fixes of both complete the slot, once. At the first look inside and sharp, from then on, at which both
 *    have instant match on and the officer's cap allows it, they have MET.
 * 8. Cap: not while the `capMatches`-th latest automatic match of the officer is younger than `capMs`. Of several at
 *    one fix those with the lower civilian's id come first.
 * 9. Crowd: at each fix of an officer that is neither poor nor a repeat, before all else, the civilians are counted with
 *    whom 6 would begin, phones there or not, his mode aside. More than `crowdCivilians` at all his fixes over `crowdMs`
 *    begin the crowd, which ends his slots; not more at all fixes over `crowdMs` end it.
 * 10. Near: a civilian's fix that is not poor, with an officer's that is comparable and not poor, d <= nearM, his phone
 *    there, not in a crowd: told once per `nearAgainMs` and pair. Looked for only where a watch of the matcher asks for
 *    it: the regions of a node do not, their civilians are told by areas (`actors/area.ts`).
 *
 * Positions are never carried forward: between two fixes nobody moves (no scores by dead reckoning).
 */

import type { RuleRef } from '../durable.ts';
import { FIRST_VERSION } from '../ruleNumbers.ts';
import { CAP_MATCHES_MAX, MEMBERS_MAX } from './limits.ts';

export interface ProximityRules {
  /** The business rule that set these numbers; its version 1 is what stands here and in the configuration. */
  readonly rule: RuleRef;
  readonly enterM: number;
  readonly enterMaxM: number;
  readonly enterPerAccuracy: number;
  readonly exitMarginM: number;
  readonly sharpAccuracyM: number;
  readonly keepAccuracyM: number;
  readonly silenceMs: number;
  readonly dwellMs: number;
  /** Fixes needed on each side within the slot. */
  readonly dwellFixes: number;
  readonly freshMs: number;
  readonly gapMs: number;
  readonly walkMps: number;
  readonly vehicleMps: number;
  readonly relativeMps: number;
  readonly capMatches: number;
  readonly capMs: number;
  readonly crowdCivilians: number;
  readonly crowdMs: number;
  readonly nearM: number;
  readonly nearAgainMs: number;
  /** A civilian's fix is sent to every region this close; at least the largest EXIT, and `nearM`. */
  readonly reachM: number;
}

/**
 * Sources: "study" is the study of proximity, section 4.4 unless another is named, with the recordings (GeoLife, 182
 * people) that it measured; "rule" is DOMAIN, rule 2.
 */
const DEFAULTS: ProximityRules = {
  rule: { id: 'proximity.notify', version: FIRST_VERSION },
  /** Rule 2; study 0: two phones with 10 m accuracy at 3 m apart read within 25 m in 97 % of fixes, at 50 m in 0.3 %. */
  enterM: 25,
  /** Study: clamp(25, 1.25 (a1 + a2), 40). */
  enterMaxM: 40,
  enterPerAccuracy: 1.25,
  /** Study: +25 m leaves 4,554 fragments of 9,986 at 25 m; rule 2: exit 50 m. */
  exitMarginM: 25,
  /** Study: both at most 20 m for scoring, at most 30 m to stay a candidate. */
  sharpAccuracyM: 20,
  keepAccuracyM: 30,
  /** Study: two fixes outside, or 60 s of silence (traccar#3609: one stray fix must not end it). */
  silenceMs: 60_000,
  /** Rule 2; study: the median real dwell within 25 m is 80 s. */
  dwellMs: 60_000,
  dwellFixes: 3,
  /** Study 4.3: 1.4 m/s for 15 s are 21 m. */
  freshMs: 15_000,
  /** Study: gaps of at most 20 s. */
  gapMs: 20_000,
  /** Study: accumulate to 3 m/s, pause to 7, reset above (25 km/h); 26 % of recorded steps were vehicles. */
  walkMps: 3,
  vehicleMps: 7,
  /** Study: two who pass each other walk at 2.8 m/s against each other. */
  relativeMps: 2,
  /** Study: 6 automatic matches in 10 min, then codes only (parades). */
  capMatches: 6,
  capMs: 600_000,
  /** Study: more than 8 civilians within ENTER of the officer for 30 s. */
  crowdCivilians: 8,
  crowdMs: 30_000,
  /** Study 4.2 and 4.4: an officer is around within 200 m, told once per 30 min. */
  nearM: 200,
  nearAgainMs: 1_800_000,
  /** Study 4.2: 1.44 copies a fix at 200 m, 1.10 at 50 m. */
  reachM: 200,
};

/** Bits that slots and members have for them (`slots.ts`, `record.ts`): six days. */
const TIME_MS_MAX = 2 ** 29;
const DWELL_FIXES_MAX = 100;
/** A disc must not be larger than a region (`grid.ts`). */
const REACH_M_MAX = 2_000;

/** The rules with some values replaced. Throws a RangeError when they contradict each other (a bug of configuration). */
export function proximityRules(changes: Partial<ProximityRules> = {}): ProximityRules {
  const enterM = changes.enterM ?? DEFAULTS.enterM;
  const enterMaxM = changes.enterMaxM ?? Math.max(enterM, DEFAULTS.enterMaxM);
  const exitMarginM = changes.exitMarginM ?? DEFAULTS.exitMarginM;
  const nearM = changes.nearM ?? DEFAULTS.nearM;
  const rules: ProximityRules = {
    ...DEFAULTS,
    reachM: Math.max(DEFAULTS.reachM, nearM, enterMaxM + exitMarginM),
    ...changes,
    enterM,
    enterMaxM,
    exitMarginM,
  };
  const must = (holds: boolean, what: string): void => {
    if (!holds) throw new RangeError(what);
  };
  must(rules.enterM > 0 && rules.enterM <= rules.enterMaxM, 'enterM must be in (0, enterMaxM]');
  must(rules.exitMarginM >= 0, 'exitMarginM must not be negative');
  must(rules.enterMaxM + rules.exitMarginM <= rules.reachM, 'the largest exit must be within reachM');
  must(
    rules.nearM <= rules.reachM && rules.reachM <= REACH_M_MAX,
    'nearM must be within reachM, at most 2000',
  );
  must(
    rules.sharpAccuracyM <= rules.keepAccuracyM && rules.keepAccuracyM <= 1_000,
    'accuracies: sharp, keep',
  );
  const isTime = (ms: number): boolean => ms >= 0 && ms <= TIME_MS_MAX;
  const isCount = (count: number, least: number, most: number): boolean =>
    Number.isInteger(count) && count >= least && count <= most;
  for (const name of ['silenceMs', 'dwellMs', 'freshMs', 'gapMs', 'capMs', 'crowdMs', 'nearAgainMs'] as const)
    must(isTime(rules[name]), `${name} must be in [0, 2^29]`);
  for (const name of ['enterPerAccuracy', 'sharpAccuracyM', 'walkMps', 'vehicleMps', 'relativeMps'] as const)
    must(rules[name] >= 0, `${name} must not be negative`);
  must(isCount(rules.dwellFixes, 1, DWELL_FIXES_MAX), 'dwellFixes must be a whole number in [1, 100]');
  must(
    rules.gapMs <= rules.silenceMs && rules.freshMs <= rules.silenceMs,
    'gapMs and freshMs must not exceed silenceMs',
  );
  must(isCount(rules.capMatches, 1, CAP_MATCHES_MAX), 'capMatches must be a whole number in [1, 1000]');
  must(isCount(rules.crowdCivilians, 0, MEMBERS_MAX), 'crowdCivilians must be a whole number');
  return rules;
}
