/**
 * Who meets by proximity was together, and who stays together meets. The first is judged for every encounter, by where
 * the two phones said they were; the second for people who were put side by side when all was well, and whose regions
 * then moved or died: nobody may lose more by that than it takes to find the region anew, and one period of reports.
 */
import type { ProximityRules } from '../../../actors/geo/rules.ts';
import type { MeetRules } from '../../../actors/rules.ts';
import { apartM, type Place } from '../streets.ts';
import type { Judge } from './judge.ts';
import type { Truth } from './truth.ts';

interface Report {
  readonly atMs: number;
  readonly at: Place;
  /** The person was told that it would not be looked at. */
  hidden: boolean;
}

export interface Couple {
  readonly officerId: string;
  readonly civilianId: string;
}

/** A report before the word that shares positions may come after it, and be taken: so long a message is under way at most. */
const LATE_MS = 10_000;
/** Against rounding of a position to a centimetre, and of time to a millisecond. */
const SLACK_M = 0.1;
const SLACK_MS = 5;

export class Together {
  readonly #judge: Judge;
  readonly #truth: Truth;
  readonly #rules: ProximityRules;
  readonly #fastMps: number;
  readonly #isLossy: boolean;
  readonly #reports = new Map<string, Report[]>();
  /** People whose phones do not say when a position was taken: it was when it came, however long it was held on its way. */
  readonly #undated = new Set<string>();
  judged = 0;
  /** Reports that nobody may have looked at. */
  hidden = 0;

  /** @param isLossy reports may be lost on their way, so that nobody can say which ones a region has seen */
  constructor(
    judge: Judge,
    truth: Truth,
    { proximity, fraud }: Pick<MeetRules, 'proximity' | 'fraud'>,
    isLossy: boolean,
  ) {
    this.#judge = judge;
    this.#truth = truth;
    this.#rules = proximity;
    this.#fastMps = fraud.fastMps;
    this.#isLossy = isLossy;
  }

  /** A phone said where it is. @param hidden although it was told that nobody looks (hidden.ts) */
  reported(userId: string, atMs: number, at: Place, isDated: boolean, hidden: boolean): void {
    if (!isDated) this.#undated.add(userId);
    if (hidden) this.hidden++;
    const report = { atMs, at, hidden };
    const all = this.#reports.get(userId);
    if (all) all.push(report);
    else this.#reports.set(userId, [report]);
  }

  /** The phone says when a position was taken, by the clock of the world. */
  isDated(userId: string): boolean {
    return !this.#undated.has(userId);
  }

  /** A person who was hidden shares again. */
  shown(userId: string, atMs: number): void {
    const all = this.#reports.get(userId) ?? [];
    for (let i = all.length - 1; i >= 0 && all[i]!.atMs > atMs - LATE_MS; i--) all[i]!.hidden = false;
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
   * What regions may have seen of a person before `untilMs`. A position further from the one before than anybody gets is
   * dropped, unless the next one is there as well (fraud/motion.ts).
   */
  #seen(userId: string, untilMs: number, side: 0 | 1) {
    const isDated = !this.#undated.has(userId);
    const seen: (Report & { readonly side: 0 | 1 })[] = [];
    let here: Report | null = null;
    let astray: Report | null = null;
    const reaches = (from: Report, to: Report): boolean =>
      apartM(from.at, to.at) <= (this.#fastMps * Math.max(1_000, to.atMs - from.atMs)) / 1_000;
    for (const report of this.#reports.get(userId) ?? []) {
      if (report.atMs > untilMs) break;
      if (report.hidden && isDated) continue;
      const isTaken: boolean =
        here === null || reaches(here, report) || (astray !== null && reaches(astray, report));
      astray = isTaken ? null : report;
      if (!isTaken) continue;
      here = report;
      seen.push({ ...report, side });
    }
    return seen;
  }

  /**
   * Whether before `untilMs` the two were so close for so long: looked at with each report of either. Of somebody whose
   * positions are not dated only that they were so close. Two looks from afar end it, where each report arrives; where some
   * are lost or overtaken, those may be the ones: only silence ends it, and a region may know one before the newest.
   */
  #dwelt(officerId: string, civilianId: string, untilMs: number): boolean {
    const { enterMaxM, exitMarginM, freshMs, silenceMs } = this.#rules;
    const isDated = !this.#undated.has(officerId) && !this.#undated.has(civilianId);
    const dwellMs = isDated ? this.#rules.dwellMs : 0;
    const looks = [...this.#seen(officerId, untilMs, 0), ...this.#seen(civilianId, untilMs, 1)].sort(
      (a, b) => a.atMs - b.atMs,
    );
    const before: [Report[], Report[]] = [[], []];
    let startMs = Number.NaN;
    let lastMs = Number.NaN;
    let out = 0;
    for (const look of looks) {
      before[look.side].push(look);
      const others = before[(1 - look.side) as 0 | 1].filter(({ atMs }) => look.atMs - atMs <= freshMs);
      const newest = others.at(-1);
      if (!newest) continue;
      const known = this.#isLossy ? others : [newest];
      const metres = Math.min(...known.map(({ at }) => apartM(look.at, at)));
      if (look.atMs - lastMs > silenceMs) startMs = Number.NaN;
      if (metres > enterMaxM + exitMarginM + SLACK_M) {
        if (++out > 1 && !this.#isLossy) startMs = Number.NaN;
        continue;
      }
      out = 0;
      lastMs = look.atMs;
      if (Number.isNaN(startMs) && metres <= enterMaxM + SLACK_M) startMs = newest.atMs;
      if (look.atMs - startMs >= dwellMs - SLACK_MS) return true;
    }
    return false;
  }
}
