/**
 * How fast the town clock runs, measured from one look to the next. Waiting is done in real time, timers are due in town
 * time, and a replay's town may run many times as fast; nobody says how fast.
 */
import type { Clock } from '../ports.ts';

/** Looks closer together than this measure nothing. */
const APART_MS = 100;
/** A town clock that stands still, or was set back, is looked at again all the same. */
const SLOWEST = 0.001;

export class TownPace {
  readonly #clock: Clock;
  #lookedAtMs: number | null = null;
  #lookedAtTownMs = 0;
  /** Town milliseconds in a real one; before it is measured anything is possible. */
  #rate = 1_000;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  look(): void {
    const [nowMs, monotonicMs] = [this.#clock.nowMs(), this.#clock.monotonicMs()];
    const elapsedMs = this.#lookedAtMs === null ? Number.POSITIVE_INFINITY : monotonicMs - this.#lookedAtMs;
    if (elapsedMs < APART_MS) return;
    if (elapsedMs < Number.POSITIVE_INFINITY)
      this.#rate = Math.max(SLOWEST, (nowMs - this.#lookedAtTownMs) / elapsedMs);
    this.#lookedAtMs = monotonicMs;
    this.#lookedAtTownMs = nowMs;
  }

  /** Real milliseconds until a town time; negative when it is over. */
  until(townMs: number): number {
    return (townMs - this.#clock.nowMs()) / this.#rate;
  }

  /** Town time after so many real milliseconds. */
  after(realMs: number): number {
    return this.#clock.nowMs() + realMs * this.#rate;
  }
}
