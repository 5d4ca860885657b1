/** Who may join a group. */
import { expect, it } from 'vitest';
import { MINT_ACCOUNT } from '../actors/durable.ts';
import { ok } from '../protocol/errors.ts';
import { at, move, pending, voidOf } from './contracts/town.ts';
import { EntryQueue, keysOf } from './entryQueue.ts';

const account = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
let made = 100;
const gift = (to: number) => at(0, 1, move(account(made++), MINT_ACCOUNT, account(to), 1));

function queue(...to: number[]) {
  const entries = new EntryQueue<string>();
  to.forEach((one, i) => {
    const entry = gift(one);
    entries.push({ entry, done: `${i}`, keys: keysOf(entry), deadlineMs: 10 + i });
  });
  const take = (count: number, scan = 100) => {
    const group = entries.take(count, scan);
    return { group, names: group.map(one => one.done).join('') };
  };
  return { entries, take };
}

it('one account may stand in one group many times, but not in two groups', () => {
  const { entries, take } = queue(1, 1, 2, 1, 3);
  const first = take(2);
  expect(first.names).toBe('01');
  const second = take(5);
  expect(second.names).toBe('24');
  expect(entries.size).toBe(1);
  entries.release(second.group);
  expect(take(5).names).toBe('');
  entries.release(first.group);
  expect(take(5).names).toBe('3');
});

it('what sets points aside or gives them back touches the account of who pays', () => {
  const entries = new EntryQueue<string>();
  const aside = pending(account(50), account(1), account(2), 5);
  for (const [done, op] of [
    ['void', voidOf(aside)],
    ['move', move(account(51), account(1), account(3), 5)],
    ['again', pending(account(52), account(1), account(2), 5)],
    ['to its payee', gift(2).op],
  ] as const) {
    const entry = at(0, 1, op);
    entries.push({ entry, done, keys: keysOf(entry), deadlineMs: 10 });
  }
  const first = entries.take(1, 100);
  expect(entries.take(5, 100).map(one => one.done)).toEqual(['to its payee']);
  entries.release(first);
  expect(entries.take(5, 100).map(one => one.done)).toEqual(['move', 'again']);
});

it('the young do not overtake elders that had to wait', () => {
  const { entries, take } = queue(1, 1, 1, 2);
  const first = take(1);
  expect(take(1).names).toBe('3');
  entries.release(first.group);
  expect(take(5).names).toBe('12');
});

it('the young do not overtake elders that nobody had time to look at', () => {
  const { entries, take } = queue(1, 1, 1, 1, 1);
  const first = take(1);
  expect(take(5, 3).names).toBe('');
  entries.release(first.group);
  // two of the four are looked at; the others are older than what comes now
  const entry = gift(1);
  entries.push({ entry, done: 'young', keys: keysOf(entry), deadlineMs: 99 });
  const second = take(5, 2);
  expect(second.names).toBe('12');
  entries.release(second.group);
  expect(take(5).names).toBe('34young');
});

it('what an actor notes in one turn stays together, in a group that is full and in one that waited', () => {
  const entries = new EntryQueue<string>();
  const note = (n: number, type: 'timer' | 'answer') => {
    const id = account(made++);
    const op =
      type === 'answer'
        ? ({ type, id, user: account(n), key: id, requestHash: 'h', result: ok({}) } as const)
        : ({
            type,
            id,
            kind: 'user',
            actor: account(n),
            name: 't',
            dueAtMs: 1,
            onlyDueAtMs: null,
            message: {},
          } as const);
    const entry = at(0, 1, op);
    entries.push({ entry, done: `${n}${type[0]} `, keys: keysOf(entry), deadlineMs: 10 });
  };
  const take = (count: number, scan = 100) => {
    const group = entries.take(count, scan);
    return { group, names: group.map(one => one.done).join('') };
  };
  for (const n of [1, 2, 3]) for (const type of ['timer', 'timer', 'answer'] as const) note(n, type);
  const first = take(4);
  expect(first.names).toBe('1t 1t 1a 2t 2t 2a ');
  note(1, 'timer');
  note(1, 'answer');
  expect(take(1).names).toBe('3t 3t 3a ');
  expect(take(9, 1).names).toBe('');
  entries.release(first.group);
  expect(take(9, 1).names).toBe('1t 1a ');
});

it('gives out what is late, oldest first, wherever it waits', () => {
  const { entries, take } = queue(1, 1, 2, 3);
  take(1);
  expect(take(1).names).toBe('2');
  expect(entries.oldestDeadlineMs).toBe(11);
  expect(entries.expired(10).map(one => one.done)).toEqual([]);
  expect(entries.expired(Number.POSITIVE_INFINITY).map(one => one.done)).toEqual(['1', '3']);
  expect(entries.size).toBe(0);
  expect(entries.oldestDeadlineMs).toBeNull();
});
