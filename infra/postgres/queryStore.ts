/**
 * What starting actors read. Users that wake in the same turn of the event loop are loaded by one statement: after a
 * restart thousands wake at once, and a round trip for each would keep them waiting in line.
 */
import type { PairHistory } from '../../actors/fraud/history.ts';
import type {
  FeeView,
  GivingView,
  Movement,
  SettledLately,
  StoreQuery,
  TimerView,
  UserRecord,
} from '../../actors/queries.ts';
import { CommitError, type QueryStore, type Scheduler } from '../../nodes/ports.ts';
import { FEE_OF_PAYER, feeOf, feeView, POSTED, paymentOf } from './feeRows.ts';
import { HOLDS, PAIR_HISTORY, PAIR_MET } from './holdRows.ts';
import { EARNED, ENTRIES, GIVING, LAST_GIVEN, SETTLED_LATELY, UNSPENT } from './ledgerReads.ts';
import {
  QUERY_BATCH_MAX,
  QUERY_CONNECTIONS,
  QUERY_SILENCE_MS_MAX,
  QUERY_STATEMENT_MS_MAX,
  QUERY_WAIT_MS_MAX,
  QUERY_WAITING_MAX,
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
import { COMMAND, MOVEMENTS, recordOf, USERS, type UserRow } from './userRows.ts';

interface Waiting {
  readonly id: string;
  readonly freshMs: number;
  readonly resolve: (record: UserRecord | null) => void;
  readonly reject: (error: unknown) => void;
}

const TIMERS = `
  select name, due_ms, message from ops.actor_timer where kind = $1 and actor = $2 order by due_ms`;

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
      const [id, reason, method, atMs, sides, refunded] = row as [
        string,
        string,
        SettledLately['method'],
        string,
        SettledLately['sides'],
        NonNullable<SettledLately['refunded']> | null,
      ];
      return { id, reason, method, atMs: Number(atMs), sides, ...(refunded && { refunded }) };
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
      const records = new Map(rows.map(row => [row[0] as string, recordOf(row as UserRow)]));
      for (const one of batch) one.resolve(records.get(one.id) ?? null);
    } catch (error) {
      for (const one of batch) one.reject(error);
    }
  }
}
