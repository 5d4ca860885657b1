/**
 * One score per pair and day, by the clock of the store; and a scan that was uploaded late counts at its own moment, so
 * that it never scores beside a meeting around it.
 */
import type { Judge } from './judge.ts';
import type { Truth } from './truth.ts';

/** The world counts fractions of milliseconds, the store does not. */
const SLACK_MS = 2;

export class PairScore {
  readonly #judge: Judge;
  readonly #cooldownMs: number;
  /** Of an encounter by an uploaded scan: when it was scanned, world milliseconds; else null. */
  readonly #scannedAtMs: (encounterId: string) => number | null;

  constructor(judge: Judge, cooldownMs: number, scannedAtMs: (encounterId: string) => number | null) {
    this.#judge = judge;
    this.#cooldownMs = cooldownMs;
    this.#scannedAtMs = scannedAtMs;
  }

  judge({ met }: Truth): void {
    for (const [pair, encounters] of met) {
      for (let i = 1; i < encounters.length; i++) {
        const apartMs = encounters[i]!.atMs - encounters[i - 1]!.atMs;
        if (apartMs < this.#cooldownMs - SLACK_MS)
          this.#fail(`${pair} scored again after ${Math.round(apartMs)} ms`);
      }
      for (const [at, { id }] of encounters.entries()) {
        const scannedAtMs = this.#scannedAtMs(id);
        if (scannedAtMs === null) continue;
        for (const before of encounters.slice(0, at)) {
          const metMs = this.#scannedAtMs(before.id) ?? before.atMs;
          const apartMs = Math.abs(metMs - scannedAtMs);
          if (apartMs >= this.#cooldownMs - SLACK_MS) continue;
          this.#fail(`${pair} scored by a scan, ${Math.round(apartMs)} ms from when they had met`);
        }
      }
    }
  }

  #fail(words: string): void {
    this.#judge.fail('one score per pair and day', words);
  }
}
