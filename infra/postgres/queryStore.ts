/**
 * What starting actors read. Users that wake in the same turn of the event loop are loaded by one statement: after a
 * restart thousands wake at once, and a round trip for each would keep them waiting in line.
 */
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import type { Query, SettledLately, UserRecord } from '../../actors/queries.ts';
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
        'reason', t.reason,
        'points', coalesce(p.delta, 0), 'balance', coalesce(p.balance_after, a.balance)) order by k.created_at desc)
    from (select * from ops.idempotency i
          where i.user_id = u.id and i.created_at > now() - interval '${REMEMBERED_HOURS} hours'
          order by i.created_at desc limit ${RECENT_COMMANDS}) k
      join ledger.transfer t on t.id = k.transfer_id
      left join ledger.posting p on p.transfer_id = k.transfer_id and p.account_id = u.id), '[]'),
  coalesce((
    select json_agg(json_build_object('name', t.name, 'dueAtMs', t.due_ms, 'message', t.message::json) order by t.due_ms)
    from ops.actor_timer t where t.kind = 'user' and t.actor = u.id::text), '[]')
from user_schema.users u
  join user_schema.device d on d.user_id = u.id
  join ledger.account a on a.account_id = u.id and a.stripe = 0
where u.id = any ($1)`;

const PAIR_MET = `
select id from meet.encounter
where officer = $1 and civilian = $2 and at > to_timestamp($3::float8 / 1000) and at < to_timestamp($4::float8 / 1000)`;

/** The range of block ranges on the time keeps this away from the past; the sides are read for what is left. */
const SETTLED_LATELY = `
select t.id, t.reason, e.method, (extract(epoch from t.at) * 1000)::bigint,
  (select coalesce(json_agg(json_build_object('account', p.account_id, 'handle', coalesce(u.handle, ''),
       'delta', p.delta, 'balance', p.balance_after, 'version', p.account_version_after) order by p.seq), '[]')
   from ledger.posting p left join user_schema.users u on u.id = p.account_id
   where p.transfer_id = t.id and p.account_id <> '${MINT_ACCOUNT}')
from (select * from ledger.transfer
      where shard = any ($1) and at > now() - $2 * interval '1 millisecond'
      order by at desc limit $3) t
  left join meet.encounter e on e.id = t.id
order by t.at desc`;

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
    switch (query.type) {
      case 'user':
        return this.#user(query.id);
      case 'userByNumber':
        return this.#userByNumber(query.number);
      case 'pairMet':
        return this.#pairMet(query);
      case 'settledLately':
        return this.#settledLately(query);
    }
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

  async #pairMet(query: Query & { type: 'pairMet' }): Promise<string[]> {
    const values = [query.officer, query.civilian, query.afterMs, query.beforeMs];
    const rows = await this.#lines.run({ name: 'pair_met', text: PAIR_MET, values });
    return rows.map(row => row[0] as string);
  }

  async #settledLately(query: Query & { type: 'settledLately' }): Promise<SettledLately[]> {
    const values = [query.shards, query.withinMs, query.limit];
    const rows = await this.#lines.run({ name: 'settled_lately', text: SETTLED_LATELY, values });
    return rows.map(row => {
      const [id, reason, method, atMs, sides] = row as [
        string,
        string,
        SettledLately['method'],
        string,
        SettledLately['sides'],
      ];
      return { id, reason, method, atMs: Number(atMs), sides };
    });
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
