/** Names that tell nothing, and that we find again. */
import { expect, test } from 'vitest';
import { Pseudonyms } from './pseudonym.ts';

const DAY_MS = 86_400_000;
const master = (fill: number) => new Uint8Array(32).fill(fill);
const ANNA = '018f0000-0000-7000-8000-000000000001';
const BEN = '018f0000-0000-7000-8000-000000000002';

test('one name a day and person, the same on every node, another with another secret', () => {
  const names = new Pseudonyms(new Map([[1, master(1)]]));
  const noonMs = 20_000 * DAY_MS + DAY_MS / 2;
  const today = names.of(ANNA, noonMs);
  expect(names.of(ANNA, noonMs + DAY_MS / 2 - 1)).toBe(today);
  expect(new Pseudonyms(new Map([[1, master(1)]])).of(ANNA, noonMs)).toBe(today);
  const others = [
    names.of(ANNA, noonMs + DAY_MS / 2),
    names.of(BEN, noonMs),
    new Pseudonyms(new Map([[1, master(2)]])).of(ANNA, noonMs),
  ];
  expect(new Set([today, ...others]).size).toBe(4);
  // it fits the service's pattern and is no name of ours
  expect(today).toMatch(/^[0-9a-f]{32}$/);
});

test('after a rotation the newest secret names, and all of them find', () => {
  const before = new Pseudonyms(new Map([[1, master(1)]]));
  const after = new Pseudonyms(
    new Map([
      [1, master(1)],
      [2, master(2)],
    ]),
  );
  const atMs = 20_000 * DAY_MS;
  expect(after.of(ANNA, atMs)).not.toBe(before.of(ANNA, atMs));
  const found = after.between(ANNA, atMs - 2 * DAY_MS, atMs);
  expect(found).toHaveLength(6);
  for (const name of [before.of(ANNA, atMs), before.of(ANNA, atMs - 2 * DAY_MS), after.of(ANNA, atMs)])
    expect(found).toContain(name);
});
