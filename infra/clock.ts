/**
 * The one clock, and the one place where work waits.
 *
 * `nowMs` is the town's time: what people see and what is stored. Replays let it run faster than the wall clock, from the
 * moment the process started. `monotonicMs` never jumps, whatever the wall clock or the rate do; measure with it.
 */
import type { Clock, Scheduler } from '../nodes/ports.ts';

/** @param rate how many town seconds pass in one real second (HEYBLUE_CLOCK_RATE) */
export function systemClock(rate = 1): Clock {
  const start = performance.now();
  const monotonicMs = () => performance.now() - start;
  if (rate === 1) return { nowMs: Date.now, monotonicMs };
  const startMs = Date.now();
  return { nowMs: () => Math.floor(startMs + monotonicMs() * rate), monotonicMs };
}

/** Timers of the event loop; the pauses are real ones, whatever the clock's rate. They do not keep a process alive. */
export const systemScheduler: Scheduler = {
  immediate: run => {
    setImmediate(run);
  },
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs).unref();
    return () => clearTimeout(timer);
  },
};
