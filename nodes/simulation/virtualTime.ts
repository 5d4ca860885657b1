/**
 * Time that stands still until it is moved: the clock and the scheduler of tests and simulations. Work runs in the order
 * of its due time, and within one instant in the order in which it was asked for, so a run depends on nothing else.
 *
 * Two ways to move it. `advance` is for tests: it awaits a few rounds of promises after each piece of work. `run` is for
 * simulations, which run a million pieces of work: it is one synchronous call, and between two pieces it calls `settle`,
 * which empties the queue of microtasks to the end (see `k8s/simulate/settle.ts`). Either way the order is a function of
 * the work alone.
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
  /** A binary heap by (time, order) of everything due later than the moment at which it was asked for. */
  readonly #heap: Due[] = [];
  /** What was asked for without delay, in order. Everything in the heap that is due was asked for before it. */
  #now: Due[] = [];
  #nowHead = 0;
  /** Pieces of work done so far. */
  steps = 0;

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
    this.#now.push({ atMs: this.#elapsedMs, order: this.#order++, run });
  }

  after(delayMs: number, run: () => void): () => void {
    const due: Due = { atMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, run };
    if (due.atMs <= this.#elapsedMs) this.#now.push(due);
    else this.#push(due);
    return () => {
      due.run = null;
    };
  }

  /** Runs everything that falls due within `ms`, letting promises settle in between. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms;
    for (;;) {
      await settlePromises();
      if (!this.#step(untilMs)) break;
    }
    this.#elapsedMs = Math.max(this.#elapsedMs, untilMs);
  }

  /** Runs everything that falls due until `untilMs` (monotonic) in one synchronous call, or until `enough` says so. */
  run(untilMs: number, settle: () => void, enough: () => boolean = () => false): void {
    settle();
    while (!enough() && this.#step(untilMs)) settle();
    if (!enough()) this.#elapsedMs = Math.max(this.#elapsedMs, untilMs);
  }

  /** The piece of work that is being done takes so long: what falls due meanwhile is late. */
  spend(ms: number): void {
    this.#elapsedMs += ms;
  }

  /** Does the next piece of work, if one is due by then. */
  #step(untilMs: number): boolean {
    for (;;) {
      const due = this.#next(untilMs);
      if (!due) return false;
      if (due.run === null) continue;
      if (due.atMs > this.#elapsedMs) this.#elapsedMs = due.atMs;
      this.steps++;
      due.run();
      return true;
    }
  }

  #next(untilMs: number): Due | null {
    const first = this.#heap[0];
    if (first && first.atMs <= this.#elapsedMs) return this.#pop();
    if (this.#nowHead < this.#now.length) {
      const due = this.#now[this.#nowHead++]!;
      if (this.#nowHead === this.#now.length) {
        this.#now = [];
        this.#nowHead = 0;
      }
      return due;
    }
    return first && first.atMs <= untilMs ? this.#pop() : null;
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above]!;
      if (parent.atMs < due.atMs || (parent.atMs === due.atMs && parent.order < due.order)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = due;
  }

  #pop(): Due {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    const size = heap.length;
    if (size === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= size) break;
      const other = below + 1;
      if (other < size && before(heap[other]!, heap[below]!)) below = other;
      if (before(last, heap[below]!)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

const before = (a: Due, b: Due): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

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
