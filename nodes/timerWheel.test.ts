/** The wheel against a plain list of due times. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VirtualTime } from './simulation/virtualTime.ts';
import { TimerWheel } from './timerWheel.ts';

const TICK_MS = 20;

test('every timer fires once, never early, at most one tick late, unless it was cancelled', async () => {
  const timers = fc.array(fc.record({ delayMs: fc.nat(30_000), cancelAtMs: fc.option(fc.nat(30_000)) }), {
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(timers, async plan => {
      const time = new VirtualTime();
      const wheel = new TimerWheel(time, () => time.monotonicMs(), TICK_MS, 64);
      const fired = new Map<number, number>();
      for (const [n, { delayMs, cancelAtMs }] of plan.entries()) {
        const timer = wheel.after(delayMs, () => {
          expect(fired.has(n)).toBe(false);
          fired.set(n, time.monotonicMs());
        });
        if (cancelAtMs !== null) time.after(cancelAtMs, () => wheel.cancel(timer));
      }
      await time.advance(31_000);
      for (const [n, { delayMs, cancelAtMs }] of plan.entries()) {
        const at = fired.get(n);
        if (cancelAtMs !== null && cancelAtMs <= delayMs) expect(at).toBeUndefined();
        else if (cancelAtMs === null || cancelAtMs > delayMs + 2 * TICK_MS) {
          expect(at).toBeGreaterThanOrEqual(delayMs);
          expect(at).toBeLessThanOrEqual(delayMs + 2 * TICK_MS);
        }
      }
      expect(wheel.armed).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test('a pause of the process longer than a turn of the wheel loses no timer', async () => {
  const time = new VirtualTime();
  let pausedMs = 0;
  const wheel = new TimerWheel(time, () => time.monotonicMs() + pausedMs, TICK_MS, 8);
  const fired: number[] = [];
  for (const delayMs of [10, 150, 1_000]) wheel.after(delayMs, () => fired.push(delayMs));
  pausedMs = 10_000;
  await time.advance(100);
  expect(fired.sort((a, b) => a - b)).toEqual([10, 150, 1_000]);
});
