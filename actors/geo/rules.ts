/**
 * The rules of a proximity meeting, one versioned object. Defaults and their reasons: `reference/proximity.md` 4.4
 * and DOMAIN rule 2. Everything is decided on fix times and positions alone, so that the outcome depends only on the
 * order of fixes and can be checked against brute force.
 *
 * A pair (officer, civilian) is looked at on each fix of either. With d = great-circle distance of their latest fixes:
 * 1. d > exit: their slot ends. (Also against an old fix: who is out of reach of where the other was last seen ends it.)
 * 2. Otherwise nothing happens unless the other's latest fix was taken at most `freshMs` from this one and both are
 *    accurate to `accuracyM`.
 * 3. A slot not looked at for more than `forgetMs` counts as none. Without a slot, d <= enter opens one.
 * 4. With a slot: the time since the last look counts as dwell when it is at most `gapMs` and both walk (speed known
 *    and <= `walkMps`); above `vehicleMps` the dwell falls to 0. The fix counts for its side.
 * 5. Dwell and the fixes of both sides complete: met, once per slot; told to the pair at the first such look at which
 *    both have instant match on.
 */

export interface ProximityRules {
  readonly version: number;
  readonly enterM: number;
  readonly exitM: number;
  readonly dwellMs: number;
  /** Fixes needed on each side within the slot. */
  readonly dwellFixes: number;
  /** Two fixes taken further apart are not compared. */
  readonly freshMs: number;
  readonly gapMs: number;
  readonly forgetMs: number;
  readonly walkMps: number;
  readonly vehicleMps: number;
  /** A fix less accurate than this proves nothing. */
  readonly accuracyM: number;
  /** A civilian's fix is sent to every region this close; at least `exitM`. */
  readonly reachM: number;
}

const DEFAULTS: ProximityRules = {
  version: 1,
  enterM: 25,
  exitM: 50,
  dwellMs: 60_000,
  dwellFixes: 3,
  freshMs: 15_000,
  gapMs: 20_000,
  forgetMs: 60_000,
  walkMps: 3,
  vehicleMps: 7,
  accuracyM: 50,
  reachM: 100,
};

/** `exit` lies this far outside `enter` unless given: halves the fragments that jitter makes (proximity.md 4.4). */
const HYSTERESIS_M = 25;

/** The rules with some values replaced. Throws a RangeError when they contradict each other (a bug of configuration). */
export function proximityRules(changes: Partial<ProximityRules> = {}): ProximityRules {
  const enterM = changes.enterM ?? DEFAULTS.enterM;
  const exitM = changes.exitM ?? enterM + HYSTERESIS_M;
  const rules: ProximityRules = {
    ...DEFAULTS,
    reachM: Math.max(DEFAULTS.reachM, exitM + 1),
    ...changes,
    enterM,
    exitM,
  };
  if (!(rules.enterM > 0 && rules.enterM <= rules.exitM))
    throw new RangeError('enterM must be in (0, exitM]');
  if (!(rules.exitM < rules.reachM && rules.reachM <= 1_000)) {
    throw new RangeError('exitM must be below reachM, and reachM at most 1000');
  }
  if (!(rules.dwellMs >= 0 && rules.dwellFixes >= 1)) throw new RangeError('dwell must be positive');
  if (!(rules.gapMs <= rules.forgetMs && rules.freshMs <= rules.forgetMs)) {
    throw new RangeError('gapMs and freshMs must not exceed forgetMs');
  }
  return rules;
}
