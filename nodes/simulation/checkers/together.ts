/**
 * Who meets by proximity was together, and who stays together meets. The first is judged for every encounter, by where
 * the two phones said they were; the second for people who were put side by side when all was well, and whose regions
 * then moved or died: nobody may lose more by that than it takes to find the region anew, and one period of reports.
 */
import type { ProximityRules } from '../../../actors/geo/rules.ts';
import { apartM, type Place } from '../streets.ts';
import type { Judge } from './judge.ts';
import type { Truth } from './truth.ts';

interface Report {
  readonly atMs: number;
  readonly at: Place;
}

export interface Couple {
  readonly officerId: string;
  readonly civilianId: string;
}

/** Against rounding of a position to a centimetre, and of time to a millisecond. */
const SLACK_M = 0.1;
const SLACK_MS = 5;

export class Together {
  readonly #judge: Judge;
  readonly #truth: Truth;
  readonly #rules: ProximityRules;
  readonly #reports = new Map<string, Report[]>();
  /** People whose phones do not say when a position was taken: it was when it came, however long it was held on its way. */
  readonly #undated = new Set<string>();
  judged = 0;

  constructor(judge: Judge, truth: Truth, rules: ProximityRules) {
    this.#judge = judge;
    this.#truth = truth;
    this.#rules = rules;
  }

  /** A phone said where it is. */
  reported(userId: string, atMs: number, at: Place, isDated: boolean): void {
    if (!isDated) this.#undated.add(userId);
    const all = this.#reports.get(userId);
    if (all) all.push({ atMs, at });
    else this.#reports.set(userId, [{ atMs, at }]);
  }

  /** Whether the two have an encounter that was made since. */
  hasMet({ officerId, civilianId }: Couple, sinceMs: number): boolean {
    const last = this.#truth.scores.get(`${officerId}|${civilianId}`)?.at(-1);
    return last !== undefined && last >= sinceMs;
  }

  judge(): void {
    for (const { op, atMs } of this.#truth.effects.values()) {
      if (op.type !== 'encounter' || op.method !== 'proximity') continue;
      this.judged++;
      if (this.#dwelt(op.officer, op.civilian, atMs)) continue;
      this.#judge.fail(
        'who meets was together',
        `${op.officer} and ${op.civilian} met by proximity at ${atMs.toFixed(0)} ms, and never stood together so long`,
      );
    }
  }

  /** The two side by side have not met in time. */
  missed({ officerId, civilianId }: Couple, words: string): void {
    this.#judge.fail('who stays together meets', `${officerId} and ${civilianId} ${words}`);
  }

  /**
   * Whether before `untilMs` the two were so close for so long: looked at with each report of either. Of somebody whose
   * positions are not dated only that they were so close.
   */
  #dwelt(officerId: string, civilianId: string, untilMs: number): boolean {
    const { enterMaxM, exitMarginM, freshMs, silenceMs } = this.#rules;
    const isDated = !this.#undated.has(officerId) && !this.#undated.has(civilianId);
    const dwellMs = isDated ? this.#rules.dwellMs : 0;
    const looks = [
      ...(this.#reports.get(officerId) ?? []).map(one => ({ ...one, side: 0 })),
      ...(this.#reports.get(civilianId) ?? []).map(one => ({ ...one, side: 1 })),
    ]
      .filter(one => one.atMs <= untilMs)
      .sort((a, b) => a.atMs - b.atMs);
    const newest: [Report | null, Report | null] = [null, null];
    let startMs = Number.NaN;
    let lastMs = Number.NaN;
    let out = 0;
    for (const look of looks) {
      newest[look.side as 0 | 1] = look;
      const other = newest[(1 - look.side) as 0 | 1];
      if (!other || look.atMs - other.atMs > freshMs) continue;
      const metres = apartM(look.at, other.at);
      if (look.atMs - lastMs > silenceMs) startMs = Number.NaN;
      if (metres > enterMaxM + exitMarginM + SLACK_M) {
        if (++out > 1) startMs = Number.NaN;
        continue;
      }
      out = 0;
      lastMs = look.atMs;
      if (Number.isNaN(startMs) && metres <= enterMaxM + SLACK_M) startMs = other.atMs;
      if (look.atMs - startMs >= dwellMs - SLACK_MS) return true;
    }
    return false;
  }
}
