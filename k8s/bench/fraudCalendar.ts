/** A month of meetings, honest and farmed, by seed, and what the store would say of each of them. */
import type { PairHistory } from '../../actors/fraud/history.ts';
import type { FraudRules } from '../../actors/fraud/rules.ts';
import type { Seeded } from '../tracks/seeded.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

export interface Meetings {
  /** Of one civilian, in order: when (days), and whether it was the officer in question. */
  readonly met: readonly { readonly atMs: number; readonly officer: number }[];
  /** Encounters that the officer has in a day, this civilian's apart. */
  readonly officerDay: number;
}

/**
 * Most meet whoever is on duty now and then; a fifth are regulars who greet the officer at their gate on working days, at
 * about the same time, to within half an hour.
 */
export function strangers(chance: Seeded): Meetings {
  const isRegular = chance.next() < 0.2;
  const met: { atMs: number; officer: number }[] = [];
  const officers = 2 + chance.int(6);
  for (let day = 0; day < 30; day++) {
    const isWorkday = day % 7 < 5;
    if (isRegular && isWorkday)
      met.push({ atMs: (day + 1 / 3) * DAY_MS + chance.between(-30, 30) * MINUTE_MS, officer: 0 });
    if (chance.next() < 0.2)
      met.push({
        atMs: day * DAY_MS + chance.between(9, 22) * 60 * MINUTE_MS,
        officer: chance.int(officers),
      });
  }
  return { met: met.sort((a, b) => a.atMs - b.atMs), officerDay: chance.int(26) };
}

/** A script that comes back as soon as the cooldown is over. */
export function farmers(chance: Seeded): Meetings {
  const met: { atMs: number; officer: number }[] = [];
  let atMs = chance.between(0, DAY_MS);
  for (let day = 0; day < 15; day++) {
    met.push({ atMs, officer: 0 });
    atMs += DAY_MS + chance.between(0, 10) * MINUTE_MS;
  }
  return { met, officerDay: chance.int(26) };
}

/** A friend in uniform, whenever it suits both. */
export function oneOfficer(chance: Seeded): Meetings {
  const days = 20 + chance.int(11);
  const met = Array.from({ length: days }, (_, day) => ({
    atMs: day * 1.1 * DAY_MS + chance.between(0, 2) * 60 * MINUTE_MS,
    officer: 0,
  }));
  return { met, officerDay: chance.int(26) };
}

/** What the store says at each meeting with officer 0 that its cooldown lets through. */
export function* histories({ met, officerDay }: Meetings, rules: FraudRules): Generator<PairHistory> {
  const past: { atMs: number; officer: number }[] = [];
  for (const one of met) {
    const ofPair = past.filter(other => other.officer === one.officer).reverse();
    if (ofPair[0] && one.atMs - ofPair[0].atMs < DAY_MS) continue;
    const sinceMs = one.atMs - rules.historyH * 3_600_000;
    const newest = past
      .filter(other => other.atMs > sinceMs)
      .reverse()
      .slice(0, rules.oneOfficerTimes);
    if (one.officer === 0)
      yield {
        agesMs: ofPair.slice(0, rules.farmedTimes).map(other => one.atMs - other.atMs),
        officerDay: Math.min(officerDay, rules.officerDayMax),
        civilianMet: newest.length,
        civilianOfficers: new Set(newest.map(other => other.officer)).size,
        knowsOfficer: newest.some(other => other.officer === 0),
      };
    past.push(one);
  }
}
