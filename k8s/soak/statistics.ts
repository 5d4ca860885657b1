/**
 * Is it growing, or is it noise? A leak is a slope, and a slope drawn by eye through a saw-tooth says whatever the eye
 * wants. So: the slope that half of all pairs of points exceed (Theil and Sen), which a few wild points do not move, and the
 * chance that points without any trend would look so ordered (Mann and Kendall).
 */

/** One measured point: when, and how much. */
export type Point = readonly [x: number, y: number];

/** All pairs of so many points are still cheap; of more points every second, third, ... one is taken. */
const POINTS_MAX = 400;

const thinned = (points: readonly Point[]): readonly Point[] => {
  const step = Math.ceil(points.length / POINTS_MAX);
  return step <= 1 ? points : points.filter((_, i) => i % step === 0);
};

export const medianOf = (values: readonly number[]): number => {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/** Median slope of all pairs of points with different x; 0 when there are none. */
export const theilSen = (points: readonly Point[]): number => {
  const some = thinned(points);
  const slopes: number[] = [];
  for (let i = 0; i < some.length; i++)
    for (let j = i + 1; j < some.length; j++) {
      const dx = some[j]![0] - some[i]![0];
      if (dx !== 0) slopes.push((some[j]![1] - some[i]![1]) / dx);
    }
  return slopes.length === 0 ? 0 : medianOf(slopes);
};

/** The error function by Abramowitz and Stegun 7.1.26: wrong by at most 1.5e-7. */
const erf = (x: number): number => {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const poly =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - poly * Math.exp(-x * x));
};

export interface Trend {
  /** Pairs that rise less those that fall. */
  readonly s: number;
  /** Above 0: it rises. */
  readonly z: number;
  /** Chance that points without a trend look so ordered, either way. */
  readonly p: number;
}

/** Fewer points than this are never called a trend: the normal approximation of the test begins here. */
export const TREND_POINTS_MIN = 8;

/** The test of Mann and Kendall with its correction for ties; points in the order of their time. */
export const mannKendall = (points: readonly Point[]): Trend => {
  const values = thinned(points).map(([, y]) => y);
  const n = values.length;
  let s = 0;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) s += Math.sign(values[j]! - values[i]!);
  const ties = [...Map.groupBy(values, value => value).values()].map(group => group.length);
  const of = (m: number): number => m * (m - 1) * (2 * m + 5);
  const variance = (of(n) - ties.reduce((sum, m) => sum + of(m), 0)) / 18;
  if (n < TREND_POINTS_MIN || variance <= 0) return { s, z: 0, p: 1 };
  const z = s === 0 ? 0 : (s - Math.sign(s)) / Math.sqrt(variance);
  return { s, z, p: 1 - erf(Math.abs(z) / Math.SQRT2) };
};
