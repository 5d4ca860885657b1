/**
 * What only the store knows of two people who met: farmed pairs, officers who greet by the hundred, civilians who know one
 * officer. One read before the commit (`pairHistory` of `queries.ts`); held encounters count like paid ones, rejected
 * ones too: who is caught does not begin anew.
 */
import type { FraudRules } from './rules.ts';
import { TRUST } from './trust.ts';

/** By the database clock, all within `historyH`. */
export interface PairHistory {
  /** When the two met, newest first, at most `farmedTimes`, in milliseconds before now. */
  readonly agesMs: readonly number[];
  /** Encounters of the officer within 24 h; counted up to `officerDayMax`. */
  readonly officerDay: number;
  /** The newest encounters of the civilian, at most `oneOfficerTimes`: how many, and with how many officers. */
  readonly civilianMet: number;
  readonly civilianOfficers: number;
  /** Among those officers is this one. */
  readonly knowsOfficer: boolean;
}

/** Of a meeting that happens now. */
export interface Met {
  /** Of the pair: a farmer comes back as soon as that lets him. */
  readonly cooldownS: number;
  /** Nothing but a scan of the officer's code says that the two stood together. */
  readonly unvouched: boolean;
}

/** The bits of a meeting that happens now. */
export function historyTrust(history: PairHistory, { cooldownS, unvouched }: Met, rules: FraudRules): number {
  const { agesMs, officerDay, civilianMet, civilianOfficers, knowsOfficer } = history;
  let bits = 0;
  if (isFarmed(agesMs, cooldownS, rules)) bits |= TRUST.farmed_pair;
  if (officerDay >= rules.officerDayMax) bits |= TRUST.busy_officer;
  if (unvouched && officerDay >= rules.unvouchedDayMax) bits |= TRUST.unvouched;
  if (civilianMet >= rules.oneOfficerTimes && civilianOfficers === 1 && knowsOfficer)
    bits |= TRUST.one_officer;
  return bits;
}

/** Each meeting came within `farmedMs` of the end of the cooldown of the one before, `farmedTimes` in a row. */
function isFarmed(agesMs: readonly number[], cooldownS: number, rules: FraudRules): boolean {
  if (agesMs.length < rules.farmedTimes) return false;
  let newerMs = 0;
  for (const ageMs of agesMs.slice(0, rules.farmedTimes)) {
    if (Math.abs(ageMs - newerMs - cooldownS * 1_000) > rules.farmedMs) return false;
    newerMs = ageMs;
  }
  return true;
}
