/**
 * The one clock, and the one place where work waits.
 *
 * `nowMs` is the town's time: what people see and what is stored. Replays let it run faster than the wall clock, from the
 * moment the process started. `monotonicMs` never jumps, whatever the wall clock or the rate do; measure with it.
 */
import type { Clock, Scheduler } from '../nodes/ports.ts';

export interface SystemClock extends Clock {
  /** The real time, Unix milliseconds; the town's, unless that is made to run at another rate. */
  wallMs(): number;
  /**
   * A clock that counts for all nodes said `theirMs`, asked at `askedMs` of the monotonic clock and answered now. Ours is put
   * where it can be true: it may differ by half of the way there and back.
   *
   * @returns milliseconds by which ours moved
   */
  agree(theirMs: number, askedMs: number): number;
}

/**
 * The clock of the machine is read once, at the start. What it does afterwards is nobody's time: set by an hour, it would set
 * timers of an hour too long into the database, and those of others would be due at once.
 *
 * @param rate how many town seconds pass in one real second (HEYBLUE_CLOCK_RATE)
 */
export function systemClock(rate = 1): SystemClock {
  const start = performance.now();
  const monotonicMs = () => performance.now() - start;
  const startedMs = Date.now();
  let startMs = startedMs;
  const wallMs = () => Math.floor(startMs + monotonicMs());
  return {
    nowMs: rate === 1 ? wallMs : () => Math.floor(startedMs + monotonicMs() * rate),
    wallMs,
    monotonicMs,
    agree(theirMs, askedMs) {
      const halfMs = (monotonicMs() - askedMs) / 2;
      const theirStartMs = theirMs - askedMs - halfMs;
      const before = startMs;
      startMs = Math.min(Math.max(startMs, theirStartMs - halfMs), theirStartMs + halfMs);
      return startMs - before;
    },
  };
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
