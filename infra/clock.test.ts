import { afterEach, expect, test, vi } from 'vitest';
import { systemClock, systemScheduler } from './clock.ts';
import { systemRandom } from './random.ts';

afterEach(() => {
  vi.useRealTimers();
});

test('the town clock runs at its rate from the start of the process; the monotonic one is real', () => {
  vi.useFakeTimers({ now: 1_000_000 });
  const town = systemClock(10);
  const wall = systemClock();
  vi.advanceTimersByTime(500);
  expect(town.nowMs()).toBe(1_005_000);
  expect(town.monotonicMs()).toBe(500);
  expect(wall.nowMs()).toBe(1_000_500);
  vi.setSystemTime(0); // somebody sets the wall clock
  expect(town.monotonicMs()).toBe(500);
});

test('what waits can be called off', () => {
  vi.useFakeTimers();
  const said: string[] = [];
  systemScheduler.after(10, () => said.push('kept'));
  systemScheduler.after(10, () => said.push('called off'))();
  vi.advanceTimersByTime(10);
  expect(said).toEqual(['kept']);
});

test('ids are version 7, sort by their time, and never repeat over many refills of the pool', () => {
  const random = systemRandom();
  const ids = Array.from({ length: 5_000 }, (_, at) => random.uuid(1_700_000_000_000 + at));
  expect(new Set(ids.map(id => id.slice(14))).size).toBe(ids.length);
  expect(ids.toSorted()).toEqual(ids);
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('bytes have the wished length and belong to the caller', () => {
  const random = systemRandom();
  const first = random.bytes(32);
  const copy = Uint8Array.from(first);
  random.bytes(20_000);
  for (let i = 0; i < 1_000; i++) expect(random.uint32()).toBeLessThan(2 ** 32);
  expect(first).toEqual(copy);
  expect(first).toHaveLength(32);
});
