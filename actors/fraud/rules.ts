/**
 * The rules of what is not believed, one versioned object (DOMAIN rule 13). The source of each default stands beside it;
 * "study" is the study of proximity, section 4.6, and its figures are measured on recorded tracks of people.
 */

export interface FraudRules {
  readonly version: number;
  /** Faster than this a position is dropped, metres per second. */
  readonly fastMps: number;
  /** Faster than this it is called a teleport, metres per second. */
  readonly teleportMps: number;
  /** Nobody waits longer for having been elsewhere. */
  readonly waitMsMax: number;
  /** Two reports within such a time are one to the rules of noise: phones repeat what they have. */
  readonly stepMs: number;
  /** So many reports in a row make a finding. */
  readonly perfectFixes: number;
  /** A position so close to where it was bound to be shows no noise, metres. */
  readonly noiseM: number;
  /** Slower than this a person stands; where a phone stands still it may well report one place again and again. */
  readonly standMps: number;
  /** Two intervals are the same when they differ by less. */
  readonly sameIntervalMs: number;
  /** How long a finding about a phone holds after it was last made. */
  readonly holdsMs: number;
  /** So many positions of somebody else, each further than `cloneStepM` from the one before, within `cloneMs`: cloned. */
  readonly clonePoints: number;
  readonly cloneStepM: number;
  readonly cloneMs: number;
  /** A socket that was heard so lately was in use when another phone took its place ... */
  readonly twinHeardMs: number;
  /** ... and so many times within `holdsMs` are no accident. */
  readonly twinTimes: number;
  /** The same pair again within so long after its cooldown was over ... */
  readonly farmedMs: number;
  /** ... so many times in a row: the next one is held. */
  readonly farmedTimes: number;
  /** Encounters of one officer in 24 h that are paid without a look. */
  readonly officerDayMax: number;
  /** The same where only his code was scanned: neither positions nor a word of his vouch for it. */
  readonly unvouchedDayMax: number;
  /** A civilian who has met so often, and always one officer, is looked at. */
  readonly oneOfficerTimes: number;
  /** How far back the last three look, hours of the database clock; 0: they do not. */
  readonly historyH: number;
}

export const FRAUD_RULES: FraudRules = {
  version: 1,
  // Study: 0.23 % of the steps of real people are faster, nearly all of them flights and broken fixes.
  fastMps: 70,
  // Study: 0.0038 % of the steps. The speed of sound: no airliner either.
  teleportMps: 340,
  // Study: two hours at most, as in the largest game that is played with positions.
  waitMsMax: 2 * 3_600_000,
  // Phones deliver at most one fix a second; 0.9 leaves room for their clock.
  stepMs: 900,
  // Study: variance below 0.1 m over 10 fixes. A receiver wanders by 0.5 m and more from second to second.
  perfectFixes: 10,
  noiseM: 0.1,
  // Half a metre a second is slower than anybody walks on purpose (the slowest tenth of recorded walkers: 0.9 m/s).
  standMps: 0.5,
  // Timers of an operating system jitter by several milliseconds; a loop over a list of positions does not.
  sameIntervalMs: 2,
  // The ring of positions in memory (study 4.1): what speaks against a phone is not forgotten sooner than that.
  holdsMs: 10 * 60_000,
  // Two strangers share a square of 1.1 cm by chance about once in 10^6 fixes on one pavement; five in a row never.
  clonePoints: 5,
  // Further than a receiver trembles, so that to stand on one spot counts once.
  cloneStepM: 2,
  cloneMs: 3_600_000,
  // When a phone was heard is known to within 5 s, and in a crowd it reports each 5 s.
  twinHeardMs: 10_000,
  twinTimes: 3,
  // Study: the same pair every 24 h to within 10 minutes. The cooldown of 24 h lets nobody in sooner, so: 0 to 10 after it.
  farmedMs: 10 * 60_000,
  // Four days at the same minute happen to colleagues at a gate; the fifth meeting is looked at.
  farmedTimes: 4,
  // Study: one officer over 30 a day.
  officerDayMax: 30,
  // Study 4.6 (7) asks for less than 30 where nothing is shared. DOMAIN: 1.2 G encounters a year of 0.7 M officers are 5 a day, 8 a
  // shift, and most officers share nothing: 20 leaves ordinary days alone.
  unvouchedDayMax: 20,
  // A fortnight of meetings of one officer only. People who use the product meet whoever is on duty.
  oneOfficerTimes: 14,
  historyH: 24 * 30,
};

/** The rules with some values replaced. Throws a RangeError when they contradict each other (a bug of configuration). */
export function fraudRules(changes: Partial<FraudRules> = {}): FraudRules {
  const rules = { ...FRAUD_RULES, ...changes };
  if (!(rules.fastMps > 0 && rules.fastMps <= rules.teleportMps))
    throw new RangeError('fastMps must be in (0, teleportMps]');
  for (const name of ['perfectFixes', 'clonePoints', 'twinTimes', 'farmedTimes', 'oneOfficerTimes'] as const)
    if (!(Number.isInteger(rules[name]) && rules[name] >= 2))
      throw new RangeError(`${name} must be a whole number of at least 2`);
  if (rules.unvouchedDayMax > rules.officerDayMax)
    throw new RangeError('unvouchedDayMax must be at most officerDayMax: no more are counted');
  if (!(rules.historyH === 0 || rules.historyH >= (rules.farmedTimes + 1) * 24))
    throw new RangeError('historyH must reach back over the days that farmedTimes counts');
  return rules;
}
