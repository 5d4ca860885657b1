import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Running } from './processes.ts';
import { Kept, RestartBudget } from './restart.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('pauses double from one death to the next, and the fifth within half a minute is the last', () => {
  const budget = new RestartBudget();
  expect([0, 1_000, 2_000, 3_000, 4_000].map(at => budget.died(at))).toEqual([200, 400, 800, 1_600, null]);
});

test('who lived for half a minute starts from a short pause again', () => {
  const budget = new RestartBudget();
  for (let at = 0; at < 10; at++) expect(budget.died(at * 31_000)).toBe(200);
});

/** A process that dies when told to. */
function mortal(pid: number): Running & { die(): void } {
  let die = () => {};
  const exited = new Promise<string>(resolve => {
    die = () => resolve('ended by SIGKILL');
  });
  return { pid, exited, die, stop: async () => die() };
}

test('a start that fails counts as a death; in the end somebody hears that it stays down', async () => {
  const gaveUp: string[] = [];
  const first = mortal(1);
  let starts = 0;
  new Kept({
    name: 'The node',
    first,
    start: async () => {
      starts++;
      throw new Error('no');
    },
    log: () => {},
    onGiveUp: sentence => gaveUp.push(sentence),
  });
  first.die();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(starts).toBe(4);
  expect(gaveUp).toEqual(['The node died 5 times within 30 s (last: did not start: no).']);
});

test('what is stopped stays stopped, also when it was just about to start again', async () => {
  const first = mortal(1);
  const second = mortal(2);
  const start = vi.fn(async () => second);
  const kept = new Kept({ name: 'x', first, start, log: () => {}, onGiveUp: () => {} });
  first.die();
  await vi.advanceTimersByTimeAsync(200);
  expect(kept.current.pid).toBe(2);
  second.die();
  await vi.advanceTimersByTimeAsync(100);
  await kept.stop();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(start).toHaveBeenCalledTimes(1);
});
