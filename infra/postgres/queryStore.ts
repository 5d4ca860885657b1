/**
 * What starting actors read. Users that wake in the same turn of the event loop are loaded by one statement: after a
 * restart thousands wake at once, and a round trip for each would keep them waiting in line.
 */
import { EXPIRED_ACCOUNT, MINT_ACCOUNT } from '../../actors/durable.ts';
import type { PairHistory } from '../../actors/fraud/history.ts';
import type {
  FeeView,
  FreshCredit,
  GivingView,
  Movement,
  SettledLately,
  StoreQuery,
  StreamRecord,
  TimerView,
  UserRecord,
} from '../../actors/queries.ts';
import { CommitError, type QueryStore, type Scheduler } from '../../nodes/ports.ts';
import { ERROR, refuse } from '../../protocol/errors.ts';
import { FEE_OF_PAYER, feeOf, feeView, POSTED, paymentOf } from './feeRows.ts';
import { HOLDS, PAIR_HISTORY } from './holdRows.ts';
import {
  QUERY_BATCH_MAX,
  QUERY_CONNECTIONS,
  QUERY_SILENCE_MS_MAX,
  QUERY_STATEMENT_MS_MAX,
  QUERY_WAIT_MS_MAX,
  QUERY_WAITING_MAX,
  RECENT_COMMANDS,
  RECENT_ENCOUNTERS,
  RECENT_EVENTS,
  RECENT_MINUTES,
  REMEMBERED_HOURS,
} from './limits.ts';
import { Lines, type LinesOptions } from './lines.ts';
import {
  LAST_SALES,
  OFFER,
  OPEN_AT_MERCHANT,
  OPEN_OF_USER,
  REDEMPTION,
  SOLD_BY_CODE,
} from './marketReads.ts';

/** One side of the encounters of `u`; each person is on one side only, so one of the two is empty. */
const side = (self: 'officer' | 'civilian', other: 'officer' | 'civilian'): string => `
  (select e.id, e.method, e.at, e.${other} as other, e.${self}_points as points
   from meet.encounter e where e.${self} = u.id order by e.at desc, e.id desc limit ${RECENT_ENCOUNTERS})`;

/** Beyond `now()` by a moment when it was committed between the two. */
const ageMs = (at: string): string => `greatest(0, extract(epoch from now() - ${at}) * 1000)::bigint`;
const atMs = (at: string): string => `(extract(epoch from ${at}) * 1000)::bigint`;
const RECENT = `now() - interval '${RECENT_MINUTES} minutes'`;

/** A movement as the owner's phones are told of it: `m` has what `MOVED` selects. */
const movement = (owner: string, more = ''): string => `json_build_object(
    'transferId', m.transfer_id, 'version', m.version::bigint, 'delta', m.delta, 'balance', m.balance, 'reason', m.reason,
    'method', met.method, 'otherHandle', coalesce(other.handle, ''), 'atMs', ${atMs('m.at')}${more})
  order by m.version desc)
  from (select p.transfer_id, p.account_version_after as version, p.delta, p.balance_after as balance, t.reason, t.at
        from ledger.posting p
          -- one look-up for each, whatever the planner thinks of times
          cross join lateral (select reason, at from ledger.transfer where id = p.transfer_id offset 0) t
        where p.account_id = ${owner} and p.stripe = 0`;
const WITH_WHOM = (owner: string): string => `
    left join meet.encounter met on met.id = m.transfer_id
    left join user_schema.users other
      on other.id = case when met.officer = ${owner} then met.civilian else met.officer end`;

/**
 * What the stream of events is put together from (`actors/user/stream.ts`). Most who wake have nothing from the last
 * minutes: for them it is a look at the newest event and the newest movement.
 */
const MOVEMENTS_LATELY = `case when (
    select t.at from ledger.posting p join ledger.transfer t on t.id = p.transfer_id
    where p.account_id = u.id and p.stripe = 0 and p.account_version_after = a.version) > ${RECENT}
  then (select json_agg(${movement('u.id', `, 'ageMs', ${ageMs('m.at')}`)}
          and p.account_version_after > a.version - ${RECENT_EVENTS} and t.at > ${RECENT}) m ${WITH_WHOM('u.id')})
  end`;
const EVENTS_LATELY = `case when last.at > ${RECENT} then (
    select json_agg(json_build_object('id', e.id, 'n', e.n, 'after', e.after_version, 'frame', encode(e.frame, 'base64'),
        'ageMs', ${ageMs('e.at')}) order by e.n desc)
    from (select * from ops.user_event e
          where e.user_id = u.id and e.lineage = last.lineage and e.at > ${RECENT}
          order by e.n desc limit ${RECENT_EVENTS}) e)
  end`;
const TOLD = `case when last.n > 0 then (
    select json_object_agg(e.about, e.after_version + e.n order by e.n)
    from ops.user_event e where e.user_id = u.id and e.about is not null and e.lineage = last.lineage)
  end`;

/** Postings of one person that are looked at; nobody meets so many, or gives so often. */
const POSTINGS_MAX = 4_096;

/** $2 milliseconds; 0, as in most towns: nothing is read. */
const FRESH = `case when $2::bigint > 0 then (
    select coalesce(json_agg(json_build_object('atMs', ${atMs('t.at')}, 'points', p.delta)
      order by p.account_version_after), '[]')
    from ledger.posting p
      cross join lateral (select one.reason, one.at from ledger.transfer one where one.id = p.transfer_id offset 0) t
    where p.account_id = u.id and p.stripe = 0 and p.account_version_after > a.version - ${POSTINGS_MAX}
      and t.at > now() - $2::bigint * interval '1 millisecond'
      and case when p.delta > 0 then t.reason in ('encounter', 'promotion') else t.reason = 'reversal' end)
  end`;

/** Many users are read at once: a row of one that nobody can read must not keep the others away. */
const UNREADABLE = JSON.stringify(refuse(ERROR.internal, 'the stored answer cannot be read'));

/** A command as it is remembered: `k` a row of {@link KEYS}, `a` the account. */
const REMEMBERED = `case when k.result is not null
        then json_build_object('key', k.key, 'requestHash', k.request_hash, 'result',
          case when pg_input_is_valid(k.result, 'json') then k.result::json else '${UNREADABLE}'::json end)
        else json_build_object('key', k.key, 'requestHash', k.request_hash, 'encounterId', k.transfer_id,
          'reason', coalesce(t.reason, w.reason, 'encounter'),
          'points', coalesce(p.delta, 0), 'balance', coalesce(p.balance_after, a.balance)) end`;
const WHAT_MOVED = `
      -- without a transfer something is pending, or it is an encounter that is held
      left join ledger.transfer t on t.id = k.transfer_id
      left join ledger.pending w on w.id = k.transfer_id
      left join ledger.posting p on p.transfer_id = k.transfer_id and p.account_id = a.account_id`;

/** Keys of a user of the last day, by the ledger and by answers. */
const KEYS = (user: string, ofLedger = '', ofAnswers = ofLedger): string => `
    (select i.key, i.request_hash, i.transfer_id, null as result, i.created_at as at from ops.idempotency i
      where i.user_id = ${user} and i.created_at > now() - interval '${REMEMBERED_HOURS} hours' ${ofLedger}
    union all
    (select n.key, n.request_hash, null, n.result, n.at from ops.answer n
      where n.user_id = ${user} and n.at > now() - interval '${REMEMBERED_HOURS} hours' ${ofAnswers}))`;

/** $1 user, $2 key. One that was answered beside its movement is told by the answer. */
const COMMAND = `
select ${REMEMBERED} from ${KEYS('$1', 'and key = $2')} k
  join ledger.account a on a.account_id = $1 and a.stripe = 0 ${WHAT_MOVED}
order by k.result is null limit 1`;

const USERS = `
select u.id, u.kind, u.handle, u.number, d.device_id, d.device_number, a.balance, a.version, a.reserved,
  (select count(*) from meet.encounter e where e.officer = u.id)
    + (select count(*) from meet.encounter e where e.civilian = u.id),
  coalesce((
    select json_agg(json_build_object('id', e.id, 'method', e.method, 'otherHandle', coalesce(o.handle, ''),
        'points', e.points, 'atMs', (extract(epoch from e.at) * 1000)::bigint) order by e.at desc, e.id desc)
    from (select * from (${side('officer', 'civilian')} union all ${side('civilian', 'officer')}) both_sides
          order by at desc, id desc limit ${RECENT_ENCOUNTERS}) e
      left join user_schema.users o on o.id = e.other), '[]'),
  coalesce(remembered.list, '[]'),
  coalesce((
    select json_agg(json_build_object('name', t.name, 'dueAtMs', t.due_ms, 'message', t.message::json) order by t.due_ms)
    from ops.actor_timer t where t.kind = 'user' and t.actor = u.id::text and pg_input_is_valid(t.message, 'json')), '[]'),
  (select id || '/' || (select timeline_id from pg_control_checkpoint()) from ops.town),
  last.n, last.after_version, last.lineage,
  ${MOVEMENTS_LATELY},
  ${EVENTS_LATELY},
  ${TOLD},
  ${FRESH},
  case when remembered.count = ${RECENT_COMMANDS} then (
    select max(key collate "C") from ${KEYS('u.id')} all_keys where key ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7') end
from user_schema.users u
  join user_schema.device d on d.user_id = u.id
  join ledger.account a on a.account_id = u.id and a.stripe = 0
  left join lateral (select e.n, e.after_version, e.lineage, e.at from ops.user_event e
                     where e.user_id = u.id order by e.n desc limit 1) last on true
  cross join lateral (
    select count(*), json_agg(${REMEMBERED} order by k.at desc) as list
    from (select * from ${KEYS('u.id', '', `order by n.at desc limit ${RECENT_COMMANDS}`)} of_both
          order by at desc limit ${RECENT_COMMANDS}) k ${WHAT_MOVED}) remembered
where u.id = any ($1)`;

const MOVEMENTS = `select json_agg(${movement('$1')}
          and p.account_version_after > $2 order by p.account_version_after limit $3) m ${WITH_WHOM('$1')}`;

/** Nothing is settled before it was scanned, but for what two clocks differ: so the index on `at` bounds the read. */
const MET_BETWEEN = `
  officer = $1 and civilian = $2 and at > to_timestamp($3::float8 / 1000) - interval '1 hour'
  and coalesce(scanned_at, at) > to_timestamp($3::float8 / 1000)
  and coalesce(scanned_at, at) < to_timestamp($4::float8 / 1000)`;
const PAIR_MET = `
select id from meet.encounter where ${MET_BETWEEN}
union all
select encounter_id from meet.hold where ${MET_BETWEEN} and verdict <> 'released'`;

/** The range of block ranges on the time keeps this away from the past; the sides are read for what is left. */
const SETTLED_LATELY = `
(select t.id, t.reason, e.method, (extract(epoch from t.at) * 1000)::bigint,
  (select coalesce(json_agg(json_build_object('account', p.account_id, 'handle', coalesce(u.handle, ''),
       'delta', p.delta, 'balance', p.balance_after, 'version', p.account_version_after) order by p.seq), '[]')
   from ledger.posting p left join user_schema.users u on u.id = p.account_id
   where p.transfer_id = t.id and p.account_id not in ('${MINT_ACCOUNT}', '${EXPIRED_ACCOUNT}'))
from (select * from ledger.transfer
      where shard = any ($1) and at > now() - $2 * interval '1 millisecond'
      order by at desc limit $3) t
  left join meet.encounter e on e.id = t.id
order by t.at desc)
union all
(select h.encounter_id, h.verdict, h.method, (extract(epoch from h.at) * 1000)::bigint,
  (select json_agg(json_build_object('account', n.account, 'handle', coalesce(u.handle, ''),
       'delta', 0, 'balance', 0, 'version', 0))
   from unnest(array[h.civilian, h.officer]) as n(account) left join user_schema.users u on u.id = n.account)
from meet.hold h
where h.shard = any ($1) and greatest(h.at, h.decided_at) > now() - $2 * interval '1 millisecond'
  and h.verdict <> 'released'
order by greatest(h.at, h.decided_at) desc limit $3)
limit $3`;

/** $1 who gives, $2 whom, $3 why. */
const GIVING = `
select
  (select coalesce(json_agg(json_build_object('id', u.id, 'kind', u.kind, 'closed', a.closed,
       'verified', exists (select from giving.catalog c
         where c.account = u.id and c.kind = u.kind and c.status = 'verified'))), '[]')
   from user_schema.users u join ledger.account a on a.account_id = u.id and a.stripe = 0
   where u.id = any ($2::uuid[])),
  (select coalesce(json_agg(json_build_object('id', g.id, 'points', g.points)), '[]')
   from ledger.given_since($1::uuid, $3, now() - interval '24 hours') g)`;

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
  string,
  UserRecord['encounters'],
  UserRecord['commands'],
  UserRecord['timers'],
  string,
  string | null,
  string | null,
  number | null,
  StreamRecord['movements'] | null,
  readonly (Omit<StreamRecord['events'][number], 'frame'> & { readonly frame: string })[] | null,
  StreamRecord['told'] | null,
  readonly FreshCredit[] | null,
  string | null,
];

const NONE: readonly never[] = [];
const NOTHING: Readonly<Record<string, never>> = {};

interface Waiting {
  readonly id: string;
  readonly freshMs: number;
  readonly resolve: (record: UserRecord | null) => void;
  readonly reject: (error: unknown) => void;
}

/** The newest postings of $1, each with its transfer. */
const NEWEST_OF = `
  ledger.account a
    join ledger.posting p on p.account_id = a.account_id and p.stripe = 0
      and p.account_version_after > a.version - ${POSTINGS_MAX}
    cross join lateral (select one.id, one.reason, one.at from ledger.transfer one
                        where one.id = p.transfer_id offset 0) t
  where a.account_id = $1 and a.stripe = 0`;

const EARNED = `
  select json_build_object('id', t.id, 'reason', t.reason, 'points', p.delta)
  from ${NEWEST_OF} and p.delta >= 0 and t.reason in ('encounter', 'promotion')
    and t.at > now() - interval '24 hours'`;

/** $2 whom, $3 why, $4 milliseconds. */
const LAST_GIVEN = `
  select json_build_object('id', t.id, 'to', g.account_id)
  from (select t.id from ${NEWEST_OF} and p.delta < 0 and t.reason = $3
          and t.at > now() - $4 * interval '1 millisecond') t
    join ledger.posting g on g.transfer_id = t.id and g.delta > 0 and g.account_id = any ($2::uuid[])`;

/** $2 milliseconds of a step. One statement: account and postings are of one moment. */
const UNSPENT = `
  select json_build_object('balance', a.balance, 'reserved', a.reserved, 'version', a.version, 'lots', (
    select coalesce(json_agg(json_build_object('step', u.step, 'points', u.points) order by u.step), '[]')
    from ledger.unspent(a.account_id, a.version, a.balance - a.reserved, $2) u))
  from ledger.account a where a.account_id = $1 and a.stripe = 0`;

const TIMERS = `
  select name, due_ms, message from ops.actor_timer where kind = $1 and actor = $2 order by due_ms`;

const ENTRIES = `
  select json_build_object('id', t.id, 'reason', t.reason, 'legs', (
    select json_agg(json_build_object('account', p.account_id, 'delta', p.delta) order by p.seq)
    from ledger.posting p where p.transfer_id = t.id))
  from ledger.transfer t where t.id = any ($1)`;

export class PgQueryStore implements QueryStore {
  readonly #lines: Lines;
  readonly #scheduler: Scheduler;
  #waiting: Waiting[] = [];
  #scheduled = false;

  constructor({
    scheduler,
    ...options
  }: Pick<LinesOptions, 'url' | 'log' | 'metrics'> & { readonly scheduler: Scheduler }) {
    this.#scheduler = scheduler;
    this.#lines = new Lines(QUERY_CONNECTIONS, {
      ...options,
      name: 'query',
      settings: {
        statement_timeout: `${QUERY_STATEMENT_MS_MAX}`,
        jit: 'off',
        // planning what a starting user reads takes longer than reading it; made once, perhaps while tables are empty
        plan_cache_mode: 'force_generic_plan',
        enable_seqscan: 'off',
      },
      silenceMsMax: QUERY_SILENCE_MS_MAX,
      waitMsMax: QUERY_WAIT_MS_MAX,
    });
  }

  async tried(): Promise<void> {
    await this.#lines.tried();
  }

  get up(): boolean {
    return this.#lines.up;
  }

  query(query: StoreQuery): Promise<unknown> {
    switch (query.type) {
      case 'user':
        return this.#user(query.id, query.freshMs ?? 0);
      case 'command':
        return this.#command(query.user, query.key);
      case 'userByNumber':
        return this.#userByNumber(query.number);
      case 'pairMet':
        return this.#pairMet(query);
      case 'pairHistory':
        return this.#pairHistory(query);
      case 'hold':
        return this.#one('hold', `${HOLDS} where h.encounter_id = $1`, query.id);
      case 'movements':
        return this.#movements(query);
      case 'offer':
        return this.#one('offer', OFFER, query.id);
      case 'redemption':
        return this.#one('redemption', REDEMPTION, query.id);
      case 'openRedemptions':
        return this.#list('open_redemptions', OPEN_AT_MERCHANT, query.merchant);
      case 'soldByCode':
        return this.#list('sold_by_code', SOLD_BY_CODE, query.merchant, query.code);
      case 'lastSales':
        return this.#list('last_sales', LAST_SALES, query.merchant, query.limit);
      case 'myRedemptions':
        return this.#list('my_redemptions', OPEN_OF_USER, query.user);
      case 'entries':
        return this.#list('entries', ENTRIES, query.ids);
      case 'balanceAt':
        return this.#balanceAt(query.account, query.atMs);
      case 'settledLately':
        return this.#settledLately(query);
      case 'giving':
        return this.#giving(query);
      case 'earned':
        return this.#list('earned', EARNED, query.account);
      case 'unspent':
        return this.#unspent(query);
      case 'lastGiven':
        return this.#lastGiven(query);
      case 'timers':
        return this.#timers(query.kind, query.id);
      case 'fee':
        return this.#fee(query.id, query.payer);
    }
  }

  close(): Promise<void> {
    return this.#lines.close();
  }

  async #command(user: string, key: string): Promise<unknown> {
    const rows = await this.#lines.run({ name: 'command', text: COMMAND, values: [user, key] });
    return rows[0]?.[0] ?? null;
  }

  async #userByNumber(number: number): Promise<string | null> {
    const rows = await this.#lines.run({
      name: 'user_by_number',
      text: 'select id from user_schema.users where number = $1',
      values: [number],
    });
    return (rows[0]?.[0] as string | undefined) ?? null;
  }

  async #pairMet(query: StoreQuery & { type: 'pairMet' }): Promise<string[]> {
    const values = [query.officer, query.civilian, query.afterMs, query.beforeMs];
    const rows = await this.#lines.run({ name: 'pair_met', text: PAIR_MET, values });
    return rows.map(row => row[0] as string);
  }

  async #pairHistory(query: StoreQuery & { type: 'pairHistory' }): Promise<PairHistory> {
    const { officer, civilian, withinMs, pairMax, officerMax, civilianMax } = query;
    const values = [officer, civilian, withinMs, pairMax, officerMax, civilianMax];
    const [row] = await this.#lines.run({ name: 'pair_history', text: PAIR_HISTORY, values });
    const [ages, officerDay, met, officers, knowsOfficer] = row as [
      string[],
      string,
      string,
      string,
      boolean,
    ];
    return {
      agesMs: ages.map(Number),
      officerDay: Number(officerDay),
      civilianMet: Number(met),
      civilianOfficers: Number(officers),
      knowsOfficer,
    };
  }

  /** The JSON value of the row that the statement finds; null when it finds none. */
  async #one(name: string, text: string, id: string): Promise<unknown> {
    const rows = await this.#lines.run({ name, text, values: [id] });
    return rows[0]?.[0] ?? null;
  }

  async #list(name: string, text: string, ...values: unknown[]): Promise<unknown[]> {
    const rows = await this.#lines.run({ name, text, values });
    return rows.map(row => row[0]);
  }

  #lastGiven({ from, to, reason, withinMs }: StoreQuery & { type: 'lastGiven' }): Promise<unknown[]> {
    return this.#list('last_given', LAST_GIVEN, from, to, reason, withinMs);
  }

  async #unspent({ account, stepMs }: StoreQuery & { type: 'unspent' }): Promise<unknown> {
    const rows = await this.#lines.run({ name: 'unspent', text: UNSPENT, values: [account, stepMs] });
    return rows[0]?.[0] ?? null;
  }

  async #timers(kind: string, id: string): Promise<TimerView[]> {
    const rows = await this.#lines.run({ name: 'timers', text: TIMERS, values: [kind, id] });
    return rows.map(row => {
      const [name, dueMs, message] = row as [string, string, string];
      return { name, dueAtMs: Number(dueMs), message: JSON.parse(message) as unknown };
    });
  }

  async #movements({ user, after, limit }: StoreQuery & { type: 'movements' }): Promise<readonly Movement[]> {
    const values = [user, after, limit];
    const rows = await this.#lines.run({ name: 'movements', text: MOVEMENTS, values });
    return ((rows[0]?.[0] as Movement[] | null) ?? []).reverse();
  }

  async #balanceAt(account: string, atMs: number): Promise<number | null> {
    const rows = await this.#lines.run({
      name: 'balance_at',
      text: 'select ledger.balance_at($1, to_timestamp($2::float8 / 1000))',
      values: [account, atMs],
    });
    const [balance] = rows[0] as [string | null];
    return balance === null ? null : Number(balance);
  }

  async #settledLately(query: StoreQuery & { type: 'settledLately' }): Promise<SettledLately[]> {
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

  async #giving({ from, to, reason }: StoreQuery & { type: 'giving' }): Promise<GivingView> {
    const [row] = await this.#lines.run({ name: 'giving', text: GIVING, values: [from, to, reason] });
    const [parties, given] = row as [GivingView['parties'], GivingView['given']];
    return { parties, given };
  }

  async #fee(id: string, payer: string): Promise<FeeView | null> {
    const [row] = await this.#lines.run({ name: 'fee', text: FEE_OF_PAYER, values: [id, payer] });
    if (!row) return null;
    const fee = feeOf(row);
    const values = [[paymentOf(fee, payer)]];
    const posted = await this.#lines.run({ name: 'fee_posted', text: POSTED, values });
    return feeView(fee, posted.length > 0);
  }

  #user(id: string, freshMs: number): Promise<UserRecord | null> {
    if (this.#waiting.length >= QUERY_WAITING_MAX) {
      return Promise.reject(new CommitError('unavailable', 'too many users wait to be loaded'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id, freshMs, resolve, reject });
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
      const freshMs = Math.max(...batch.map(one => one.freshMs));
      const users = { name: 'users', text: USERS, values: [ids, freshMs] };
      // a crowd that comes back waits longer than one who asks: the actors give up by themselves
      const rows = await this.#lines.run(users, Number.POSITIVE_INFINITY);
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
  reserved: Number(row[8]),
  encounterCount: Number(row[9]),
  encounters: row[10],
  commands: row[11],
  latestKey: row[21],
  timers: row[12],
  stream: {
    town: row[13],
    others: Number(row[14] ?? 0),
    after: Number(row[15] ?? 0),
    lineage: row[16] ?? 0,
    movements: row[17] ?? NONE,
    events: row[18]?.map(event => ({ ...event, frame: bytesOf(event.frame) })) ?? NONE,
    told: row[19] ?? NOTHING,
  },
  ...(row[20] && { fresh: row[20] }),
});

/** Of its own: a piece of the driver's or of a shared buffer would keep all of it alive. */
const bytesOf = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, 'base64'));
