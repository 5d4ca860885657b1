import { expect, test } from 'vitest';
import { assertLimits } from './limits.ts';
import { bucket, RateTable, taken, waitMs } from './rate.ts';

test('a burst, then the rate; waiting refills no further than the burst', () => {
  const b = bucket({ perS: 2, burst: 5 });
  let arrival = 0;
  const spend = (nowMs: number): boolean => {
    if (waitMs(b, arrival, nowMs) > 0) return false;
    arrival = taken(b, arrival, nowMs);
    return true;
  };
  const many = (nowMs: number): number =>
    Array.from({ length: 20 }, () => spend(nowMs)).filter(Boolean).length;
  expect(many(10_000)).toBe(5);
  expect(waitMs(b, arrival, 10_000)).toBe(500);
  expect(many(10_499)).toBe(0);
  expect(many(10_500)).toBe(1);
  expect(many(1_000_000)).toBe(5);
});

test('buckets by name are separate, and the table does not grow without bound', () => {
  const table = new RateTable({ perS: 1, burst: 2 }, 100);
  table.take('a', 0);
  table.take('a', 0);
  expect([table.waitMs('a', 0), table.waitMs('b', 0)]).toEqual([1_000, 0]);
  for (let i = 0; i < 1_000; i++) table.take(`n${i}`, 10);
  expect(table.size).toBeLessThanOrEqual(100);
  for (let i = 0; i < 50; i++) table.take(`m${i}`, 100_000);
  expect(table.size).toBe(50);
});

test('the limits agree with each other', () => {
  expect(assertLimits).not.toThrow();
});
