/**
 * Users' stored events in PostgreSQL: a group is one call of `ops.commit_events`, which checks (shard, epoch) and that each
 * event is the next one of its user.
 *
 * What `commitStore.ts` says of look-ups after a lost connection holds here too: every backend that we lost must have
 * ended before "it is not there" proves "it was not stored".
 */
import type { CommitCode, Committed, DurableOp, EventOp } from '../../actors/durable.ts';
import { isEvent } from '../../nodes/events/eventRules.ts';
import type { CommitEntry, EntryOutcome, EventStore, Log } from '../../nodes/ports.ts';
import { GroupLines } from './groupLines.ts';

/** Groups in flight at once. */
const EVENT_CONNECTIONS = 1;

const COMMIT = 'select ops.commit_events($1, $2, $3, $4, $5, $6, $7, $8, $9)';
const THERE = `select e.user_id, e.n, e.id from unnest($1::uuid[], $2::bigint[], $3::uuid[]) as asked(user_id, n, id)
  join ops.user_event e on e.user_id = asked.user_id and e.n = asked.n and e.id = asked.id`;

const CODES: Readonly<Record<string, CommitCode>> = {
  c: 'created',
  e: 'exists',
  x: 'exists_with_different_payload',
};

const said = (id: string, code: CommitCode): Committed => ({ id, code, atMs: 0, postings: [] });
const hex = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('hex');

export class PgEventStore implements EventStore {
  readonly #lines: GroupLines;

  constructor(options: { readonly url: string; readonly log: Log }) {
    this.#lines = new GroupLines({
      ...options,
      connections: EVENT_CONNECTIONS,
      name: 'events',
      sideName: 'events lookup',
    });
  }

  /** Resolves after the first try to connect. */
  tried(): Promise<void> {
    return this.#lines.tried();
  }

  async commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    const sent = entries.filter(entry => isEvent(entry.op));
    let codes = '';
    if (sent.length > 0) {
      const ops = sent.map(entry => entry.op as EventOp);
      const values = [
        sent.map(entry => entry.shard),
        sent.map(entry => entry.epoch),
        ops.map(op => op.id),
        ops.map(op => op.user),
        ops.map(op => op.n),
        ops.map(op => op.after),
        ops.map(op => op.lineage),
        ops.map(op => op.about),
        ops.map(op => hex(op.frame)),
      ];
      const rows = await this.#lines.commits.run({ name: 'commit_events', text: COMMIT, values });
      codes = rows[0]![0] as string;
    }
    let at = 0;
    return entries.map(({ op }): EntryOutcome => {
      if (!isEvent(op)) return said(op.id, 'invalid');
      const code = CODES[codes[at++]!];
      return code === undefined ? { id: op.id, code: 'stale_epoch' } : said(op.id, code);
    });
  }

  async lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    await this.#lines.endLost();
    const events = ops.filter(isEvent);
    const values = [events.map(op => op.user), events.map(op => op.n), events.map(op => op.id)];
    const rows = await this.#lines.side.run({ name: 'events_there', text: THERE, values });
    const there = new Set(rows.map(row => row.join()));
    return ops.map(op =>
      op.type === 'event' && there.has([op.user, op.n, op.id].join()) ? said(op.id, 'exists') : null,
    );
  }

  close(): Promise<void> {
    return this.#lines.close();
  }
}
