import { expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../../actors/rules.ts';
import { Together } from './together.ts';
import type { Truth } from './truth.ts';

/** What is said of two who met after 28 s; the civilian had gone 44 m away just before the officer came. */
function judged(isLossy: boolean): string[] {
  const said: string[] = [];
  const judge = { fail: (_checker: string, words: string) => void said.push(words) };
  const op = { type: 'encounter', method: 'proximity', officer: 'officer', civilian: 'civilian' };
  const truth = { effects: new Map([['met', { op, atMs: 28_000 }]]) } as unknown as Truth;
  const together = new Together(judge, truth, DEFAULT_RULES, isLossy);
  together.reported('civilian', 19_000, { eastM: 4, northM: 18 }, true, false);
  together.reported('civilian', 23_087, { eastM: 44, northM: 0 }, true, false);
  together.reported('officer', 23_103, { eastM: 0, northM: 0 }, false, false);
  together.judge();
  return said;
}

test('a region may have seen the officer come before it saw the civilian go, where reports are overtaken or lost', () => {
  expect(judged(true)).toEqual([]);
});

test('where each arrives in its turn, it has not', () => {
  expect(judged(false)).toHaveLength(1);
});
