import { expect, test } from 'vitest';
import { isLinearizable, type Step } from './linearizable.ts';

const FOREVER = Number.POSITIVE_INFINITY;
const post = (value: number, startMs: number, endMs = FOREVER): Step => ({
  kind: 'post',
  value,
  startMs,
  endMs,
  words: '',
});
const read = (value: number, startMs: number, endMs: number): Step => ({
  kind: 'read',
  value,
  startMs,
  endMs,
  words: '',
});

test('a read sees what was posted before, or what is posted meanwhile', () => {
  expect(isLinearizable([post(5, 0), read(5, 1, 2)])).toBe(true);
  expect(isLinearizable([post(5, 1), read(0, 0, 2)])).toBe(true);
  expect(isLinearizable([post(5, 0), post(-2, 1), read(5, 2, 3), read(3, 4, 5)])).toBe(true);
});

test('what was seen once is not unseen: an older balance after a newer one fits no order', () => {
  expect(isLinearizable([post(5, 0), read(5, 1, 2), read(0, 3, 4)])).toBe(false);
  // at the same time, each may be first
  expect(isLinearizable([post(5, 0), read(5, 1, 4), read(0, 1, 4)])).toBe(true);
});

test('a balance that no order of postings makes is found', () => {
  expect(isLinearizable([post(5, 0), post(3, 0), read(4, 1, 2)])).toBe(false);
  expect(isLinearizable([post(5, 3), read(5, 1, 2)])).toBe(false);
});

test('a posting that somebody was told of has taken its place by then', () => {
  expect(isLinearizable([post(5, 0, 1), read(0, 2, 3)])).toBe(false);
});

test('many postings of unknown effect are searched in no time', () => {
  const posts = Array.from({ length: 40 }, (_, i) => post(i + 1, i));
  const reads = Array.from({ length: 40 }, (_, i) => read(((i + 1) * (i + 2)) / 2, i, i + 100));
  expect(isLinearizable([...posts, ...reads])).toBe(true);
});
