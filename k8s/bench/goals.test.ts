import { expect, test } from 'vitest';
import { MODULES } from '../bench.ts';
import { judgeRow, tableOf } from './all.ts';
import { GOALS } from './goals.ts';

test('every benchmark has its row, and every row its benchmark', () => {
  expect(new Set(GOALS.map(row => row.bench))).toEqual(new Set(Object.keys(MODULES)));
});

const row = GOALS.find(one => one.bench === 'ledger')!;
const good = { ratio: 12.5, p99_ms: 30, per_s: 10_000, naive_per_s: 800, hot100_per_s: 7_000 };

test('figures at their bounds are reached, worse ones are not', () => {
  expect(judgeRow(row, { figures: good, why: '' }).map(one => one.reached)).toEqual([
    true,
    true,
    true,
    null,
    null,
  ]);
  const worse = { ...good, ratio: 11.99, p99_ms: 30.1, hot100_per_s: 6_999 };
  expect(judgeRow(row, { figures: worse, why: '' }).map(one => one.reached)).toEqual([
    false,
    false,
    false,
    null,
    null,
  ]);
});

test('a figure that is missing, or a benchmark that ended early, reaches nothing', () => {
  expect(
    judgeRow(row, { figures: {}, why: '' })
      .filter(one => one.reached !== false)
      .map(one => one.goal),
  ).toEqual(['', '']);
  expect(judgeRow(row, { figures: null, why: 'code 1: no room' })).toMatchObject([
    { reached: false, value: 'code 1: no room' },
  ]);
});

test('no row reaches its goals by saying nothing', () => {
  for (const one of GOALS)
    for (const goal of one.goals) expect(goal.reached({}), `${one.bench} ${goal.field}`).toBe(false);
});

test('the table says no in capitals', () => {
  const table = tableOf(judgeRow(row, { figures: { ...good, ratio: 3 }, why: '' }));
  expect(table).toMatch(/ledger +ratio +3 +>= 12 +NO/);
  expect(table).toMatch(/ledger +p99_ms +30 +<= 30 +yes/);
});
