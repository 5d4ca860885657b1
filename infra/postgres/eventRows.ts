/** Users' events as rows in PostgreSQL: what is given to `ops.commit_events`, which checks that each is the next one. */
import type { CommitCode, DurableOp, EventOp } from '../../actors/durable.ts';
import { isEvent } from '../../nodes/events/eventRules.ts';
import type { CommitEntry } from '../../nodes/ports.ts';
import type { Lines } from './lines.ts';

const THERE = `select e.user_id, e.n, e.id from unnest($1::uuid[], $2::bigint[], $3::uuid[]) as asked(user_id, n, id)
  join ops.user_event e on e.user_id = asked.user_id and e.n = asked.n and e.id = asked.id`;

/** What the letters of the function mean; any other: a stale epoch. */
export const EVENT_CODES: Readonly<Record<string, CommitCode>> = {
  c: 'created',
  e: 'exists',
  x: 'exists_with_different_payload',
};

const hex = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('hex');

/** In the order of the function's parameters. */
export function eventColumns(entries: readonly CommitEntry[]): unknown[][] {
  const ops = entries.map(entry => entry.op as EventOp);
  return [
    entries.map(entry => entry.shard),
    entries.map(entry => entry.epoch),
    ops.map(op => op.id),
    ops.map(op => op.user),
    ops.map(op => op.n),
    ops.map(op => op.after),
    ops.map(op => op.lineage),
    ops.map(op => op.about),
    ops.map(op => hex(op.frame)),
  ];
}

/** Whether each of these events is stored. */
export async function eventsThere(side: Lines, ops: readonly DurableOp[]): Promise<(op: EventOp) => boolean> {
  const events = ops.filter(isEvent);
  const values = [events.map(op => op.user), events.map(op => op.n), events.map(op => op.id)];
  const rows = events.length > 0 ? await side.run({ name: 'events_there', text: THERE, values }) : [];
  const there = new Set(rows.map(row => row.join()));
  return op => there.has([op.user, op.n, op.id].join());
}
