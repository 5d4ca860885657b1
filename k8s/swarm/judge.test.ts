/** The judge sees what it is there for: without these a clean verdict would prove nothing. */
import { expect, it } from 'vitest';
import type { Op } from '../../nodes/simulation/history.ts';
import { ok, refuse } from '../../protocol/index.ts';
import { judgeMeetings } from './judge.ts';
import { judgeRows, type Row } from './ledgerTruth.ts';
import type { MeetOp } from './meetings.ts';

const row = (more: Partial<Row> = {}): Row => ({
  id: 'e1',
  shard: 7,
  epoch: 3,
  atMs: 1_000,
  officer: 'o',
  civilian: 'c',
  userId: 'c',
  key: 'k',
  postings: [
    { account: 'o', delta: 5, balance: 5, version: 1 },
    { account: 'c', delta: 10, balance: 10, version: 1 },
  ],
  ...more,
});

const scan = (more: Partial<Op> = {}): Op => ({
  id: 1,
  name: 'qr.scan',
  user: 'c',
  key: 'k',
  body: {},
  askedMs: 0,
  startMs: 0,
  endMs: 1,
  tries: 1,
  outcome: 'ok',
  result: ok({ encounterId: 'e1', points: 10, balance: 10 }),
  ...more,
});

const found = (rows: Row[], ops: Op[]): string[] =>
  judgeRows(rows, ops, 24).problems.map(problem => problem.checker);

it('finds nothing where nothing is wrong', () => {
  expect(found([row()], [scan()])).toEqual([]);
  expect(found([], [scan({ outcome: 'unknown', result: null })])).toEqual([]);
  expect(found([row(), row({ id: 'e2', civilian: 'd', key: 'l', epoch: 4, atMs: 1_000 })], [scan()])).toEqual(
    [],
  );
});

it('sees a confirmed meeting that is not there, and a refused one that is', () => {
  expect(found([], [scan()])).toEqual(['nothing acknowledged is lost']);
  const refused = scan({ outcome: 'failed', result: refuse(410, 'over'), endMs: 2_000 });
  expect(found([row()], [refused])).toEqual(['nothing acknowledged is lost']);
});

it('sees a key that moved points twice, and a pair that scored twice', () => {
  const twice = [row(), row({ id: 'e2', officer: 'p', atMs: 2_000 })];
  expect(found(twice, [scan()])).toEqual(['nothing applied twice']);
  const again = [row(), row({ id: 'e2', key: 'l', atMs: 2_000 })];
  expect(found(again, [scan()])).toEqual(['one score per pair and day']);
});

it('sees an older owner that wrote after a newer one', () => {
  const rows = [row({ epoch: 4 }), row({ id: 'e2', civilian: 'd', key: 'l', epoch: 3, atMs: 1_001 })];
  expect(found(rows, [scan()])).toEqual(['epochs never interleave']);
  const apart = [row({ epoch: 4 }), row({ id: 'e2', civilian: 'd', key: 'l', shard: 8, atMs: 1_001 })];
  expect(found(apart, [scan()])).toEqual([]);
});

it('holds what phones were told against what is stored', () => {
  const op = (more: Partial<MeetOp> = {}): MeetOp => ({
    officerId: 'o',
    civilianId: 'c',
    keys: ['k'],
    outcome: 'ok',
    acknowledged: ['e1'],
    points: 10,
    balance: 10,
    why: null,
    tries: 1,
    dueAtMs: 0,
    tookMs: 1,
    ...more,
  });
  const stored = { id: 'e1', officer: 'o', civilian: 'c', civilianPoints: 10 };
  const judged = (ops: MeetOp[], rows: (typeof stored)[]) => {
    const { lost, doubled, problems } = judgeMeetings(ops, rows);
    return { lost, doubled, problems: problems.length };
  };
  expect(judged([op()], [stored])).toEqual({ lost: 0, doubled: 0, problems: 0 });
  expect(judged([op()], [])).toEqual({ lost: 1, doubled: 0, problems: 1 });
  expect(judged([op({ acknowledged: ['e1', 'e2'] })], [stored])).toEqual({
    lost: 1,
    doubled: 1,
    problems: 2,
  });
  expect(judged([op({ points: 9 })], [stored])).toEqual({ lost: 0, doubled: 0, problems: 1 });
});
