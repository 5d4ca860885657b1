/** Seeded chance, in the words that a simulation needs. Each part of a world throws its own dice. */
import type { Random } from '../ports.ts';
import { seededRandom } from './virtualTime.ts';

export class Dice implements Random {
  readonly #random: Random;

  /** @param seed with `salt`, so that the parts of one world do not move together */
  constructor(seed: number, salt: number) {
    this.#random = seededRandom(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(salt + 1, 0x85ebca6b));
  }

  uint32(): number {
    return this.#random.uint32();
  }
  uuid(nowMs: number): string {
    return this.#random.uuid(nowMs);
  }
  /** [0, 1). */
  share(): number {
    return this.#random.uint32() / 0x1_0000_0000;
  }
  /** [min, max). */
  between(min: number, max: number): number {
    return min + (max - min) * this.share();
  }
  /** A whole number below `count`. */
  below(count: number): number {
    return Math.floor(this.share() * count);
  }
  chance(share: number): boolean {
    return share > 0 && this.share() < share;
  }
  pick<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!;
  }
  shuffled<T>(all: readonly T[]): T[] {
    const out = [...all];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }
}
