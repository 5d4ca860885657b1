/** Durable timers as rows in PostgreSQL: what is given to `ops.commit_timers`, and what is read of them. */
import type { DurableOp, TimerOp } from '../../actors/durable.ts';
import type { ActorKind } from '../../actors/turn.ts';
import type { CommitEntry, DueTimer } from '../../nodes/ports.ts';
import { isTimer, messageText, timerKey } from '../../nodes/timers/timerRules.ts';
import type { Lines } from './lines.ts';

/** One row that nobody can read keeps no other from coming; it stays for people to look at. */
const DUE = `select shard, kind, actor, name, due_ms, message from ops.actor_timer
  where shard = any ($1) and due_ms <= $2 and pg_input_is_valid(message, 'json') order by due_ms limit $3`;
const THERE = `select t.kind, t.actor, t.name, t.due_ms, t.op_id
  from unnest($1::text[], $2::text[], $3::text[]) as n(kind, actor, name)
    join ops.actor_timer t on t.kind = n.kind and t.actor = n.actor and t.name = n.name`;

/** In the order of the function's parameters. */
export const TIMER_COLUMNS = 9;
export function timerColumns(entries: readonly CommitEntry[]): unknown[][] {
  const ops = entries.map(entry => entry.op as TimerOp);
  return [
    entries.map(entry => entry.shard),
    entries.map(entry => entry.epoch),
    ops.map(op => op.id),
    ops.map(op => op.kind),
    ops.map(op => op.actor),
    ops.map(op => op.name),
    ops.map(op => op.dueAtMs),
    ops.map(op => op.onlyDueAtMs),
    ops.map(op => (op.dueAtMs === null ? null : messageText(op.message))),
  ];
}

/** Whether what each of these timers wants is so. */
export async function timersThere(side: Lines, ops: readonly DurableOp[]): Promise<(op: TimerOp) => boolean> {
  const timers = ops.filter(isTimer);
  const values = [timers.map(op => op.kind), timers.map(op => op.actor), timers.map(op => op.name)];
  const rows = timers.length > 0 ? await side.run({ name: 'timers_there', text: THERE, values }) : [];
  const there = new Map(
    rows.map(row => {
      const [kind, actor, name, dueMs, opId] = row as [ActorKind, string, string, string, string];
      return [timerKey({ kind, actor, name }), { dueAtMs: Number(dueMs), opId }];
    }),
  );
  return op => {
    const row = there.get(timerKey(op));
    if (op.dueAtMs !== null) return row?.opId === op.id;
    return row === undefined || (op.onlyDueAtMs !== null && row.dueAtMs !== op.onlyDueAtMs);
  };
}

export async function timersDue(
  side: Lines,
  shards: readonly number[],
  untilMs: number,
  limit: number,
): Promise<DueTimer[]> {
  const rows = await side.run({ name: 'timers_due', text: DUE, values: [shards, untilMs, limit] });
  return rows.map(row => {
    const [shard, kind, actor, name, dueMs, text] = row as [
      number,
      ActorKind,
      string,
      string,
      string,
      string,
    ];
    return { shard, kind, actor, name, dueAtMs: Number(dueMs), message: JSON.parse(text) };
  });
}
