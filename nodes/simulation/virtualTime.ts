/**
 * Time that stands still until it is moved: the clock and the scheduler of tests and simulations. Work runs in the order
 * of its due time, and within one instant in the order in which it was asked for, so a run depends on nothing else.
 */
import type { Clock, Random, Scheduler } from '../ports.ts';

interface Due {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | null;
}

export class VirtualTime implements Clock, Scheduler {
  /** Any fixed day: 2026-01-01. */
  readonly #epochMs: number;
  #elapsedMs = 0;
  #order = 0;
  #waiting: Due[] = [];

  constructor(epochMs = 1_767_225_600_000) {
    this.#epochMs = epochMs;
  }

  nowMs(): number {
    return this.#epochMs + Math.floor(this.#elapsedMs);
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  immediate(run: () => void): void {
    this.after(0, run);
  }

  after(delayMs: number, run: () => void): () => void {
    const due: Due = { atMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#waiting.push(due);
    return () => {
      due.run = null;
    };
  }

  /** Runs everything that falls due within `ms`, letting promises settle in between. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms;
    for (;;) {
      await settlePromises();
      const next = this.#next(untilMs);
      if (!next) break;
      this.#elapsedMs = Math.max(this.#elapsedMs, next.atMs);
      next.run?.();
    }
    this.#elapsedMs = untilMs;
  }

  #next(untilMs: number): Due | null {
    this.#waiting = this.#waiting.filter(due => due.run !== null);
    let first: Due | null = null;
    for (const due of this.#waiting) {
      if (due.atMs > untilMs) continue;
      if (!first || due.atMs < first.atMs || (due.atMs === first.atMs && due.order < first.order))
        first = due;
    }
    if (first) this.#waiting.splice(this.#waiting.indexOf(first), 1);
    return first;
  }
}

/** Chains of promises in this code are a few links long; each round settles one link. */
async function settlePromises(): Promise<void> {
  for (let round = 0; round < 16; round++) await Promise.resolve();
}

/** A small seeded generator (mulberry32); print the seed of a failing run. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const uint32 = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (z ^ (z >>> 14)) >>> 0;
  };
  const hex = (): string => uint32().toString(16).padStart(8, '0');
  return {
    uint32,
    uuid: nowMs => {
      const time = nowMs.toString(16).padStart(12, '0').slice(-12);
      const [a, b, c] = [hex(), hex(), hex()];
      return `${time.slice(0, 8)}-${time.slice(8)}-7${a.slice(0, 3)}-8${a.slice(3, 6)}-${b}${c.slice(0, 4)}`;
    },
  };
}
