/**
 * Durable timers in PostgreSQL: a group is one call of `ops.commit_timers`, which checks (shard, epoch) itself.
 *
 * A look-up after a lost connection first ends the backends that were lost (`lostBackends.ts`).
 */
import type { Committed, DurableOp, TimerOp } from '../../actors/durable.ts';
import type { ActorKind } from '../../actors/turn.ts';
import type { CommitEntry, DueTimer, EntryOutcome, Log, TimerStore } from '../../nodes/ports.ts';
import { isTimer, messageText, timerKey } from '../../nodes/timers/timerRules.ts';
import { GroupLines } from './groupLines.ts';

/** Groups at work at once; another one waits its turn. */
const TIMER_CONNECTIONS = 1;

const COMMIT = 'select ops.commit_timers($1, $2, $3, $4, $5, $6, $7, $8, $9)';
const DUE = `select shard, kind, actor, name, due_ms, message from ops.actor_timer
  where shard = any ($1) and due_ms <= $2 order by due_ms limit $3`;
const THERE = `select t.kind, t.actor, t.name, t.due_ms, t.op_id
  from unnest($1::text[], $2::text[], $3::text[]) as n(kind, actor, name)
    join ops.actor_timer t on t.kind = n.kind and t.actor = n.actor and t.name = n.name`;

const done = (id: string, code: 'created' | 'exists' | 'invalid'): Committed => ({
  id,
  code,
  atMs: 0,
  postings: [],
});

export class PgTimerStore implements TimerStore {
  readonly #lines: GroupLines;

  constructor(options: { readonly url: string; readonly log: Log }) {
    this.#lines = new GroupLines({
      ...options,
      connections: TIMER_CONNECTIONS,
      name: 'timers',
      sideName: 'timers due',
    });
  }

  /** Resolves after the first try to connect. */
  tried(): Promise<void> {
    return this.#lines.tried();
  }

  async commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    const sent = entries.filter(entry => isTimer(entry.op));
    let codes = '';
    if (sent.length > 0) {
      const ops = sent.map(entry => entry.op as TimerOp);
      const values = [
        sent.map(entry => entry.shard),
        sent.map(entry => entry.epoch),
        ops.map(op => op.id),
        ops.map(op => op.kind),
        ops.map(op => op.actor),
        ops.map(op => op.name),
        ops.map(op => op.dueAtMs),
        ops.map(op => op.onlyDueAtMs),
        ops.map(op => (op.dueAtMs === null ? null : messageText(op.message))),
      ];
      const rows = await this.#lines.commits.run({ name: 'commit_timers', text: COMMIT, values });
      codes = rows[0]![0] as string;
    }
    let at = 0;
    return entries.map(({ op }): EntryOutcome => {
      if (!isTimer(op)) return done(op.id, 'invalid');
      return codes[at++] === 's' ? { id: op.id, code: 'stale_epoch' } : done(op.id, 'created');
    });
  }

  async lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    await this.#lines.endLost();
    const timers = ops.filter(isTimer);
    const values = [timers.map(op => op.kind), timers.map(op => op.actor), timers.map(op => op.name)];
    const rows = await this.#lines.side.run({ name: 'timers_there', text: THERE, values });
    const there = new Map(
      rows.map(row => {
        const [kind, actor, name, dueMs, opId] = row as [ActorKind, string, string, string, string];
        return [timerKey({ kind, actor, name }), { dueAtMs: Number(dueMs), opId }];
      }),
    );
    return ops.map(op => {
      if (!isTimer(op)) return null;
      const row = there.get(timerKey(op));
      const so =
        op.dueAtMs === null
          ? row === undefined || (op.onlyDueAtMs !== null && row.dueAtMs !== op.onlyDueAtMs)
          : row?.opId === op.id;
      return so ? done(op.id, 'exists') : null;
    });
  }

  async due(shards: readonly number[], untilMs: number, limit: number): Promise<DueTimer[]> {
    const rows = await this.#lines.side.run({
      name: 'timers_due',
      text: DUE,
      values: [shards, untilMs, limit],
    });
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

  close(): Promise<void> {
    return this.#lines.close();
  }
}
