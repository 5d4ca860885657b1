import { expect, test } from 'vitest';
import { ERROR, ok } from '../../protocol/errors.ts';
import type { Turn } from '../turn.ts';
import { NOTHING_WAITS } from '../waiting.ts';
import { Answers } from './answers.ts';
import { repeat } from './commands.ts';
import type { UserState } from './state.ts';

/** Repeats of commands: answered from memory, and counted by what they repeat. */

const KEY = '01900000-0000-7000-8000-0000000000a1';

const asked = (requestHash: string, name?: string) => {
  const counted: (readonly [string, unknown])[] = [];
  const replies: unknown[] = [];
  const turn = {
    count: (metric: string, labels: unknown) => void counted.push([metric, labels]),
    reply: (result: unknown) => void replies.push(result),
  } as unknown as Turn;
  const state = {
    done: Answers.of([{ key: KEY, requestHash: 'h', result: ok({ on: true }) }]),
    underWay: NOTHING_WAITS,
  };
  repeat(state as unknown as UserState, { key: KEY, requestHash, ...(name && { name }) }, turn);
  return { counted, replies };
};

test('a repeat gets the first answer and is counted under its operation', () => {
  const { counted, replies } = asked('h', 'instant.set');
  expect(replies).toEqual([ok({ on: true })]);
  expect(counted).toEqual([['rt_command_dedup_total', { op: 'instant.set' }]]);
  expect(asked('h').counted).toEqual([['rt_command_dedup_total', { op: 'give' }]]);
});

test('the same key with another body is a conflict, and no repeat', () => {
  const { counted, replies } = asked('other', 'instant.set');
  expect(replies).toMatchObject([{ ok: false, code: ERROR.conflict }]);
  expect(counted).toEqual([]);
});
