/**
 * What starting actors read. Users that wake in the same turn of the event loop are loaded by one statement: after a
 * restart thousands wake at once, and a round trip for each would keep them waiting in line.
 */
import type { Query, UserRecord } from '../../actors/queries.ts';
import { CommitError, type Log, type QueryStore, type Scheduler } from '../../nodes/ports.ts';
import {
  QUERY_BATCH_MAX,
  QUERY_CONNECTIONS,
  QUERY_SILENCE_MS_MAX,
  QUERY_STATEMENT_MS_MAX,
  QUERY_WAITING_MAX,
  RECENT_COMMANDS,
  RECENT_ENCOUNTERS,
  REMEMBERED_HOURS,
} from './limits.ts';
import { Lines } from './lines.ts';

/** One side of the encounters of `u`; each person is on one side only, so one of the two is empty. */
const side = (self: 'officer' | 'civilian', other: 'officer' | 'civilian'): string => `
  (select e.id, e.method, e.at, e.${other} as other, e.${self}_points as points
   from meet.encounter e where e.${self} = u.id order by e.at desc, e.id desc limit ${RECENT_ENCOUNTERS})`;

const USERS = `
select u.id, u.kind, u.handle, u.number, d.device_id, d.device_number, a.balance, a.version,
  (select count(*) from meet.encounter e where e.officer = u.id)
    + (select count(*) from meet.encounter e where e.civilian = u.id),
  coalesce((
    select json_agg(json_build_object('id', e.id, 'method', e.method, 'otherHandle', coalesce(o.handle, ''),
        'points', e.points, 'atMs', (extract(epoch from e.at) * 1000)::bigint) order by e.at desc, e.id desc)
    from (select * from (${side('officer', 'civilian')} union all ${side('civilian', 'officer')}) both_sides
          order by at desc, id desc limit ${RECENT_ENCOUNTERS}) e
      left join user_schema.users o on o.id = e.other), '[]'),
  coalesce((
    select json_agg(json_build_object('key', k.key, 'requestHash', k.request_hash, 'encounterId', k.transfer_id,
        'points', coalesce(p.delta, 0), 'balance', coalesce(p.balance_after, a.balance)) order by k.created_at desc)
    from (select * from ops.idempotency i
          where i.user_id = u.id and i.created_at > now() - interval '${REMEMBERED_HOURS} hours'
          order by i.created_at desc limit ${RECENT_COMMANDS}) k
      left join ledger.posting p on p.transfer_id = k.transfer_id and p.account_id = u.id), '[]'),
  coalesce((
    select json_agg(json_build_object('name', t.name, 'dueAtMs', t.due_ms, 'message', t.message::json) order by t.due_ms)
    from ops.actor_timer t where t.kind = 'user' and t.actor = u.id::text), '[]')
from user_schema.users u
  join user_schema.device d on d.user_id = u.id
  join ledger.account a on a.account_id = u.id and a.stripe = 0
where u.id = any ($1)`;

type Row = [
  string,
  UserRecord['kind'],
  string,
  string,
  string,
  number,
  string,
  string,
  string,
  UserRecord['encounters'],
  UserRecord['commands'],
  UserRecord['timers'],
];

interface Waiting {
  readonly id: string;
  readonly resolve: (record: UserRecord | null) => void;
  readonly reject: (error: unknown) => void;
}

export class PgQueryStore implements QueryStore {
  readonly #lines: Lines;
  readonly #scheduler: Scheduler;
  #waiting: Waiting[] = [];
  #scheduled = false;

  constructor(options: { readonly url: string; readonly log: Log; readonly scheduler: Scheduler }) {
    this.#scheduler = options.scheduler;
    this.#lines = new Lines(QUERY_CONNECTIONS, {
      url: options.url,
      log: options.log,
      name: 'query',
      settings: { statement_timeout: `${QUERY_STATEMENT_MS_MAX}`, jit: 'off' },
      silenceMsMax: QUERY_SILENCE_MS_MAX,
    });
  }

  async tried(): Promise<void> {
    await this.#lines.tried();
  }

  get up(): boolean {
    return this.#lines.up;
  }

  query(query: Query): Promise<unknown> {
    if (query.type === 'user') return this.#user(query.id);
    return this.#userByNumber(query.number);
  }

  close(): Promise<void> {
    return this.#lines.close();
  }

  async #userByNumber(number: number): Promise<string | null> {
    const rows = await this.#lines.run({
      name: 'user_by_number',
      text: 'select id from user_schema.users where number = $1',
      values: [number],
    });
    return (rows[0]?.[0] as string | undefined) ?? null;
  }

  #user(id: string): Promise<UserRecord | null> {
    if (this.#waiting.length >= QUERY_WAITING_MAX) {
      return Promise.reject(new CommitError('unavailable', 'too many users wait to be loaded'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      this.#scheduler.immediate(() => {
        this.#scheduled = false;
        const waiting = this.#waiting;
        this.#waiting = [];
        for (let at = 0; at < waiting.length; at += QUERY_BATCH_MAX) {
          void this.#load(waiting.slice(at, at + QUERY_BATCH_MAX));
        }
      });
    });
  }

  async #load(batch: readonly Waiting[]): Promise<void> {
    try {
      const ids = [...new Set(batch.map(one => one.id))];
      const rows = await this.#lines.run({ name: 'users', text: USERS, values: [ids] });
      const records = new Map(rows.map(row => [row[0] as string, recordOf(row as Row)]));
      for (const one of batch) one.resolve(records.get(one.id) ?? null);
    } catch (error) {
      for (const one of batch) one.reject(error);
    }
  }
}

const recordOf = (row: Row): UserRecord => ({
  id: row[0],
  kind: row[1],
  handle: row[2],
  number: Number(row[3]),
  deviceId: row[4],
  deviceNumber: row[5],
  balance: Number(row[6]),
  balanceVersion: Number(row[7]),
  encounterCount: Number(row[8]),
  encounters: row[9],
  commands: row[10],
  timers: row[11],
});
