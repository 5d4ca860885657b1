/** Which writer an operation goes to, and what the timers hear of a timer that goes with points. */
import { expect, test } from 'vitest';
import type { DurableOp, TimerOp } from '../actors/durable.ts';
import { pending } from './contracts/town.ts';
import type { CommitEntry, WriteOutcome } from './ports.ts';
import { routeOperations } from './routeOperations.ts';

const ID = (n: number): string => `01900000-0000-7000-8000-${`${n}`.padStart(12, '0')}`;
const TIMER: TimerOp = {
  type: 'timer',
  id: ID(1),
  kind: 'user',
  actor: ID(2),
  name: 'redeem/1',
  dueAtMs: 7,
  onlyDueAtMs: null,
  message: {},
};
const HELD = pending(ID(3), ID(2), ID(4), 5);

function town() {
  const went: string[] = [];
  const under: ((outcome: WriteOutcome) => void)[] = [];
  const heard: unknown[] = [];
  const to = (name: string) => ({
    submit: (entry: CommitEntry, done: (outcome: WriteOutcome) => void) => {
      went.push(`${entry.op.type} to ${name}`);
      under.push(done);
    },
  });
  const stored = (shard: number, timer: TimerOp) => void heard.push([shard, timer]);
  const writer = routeOperations({
    ledger: to('ledger'),
    timers: { ...to('timers'), stored },
    events: to('events'),
  });
  const submit = (op: DurableOp) =>
    writer.submit({ shard: 9, epoch: 1, op }, outcome => void heard.push(outcome.ok));
  return { went, under, heard, submit };
}

test('points go to the ledger, notes to theirs', () => {
  const { went, submit } = town();
  submit(HELD);
  submit({ ...HELD, timer: TIMER });
  submit(TIMER);
  submit({
    type: 'answer',
    id: ID(5),
    user: ID(2),
    key: 'k',
    requestHash: 'h',
    result: { ok: true, value: {} },
  });
  expect(went).toEqual(['pending to ledger', 'pending to ledger', 'timer to timers', 'answer to timers']);
});

test('a timer that went with points is told of before the actor is, when it is stored and only then', () => {
  const { under, heard, submit } = town();
  for (let i = 0; i < 2; i++) submit({ ...HELD, timer: TIMER });
  submit(HELD);
  expect(heard).toEqual([]);
  under[0]!({ ok: true, committed: { id: HELD.id, code: 'out_of_stock', atMs: 0, postings: [] } });
  under[1]!({ ok: false, reason: 'unavailable', message: 'away' });
  under[2]!({ ok: true, committed: { id: HELD.id, code: 'created', atMs: 0, postings: [] } });
  expect(heard).toEqual([[9, TIMER], true, false, true]);
});
