/** When a line stands: told by a test who comes, who is served, and when. */
import { beforeEach, expect, test } from 'vitest';
import { StandingLine } from './standingLine.ts';

const TARGET = 50;
const INTERVAL = 100;

let line: StandingLine;
let came: number;
beforeEach(() => {
  line = new StandingLine(TARGET, INTERVAL);
  came = 0;
});

/** Somebody comes at this time and is served so much later. */
const wait = (atMs: number, ms: number): void => {
  line.mark(++came, atMs);
  line.reached(came, atMs + ms);
};

test('a line in which everybody waits long for a whole interval stands', () => {
  wait(1_000, TARGET);
  expect([line.isLong, line.stands(1_000 + TARGET + INTERVAL - 1)]).toEqual([true, false]);
  wait(1_050, 80);
  expect(line.stands(1_000 + TARGET + INTERVAL - 1)).toBe(false);
  expect(line.stands(1_000 + TARGET + INTERVAL)).toBe(true);
});

test('one who waits less than the target ends it, and so does a line that is empty', () => {
  wait(0, 80);
  expect(line.stands(200)).toBe(true);
  wait(200, TARGET - 1);
  expect([line.isLong, line.stands(1_000)]).toEqual([false, false]);
  wait(1_000, 80);
  expect(line.stands(1_200)).toBe(true);
  line.emptied();
  expect([line.isLong, line.stands(2_000)]).toEqual([false, false]);
});

test('a burst is none: it is long once, and what comes behind it does not wait', () => {
  wait(2_000, 1_500);
  wait(3_510, 10);
  expect(line.stands(5_000)).toBe(false);
});

test('of several that wait each is measured; who came before everybody was served is not', () => {
  for (let n = 1; n <= 3; n++) line.mark(n, n * 10);
  line.mark(3, 40);
  line.reached(1, 40);
  expect(line.isLong).toBe(false);
  line.reached(2, 70);
  expect(line.isLong).toBe(true);
  line.reached(3, 75);
  expect(line.isLong).toBe(false);
  line.mark(4, 80);
  line.emptied();
  line.reached(4, 500);
  expect(line.isLong).toBe(false);
});
