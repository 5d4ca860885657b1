/**
 * What the attacker knows of the product: he runs a town of his own (the source is public), in which he knows where the
 * officers are, and counts what his accounts see there. So he needs nobody to tell him what leaks: whatever depends on
 * distance, on the coarse cell or on the area is found and used, in each channel with the delay that explains it best.
 */
import { CLASSES, classOf, type Place, type Sighting, type Vantage } from './sighting.ts';

/** As much as this many sightings weigh what is known of the coarser class against what was counted of a finer one. */
const SHRINK = 40;
const FLOOR = 0.01;
/** A channel is believed when, learned from one half of the officers, it tells this much of the other half (nats). */
const TELLS = 10;
/** A finer look is worth it when it tells so much more than the best coarser one: few officers look alike by chance. */
const FINER = 1.25;
/** A number tells the distance when it explains so much of its variance. */
const EXPLAINED = 0.8;

export type Noted = Sighting & { readonly step: number; readonly from: Vantage };
type PlaceOf = (officer: number, step: number) => Place | null;

interface Counted {
  readonly outcomes: Map<string, Float64Array>;
  readonly totals: Float64Array;
}

/** How finely the place is looked at: not at all, same area or not, coarse cell in reach or not, distance. */
const MASKS = [0, 1, 3, -1] as const;

interface Meaning {
  /** Steps by which the channel is late. */
  readonly lag: number;
  readonly mask: number;
  /** What it told of the other half, nats. */
  readonly tells: number;
  /** Probability of each word, by class. */
  readonly words: ReadonlyMap<string, Float64Array>;
  /** Its number, where that is a distance. */
  readonly ruler: Ruler | null;
}

/** How far a number may be believed: by how many metres it misses the distance, and by how many steps it is late. */
interface Ruler {
  readonly missM: number;
  readonly lag: number;
}

export class Knowledge {
  readonly #meanings = new Map<string, Meaning>();

  /** What a channel's word says about each class of place; null when it was never seen or says nothing. */
  wordOf(channel: string, outcome: string): Float64Array | null {
    const meaning = this.#meanings.get(channel);
    return meaning && meaning.mask !== 0 ? (meaning.words.get(outcome) ?? null) : null;
  }

  /** Steps by which a channel is late; a number and the word with which it came need not be equally late. */
  lagOf(channel: string, isNumber: boolean): number {
    const meaning = this.#meanings.get(channel);
    return (isNumber ? meaning?.ruler?.lag : undefined) ?? meaning?.lag ?? 0;
  }

  missOf(channel: string): number | null {
    return this.#meanings.get(channel)?.ruler?.missM ?? null;
  }

  /** What was found: each channel with how it depends on the place. */
  get found(): string[] {
    const depends: Record<string, string> = { 0: 'nothing', 1: 'area', 3: 'coarse cell', '-1': 'distance' };
    return [...this.#meanings].map(([channel, { mask, lag, tells, ruler }]) => {
      const number = ruler ? `, its number misses the distance by ${ruler.missM.toFixed(0)} m` : '';
      return `${channel}: ${depends[mask]}${mask === 0 ? '' : `, ${lag} steps late, ${tells.toFixed(0)} nats`}${number}`;
    });
  }

  /**
   * `placeOf(officer, step)`: the truth of towns of his own; `lags`: delays in steps that come into question.
   */
  static learn(sightings: readonly Noted[], placeOf: PlaceOf, lags: readonly number[]): Knowledge {
    const known = new Knowledge();
    for (const [channel, all] of Map.groupBy(sightings, one => one.channel)) {
      let best: Pick<Meaning, 'lag' | 'mask' | 'tells'> = { lag: 0, mask: 0, tells: TELLS };
      const halves = [0, 1].map(half => all.filter(one => one.officer % 2 === half));
      for (const lag of lags) {
        const [a, b] = halves.map(half => count(half, placeOf, lag)) as [Counted, Counted];
        const told = (mask: number): number =>
          surprise(b, wordsOf(a, 0)) -
          surprise(b, wordsOf(a, mask)) +
          surprise(a, wordsOf(b, 0)) -
          surprise(a, wordsOf(b, mask));
        for (const mask of MASKS) {
          const tells = mask === 0 ? 0 : told(mask);
          const isFiner =
            best.mask !== 0 && MASKS.indexOf(mask) > MASKS.indexOf(best.mask as (typeof MASKS)[number]);
          if (tells > best.tells * (isFiner ? FINER : 1)) best = { lag, mask, tells };
        }
      }
      const words = wordsOf(count(all, placeOf, best.lag), best.mask);
      known.#meanings.set(channel, { ...best, words, ruler: rulerOf(all, placeOf, lags) });
    }
    return known;
  }
}

function count(all: readonly Noted[], placeOf: PlaceOf, lag: number): Counted {
  const outcomes = new Map<string, Float64Array>();
  const totals = new Float64Array(CLASSES);
  for (const { officer, step, from, outcome } of all) {
    const place = placeOf(officer, step - lag);
    if (place === null) continue;
    const its = classOf(from, place.x, place.y, place.coarse, place.area);
    const counts = outcomes.get(outcome) ?? new Float64Array(CLASSES);
    outcomes.set(outcome, counts);
    counts[its]!++;
    totals[its]!++;
  }
  return { outcomes, totals };
}

/** Nats of what was counted to somebody who believes these probabilities. */
function surprise({ outcomes }: Counted, words: ReadonlyMap<string, Float64Array>): number {
  let nats = 0;
  for (const [outcome, counts] of outcomes) {
    const likely = words.get(outcome);
    for (let i = 0; i < CLASSES; i++) if (counts[i]! > 0) nats -= counts[i]! * Math.log(likely?.[i] ?? FLOOR);
  }
  return nats;
}

/** Probabilities by class, each finer class leaning on the coarser one that holds it. */
function wordsOf({ outcomes, totals }: Counted, mask: number): Map<string, Float64Array> {
  const masks = MASKS.slice(0, MASKS.indexOf(mask as (typeof MASKS)[number]) + 1);
  const sums = (counts: Float64Array): Float64Array[] =>
    masks.map(one => {
      const by = new Float64Array(CLASSES);
      for (let i = 0; i < CLASSES; i++) by[i & one]! += counts[i]!;
      return by;
    });
  const all = sums(totals);
  const words = new Map<string, Float64Array>();
  for (const [outcome, counts] of outcomes) {
    const its = sums(counts);
    const likely = new Float64Array(CLASSES);
    for (let i = 0; i < CLASSES; i++) {
      let p = 1 / (outcomes.size + 1);
      for (const [level, one] of masks.entries())
        p = (its[level]![i & one]! + SHRINK * p) / (all[level]![i & one]! + SHRINK);
      likely[i] = Math.max(FLOOR, p);
    }
    words.set(outcome, likely);
  }
  return words;
}

/** Whether the numbers of a channel are distances, and by how much they miss. */
function rulerOf(all: readonly Noted[], placeOf: PlaceOf, lags: readonly number[]): Ruler | null {
  let best: Ruler | null = null;
  for (const lag of lags) {
    const missM = missOf(all, placeOf, lag);
    if (missM !== null && (best === null || missM < best.missM)) best = { missM, lag };
  }
  return best;
}

function missOf(all: readonly Noted[], placeOf: PlaceOf, lag: number): number | null {
  const numbers: number[] = [];
  const misses: number[] = [];
  for (const { officer, step, x, y, number } of all) {
    const place = number === null ? null : placeOf(officer, step - lag);
    if (place === null) continue;
    const far = Math.hypot(x - place.x, y - place.y);
    numbers.push(far);
    misses.push(number! - far);
  }
  if (numbers.length < 50) return null;
  const variance = (of: readonly number[]): number => {
    const mean = of.reduce((a, b) => a + b, 0) / of.length;
    return of.reduce((a, b) => a + (b - mean) ** 2, 0) / of.length;
  };
  return variance(misses) < (1 - EXPLAINED) * variance(numbers) ? Math.sqrt(variance(misses)) : null;
}
