import { describe, expect, it } from 'vitest';
import { Histogram } from './histogram.ts';
import { Random } from './random.ts';

describe('latency histogram', () => {
  it('gives percentiles within one percent of the sorted values, and never below them', () => {
    const random = new Random(7);
    const histogram = new Histogram();
    const values: number[] = [];
    for (let i = 0; i < 20_000; i++) {
      const ms = 10 ** random.between(-3, 6);
      values.push(ms);
      histogram.record(ms);
    }
    values.sort((a, b) => a - b);
    for (const percent of [1, 50, 90, 99, 99.9, 100]) {
      const exact = values[Math.ceil((percent / 100) * values.length) - 1]!;
      const read = histogram.percentileMs(percent);
      expect(read).toBeGreaterThanOrEqual(Math.min(exact, histogram.maxMs) - 0.001);
      expect(read).toBeLessThanOrEqual(exact * 1.01 + 0.002);
    }
  });

  it('adds up what several processes recorded', () => {
    const [one, two, both] = [new Histogram(), new Histogram(), new Histogram()];
    for (let i = 1; i <= 100; i++) {
      (i % 2 ? one : two).record(i);
      both.record(i);
    }
    one.add(JSON.parse(JSON.stringify(two.data())));
    expect(one.count).toBe(100);
    expect(one.maxMs).toBe(100);
    for (const percent of [10, 50, 99]) expect(one.percentileMs(percent)).toBe(both.percentileMs(percent));
  });

  it('is zero when empty and refuses what is no number', () => {
    const histogram = new Histogram();
    expect(histogram.percentileMs(99)).toBe(0);
    expect(() => histogram.record(Number.NaN)).toThrow(RangeError);
    histogram.record(-3);
    expect(histogram.percentileMs(50)).toBe(0);
  });
});
