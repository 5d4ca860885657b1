import { describe, expect, test } from 'vitest';
import { Random } from '../swarm/random.ts';
import { mannKendall, medianOf, type Point, theilSen } from './statistics.ts';

const series = (count: number, of: (i: number) => number): Point[] =>
  Array.from({ length: count }, (_, i) => [i, of(i)] as const);

describe('the slope of Theil and Sen', () => {
  test('is that of a line', () => {
    expect(theilSen(series(50, i => 3 + 2 * i))).toBeCloseTo(2, 12);
  });

  test('is not moved by a quarter of wild points, as a least-squares slope is', () => {
    const random = new Random(7);
    const wild = series(80, i => (i % 4 === 0 ? random.between(0, 1e6) : 2 * i));
    expect(theilSen(wild)).toBeGreaterThan(1.5);
    expect(theilSen(wild)).toBeLessThan(2.5);
  });

  test('of one point, or of points at one moment, is none', () => {
    expect(theilSen([[1, 5]])).toBe(0);
    expect(
      theilSen([
        [1, 5],
        [1, 9],
      ]),
    ).toBe(0);
  });

  test('of very many points is about that of all of them', () => {
    expect(theilSen(series(20_000, i => 0.5 * i))).toBeCloseTo(0.5, 9);
  });
});

describe('the trend of Mann and Kendall', () => {
  // Gilbert, Statistical Methods for Environmental Pollution Monitoring (1987), example 16.5: S of ten values.
  test('counts rising less falling pairs', () => {
    const values = [10, 15, 14, 20];
    expect(mannKendall(values.map((y, x) => [x, y] as const)).s).toBe(4);
  });

  test('agrees with figures worked out by hand: n = 10, all rising', () => {
    // variance 10 * 9 * 25 / 18 = 125; z = 44 / sqrt(125) = 3.935; p = 8.3e-5
    const { s, z, p } = mannKendall(series(10, i => i));
    expect(s).toBe(45);
    expect(z).toBeCloseTo(3.9355, 3);
    expect(p).toBeCloseTo(8.3e-5, 5);
  });

  test('corrects for ties', () => {
    // groups of 2 in 10 values: variance (2250 - 5 * 18) / 18 = 120; s = 40; z = 39 / sqrt(120)
    const { s, z } = mannKendall(series(10, i => i >> 1));
    expect(s).toBe(40);
    expect(z).toBeCloseTo(39 / Math.sqrt(120), 9);
  });

  test('of noise is rarely called a trend: about one time in twenty', () => {
    const random = new Random(42);
    let called = 0;
    for (let run = 0; run < 400; run++) if (mannKendall(series(30, () => random.unit())).p < 0.05) called++;
    expect(called / 400).toBeGreaterThan(0.02);
    expect(called / 400).toBeLessThan(0.09);
  });

  test('of a leak in noise is seen, and falls are told apart from rises', () => {
    const random = new Random(3);
    const rising = mannKendall(series(60, i => i * 0.1 + random.between(0, 3)));
    expect(rising.p).toBeLessThan(0.001);
    expect(rising.z).toBeGreaterThan(0);
    expect(mannKendall(series(60, i => -i * 0.1 + random.between(0, 3))).z).toBeLessThan(0);
  });

  test('says nothing of a few points, and nothing of a constant', () => {
    expect(mannKendall(series(7, i => i)).p).toBe(1);
    expect(mannKendall(series(50, () => 4))).toEqual({ s: 0, z: 0, p: 1 });
  });
});

test('the median of none is no number', () => {
  expect(medianOf([])).toBeNaN();
  expect(medianOf([4, 1, 3, 2])).toBe(2.5);
});
