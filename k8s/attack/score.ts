/** Hunts of one strategy over several seeds, and what comes of them. */
import type { AreaRules } from '../../actors/geo/areaRules.ts';
import { type Guess, hunt } from './arena.ts';
import type { Leak } from './leaks.ts';
import type { Strategy } from './strategies.ts';

export interface Score {
  readonly strategy: string;
  readonly leak: Leak;
  readonly officers: number;
  /** Over all officers and all minutes in which they shared. */
  readonly medianM: number;
  /** Each officer at the one moment at which the attacker trusted his estimate most. */
  readonly momentM: number;
  /** The same for those who were seen to change areas; and how many they are. */
  readonly borderM: number;
  readonly crossed: number;
  readonly sightings: number;
  readonly met: number;
  readonly seconds: number;
}

export interface ScoreOptions {
  readonly strategy: Strategy;
  readonly leak: Leak;
  readonly seeds: number;
  readonly first: number;
  readonly officers: number;
  readonly hypotheses: number;
  readonly minutes?: number;
  readonly area?: AreaRules;
}

export async function score(options: ScoreOptions): Promise<Score> {
  const { strategy, leak, seeds, first, officers } = options;
  const startedMs = performance.now();
  const lesson = await hunt({ ...options, seed: first + 1_000_003, knowledge: null });
  if (process.env.ATTACK_FOUND) console.log(lesson.knowledge?.found.join('\n'));
  const all: (Guess & { readonly who: string })[] = [];
  let sightings = 0;
  let met = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const run = await hunt({ ...options, seed, knowledge: lesson.knowledge });
    for (const guess of run.guesses) all.push({ ...guess, who: `${seed} ${guess.officer}` });
    sightings += run.sightings;
    met += run.met;
  }
  const moments = [...Map.groupBy(all, one => one.who).values()].map(ofOne =>
    ofOne.reduce((best, one) => (one.spreadM < best.spreadM ? one : best)),
  );
  const border = [
    ...Map.groupBy(
      all.filter(one => one.crossed),
      one => one.who,
    ).values(),
  ].map(ofOne => ofOne.reduce((best, one) => (one.spreadM < best.spreadM ? one : best)));
  return {
    strategy: strategy.name,
    leak,
    officers: officers * seeds,
    medianM: median(all.map(one => one.errorM)),
    momentM: median(moments.map(one => one.errorM)),
    borderM: median(border.map(one => one.errorM)),
    crossed: border.length,
    sightings,
    met,
    seconds: (performance.now() - startedMs) / 1_000,
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const { length } = sorted;
  if (length === 0) return Number.NaN;
  return length % 2 === 1 ? sorted[length >> 1]! : (sorted[length / 2 - 1]! + sorted[length / 2]!) / 2;
}
