/** One score per pair and day, by the clock of the store. */
import type { Judge } from './judge.ts';
import type { Truth } from './truth.ts';

export class PairScore {
  readonly #judge: Judge;
  readonly #cooldownMs: number;

  constructor(judge: Judge, cooldownMs: number) {
    this.#judge = judge;
    this.#cooldownMs = cooldownMs;
  }

  judge({ scores }: Truth): void {
    for (const [pair, times] of scores) {
      for (let i = 1; i < times.length; i++) {
        const apartMs = times[i]! - times[i - 1]!;
        if (apartMs >= this.#cooldownMs) continue;
        this.#judge.fail(
          'one score per pair and day',
          `${pair} scored again after ${Math.round(apartMs)} ms`,
        );
      }
    }
  }
}
