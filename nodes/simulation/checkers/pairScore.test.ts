import { expect, test } from 'vitest';
import { PairScore } from './pairScore.ts';
import type { Truth } from './truth.ts';

test('a pair that met again before its cooldown was over is found; a fraction of a millisecond is none', () => {
  const saidOf = (...atMs: readonly number[]): string[] => {
    const said: string[] = [];
    const judge = { fail: (_checker: string, words: string) => void said.push(words) };
    const met = new Map([['officer|civilian', atMs.map((at, i) => ({ id: `${i}`, atMs: at }))]]);
    new PairScore(judge, 6_000, () => null).judge({ met } as unknown as Truth);
    return said;
  };
  expect(saidOf(0, 5_000)).toEqual(['officer|civilian scored again after 5000 ms']);
  expect(saidOf(0.1, 5_999.95, 12_000)).toEqual([]);
});
