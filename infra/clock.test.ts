import { afterEach, expect, test, vi } from 'vitest';
import { systemClock, systemScheduler } from './clock.ts';
import { systemRandom } from './random.ts';
import { LOOK_MS, ServerTime } from './serverTime.ts';

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
  expect(town.nowMs()).toBe(1_005_000);
  expect(wall.nowMs()).toBe(1_000_500);
});

test('the time is that of a clock which counts for all, as far as its answer can tell', () => {
  vi.useFakeTimers({ now: 1_000_000 });
  const clock = systemClock();
  const answered = (theirMs: number, tookMs: number): number => {
    const askedMs = clock.monotonicMs();
    vi.advanceTimersByTime(tookMs);
    return clock.agree(theirMs, askedMs);
  };
  expect(answered(1_000_050, 100)).toBe(0);
  expect(answered(1_000_200, 200)).toBe(0); // both may be right
  expect(answered(4_600_400, 200)).toBe(3_599_900); // as if it was said just now, not 200 ms ago
  expect(clock.nowMs()).toBe(4_600_400);
  expect(clock.wallMs()).toBe(4_600_400);
  expect(answered(4_600_000, 0)).toBe(-400);
  const replay = systemClock(10);
  replay.agree(0, replay.monotonicMs());
  expect([replay.wallMs(), replay.nowMs()]).toEqual([0, Date.now()]);
});

test('a server that does not answer is asked again, and moves nothing meanwhile', async () => {
  vi.useFakeTimers({ now: 1_000_000 });
  const clock = systemClock();
  const answers = [() => Promise.reject(new Error('away')), () => Promise.resolve(2_000_000)];
  const moved: number[] = [];
  const time = new ServerTime({
    clock,
    serverMs: () => answers.shift()!(),
    scheduler: systemScheduler,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    metrics: { count() {}, observe() {}, gauge: (_name: string, value: number) => void moved.push(value) },
  });
  await time.look();
  expect(clock.nowMs()).toBe(1_000_000);
  await vi.advanceTimersByTimeAsync(LOOK_MS);
  expect(clock.nowMs()).toBe(2_000_000);
  time.stop();
  await vi.advanceTimersByTimeAsync(LOOK_MS);
  expect([answers.length, moved]).toEqual([0, [1_000 - LOOK_MS / 1_000]]);
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
