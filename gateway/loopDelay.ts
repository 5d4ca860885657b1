/**
 * How late the event loop is: everything that a phone is told waits at least for so long. Measured by a timer that runs
 * anyway, because a histogram of the whole life of a process, as the runtime keeps it, forgets nothing and so says little
 * about now.
 */
import type { Clock, Metrics } from '../nodes/ports.ts';

export class LoopDelay {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #metrics: Metrics;
  readonly #everyMs: number;
  #beforeMs: number | null = null;

  /** @param everyMs how often `tick` is to be called */
  constructor(clock: Pick<Clock, 'monotonicMs'>, metrics: Metrics, everyMs: number) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#everyMs = everyMs;
  }

  /** Called by the timer. */
  tick(): void {
    const nowMs = this.#clock.monotonicMs();
    const lateMs = this.#beforeMs === null ? 0 : Math.max(0, nowMs - this.#beforeMs - this.#everyMs);
    this.#beforeMs = nowMs;
    this.#metrics.observe('rt_loop_delay_seconds', lateMs / 1_000);
  }
}
