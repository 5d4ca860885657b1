/** What turns say of places reaches the location service, and an opt-out is not given up. */
import { expect, test } from 'vitest';
import { SAMPLING_LIMITS } from './limits.ts';
import { LocationFailure } from './locationPort.ts';
import type { Scheduler } from './ports.ts';
import { Sampling } from './sampling.ts';

const settle = () => new Promise<void>(resolve => setImmediate(resolve));

function town() {
  const pauses: number[] = [];
  let wake = () => {};
  const scheduler: Scheduler = {
    immediate: run => run(),
    after: (ms, run) => {
      pauses.push(ms);
      wake = run;
      return () => {};
    },
  };
  const forgotten: { userId: string; done: () => void; fail: () => void }[] = [];
  const location = {
    sample: () => {},
    forget: (userId: string) =>
      new Promise<void>((resolve, reject) => {
        const fail = () => reject(new LocationFailure('forget', 'unavailable', 'gone'));
        forgotten.push({ userId, done: resolve, fail });
      }),
  };
  const warned: string[] = [];
  const say = (_: object, message: string) => void warned.push(message);
  const sampling = new Sampling(location, scheduler, { debug: say, info: say, warn: say, error: say });
  return { sampling, forgotten, pauses, warned, wake: () => wake() };
}

test('an opt-out is repeated, ever more slowly, until nothing is left', async () => {
  const { sampling, forgotten, pauses, wake } = town();
  sampling.optOut('anna');
  for (let i = 0; i < 12; i++) {
    forgotten.at(-1)!.fail();
    await settle();
    wake();
  }
  expect(forgotten).toHaveLength(13);
  expect(pauses.slice(0, 3)).toEqual([1, 2, 4].map(times => times * SAMPLING_LIMITS.retryMs));
  expect(pauses.at(-1)).toBe(SAMPLING_LIMITS.retryMaxMs);
  expect(sampling.pending).toBe(1);
  forgotten.at(-1)!.done();
  await settle();
  expect(sampling.pending).toBe(0);
});

test('who opts out again while it is under way is forgotten once more', async () => {
  const { sampling, forgotten } = town();
  sampling.optOut('anna');
  sampling.optOut('anna');
  sampling.optOut('anna');
  expect(forgotten).toHaveLength(1);
  forgotten[0]!.done();
  await settle();
  expect(forgotten).toHaveLength(2);
  forgotten[1]!.done();
  await settle();
  expect(sampling.pending).toBe(0);
});

test('so many may wait, and it is said when one is left to expire', () => {
  const { sampling, warned } = town();
  for (let i = 0; i <= SAMPLING_LIMITS.optOutsMax; i++) sampling.optOut(`person ${i}`);
  expect(sampling.pending).toBe(SAMPLING_LIMITS.optOutsMax);
  expect(warned).toHaveLength(1);
});
