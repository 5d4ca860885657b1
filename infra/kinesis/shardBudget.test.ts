/** No shard gets more in a second than it takes, and none of it is wasted. */
import { expect, it } from 'vitest';
import { SHARD_BYTES_PER_S, SHARD_RECORDS_PER_S, ShardBudget } from './shardBudget.ts';

const HALF = 1n << 127n;
const shard = (id: string, from: bigint, to: bigint, ended = false) => ({
  ShardId: id,
  HashKeyRange: { StartingHashKey: String(from), EndingHashKey: String(to) },
  SequenceNumberRange: { StartingSequenceNumber: '1', ...(ended && { EndingSequenceNumber: '2' }) },
});

/** Times at which records of one key go, for `forMs`, as soon as they may. */
function sent(bytes: number, forMs: number, keys = ['a']): number[] {
  let nowMs = 0;
  const budget = new ShardBudget(() => nowMs);
  budget.learn([
    shard('low', 0n, HALF - 1n),
    shard('high', HALF, 2n * HALF - 1n),
    shard('old', 0n, 1n, true),
  ]);
  const times: number[] = [];
  for (; nowMs < forMs; nowMs++) {
    for (const key of keys) while (budget.take(key, bytes) === 0) times.push(nowMs);
  }
  return times;
}

const mostInASecond = (times: readonly number[]): number => {
  let most = 0;
  for (let from = 0, to = 0; to < times.length; to++) {
    while (times[to]! - times[from]! >= 1_000) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
};

it('a thousand small records in any second, no more and not much less', () => {
  const times = sent(100, 5_000);
  expect(mostInASecond(times)).toBeLessThanOrEqual(SHARD_RECORDS_PER_S);
  expect(times.length).toBeGreaterThan(3_900);
});

it('a megabyte in any second', () => {
  const times = sent(50_000, 5_000);
  expect(mostInASecond(times) * 50_000).toBeLessThanOrEqual(SHARD_BYTES_PER_S);
  expect(times.length * 50_000).toBeGreaterThan(3_700_000);
});

it('a record that is larger than what goes at once goes, and those behind it wait for longer', () => {
  const times = sent(1_000_000, 5_000);
  expect(times.length).toBe(4);
});

it('each shard has its own, by the MD5 of the key', () => {
  // MD5 of `a` begins with 0c, of `b` with 92
  expect(sent(100, 1_000, ['a', 'b']).length).toBe(2 * sent(100, 1_000).length);
});

it('a shard that refused gets nothing for a moment; a stream without known shards is not held', () => {
  let nowMs = 0;
  const budget = new ShardBudget(() => nowMs);
  expect(budget.take('a', 1)).toBe(0);
  budget.learn([shard('only', 0n, 2n * HALF - 1n)]);
  expect(budget.take('a', 1)).toBe(0);
  budget.refused('a');
  expect(budget.take('a', 1)).toBeGreaterThan(0);
  nowMs = 2;
  expect(budget.take('a', 1)).toBe(0);
  expect(budget.knows('only')).toBe(true);
});
