import { expect, test } from 'vitest';
import { mostPerS } from '../bench/storm.bench.ts';
import { highestBucket, metricBy, metricSince, metricSum } from './metricsPage.ts';

const PAGE = `# HELP rt_close_total Closed WebSockets by close code.
rt_close_total{code="4105",node="n1"} 3
rt_close_total{code="peer",node="n1"} 4
rt_close_totals 100
rt_connections 12
rt_held{table="users"} 5
rt_held{table="sessions"} 7`;

test('a metric is the sum of its own lines, or of those with a label', () => {
  expect(metricSum(PAGE, 'rt_close_total')).toBe(7);
  expect(metricSum(PAGE, 'rt_connections')).toBe(12);
  expect(metricSum(PAGE, 'rt_held', '"users"')).toBe(5);
  expect(metricSum(PAGE, 'rt_nothing')).toBe(0);
});

test('a metric by a label, and what two pages differ by', () => {
  expect(metricBy(PAGE, 'rt_close_total', 'code')).toEqual({ 4105: 3, peer: 4 });
  const later = PAGE.replace('"4105",node="n1"} 3', '"4105",node="n1"} 10');
  expect(metricSince([PAGE, PAGE], [later, later], 'rt_close_total', 'code')).toEqual({ 4105: 14 });
});

test('the most arrivals within a second are counted per node, over any second', () => {
  const at = (node: number, ...times: number[]) => times.map(ms => [ms, node, true] as const);
  expect(mostPerS([])).toBe(0);
  expect(mostPerS([...at(0, 900, 950, 1_100, 1_899, 1_901, 5_000), ...at(1, 1_000, 1_001)])).toBe(4);
  expect(mostPerS(at(2, 0, 1_000, 2_000))).toBe(1);
});

test('the highest bucket in which anything was counted', () => {
  const page = (counts: readonly number[]): string =>
    ['1024', '4096', '+Inf'].map((le, i) => `rt_buffered_bytes_bucket{le="${le}"} ${counts[i]}`).join('\n');
  expect(highestBucket(page([0, 0, 0]), 'rt_buffered_bytes')).toBe(0);
  expect(highestBucket(page([3, 3, 3]), 'rt_buffered_bytes')).toBe(1_024);
  expect(highestBucket(page([3, 5, 5]), 'rt_buffered_bytes')).toBe(4_096);
  expect(highestBucket(page([3, 5, 6]), 'rt_buffered_bytes')).toBe(Number.POSITIVE_INFINITY);
});
