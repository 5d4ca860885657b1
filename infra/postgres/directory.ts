/** People and what is kept of them, for the REST doors: ordinary reads and writes through the entities. */
import {
  type EntityManager,
  type MikroORM,
  raw,
  UniqueConstraintViolationException,
} from '@mikro-orm/postgresql';
import type { Opinion } from '../../actors/fraud/opinion.ts';
import type { HoldView } from '../../actors/queries.ts';
import type {
  Credential,
  Directory,
  EncounterRow,
  NewUser,
  Random,
  TransactionView,
} from '../../nodes/ports.ts';
import type { MovementRecord } from '../../nodes/rules/explainer.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { Device, LinkedDevice, NewAccount, Officer, OutboxRow, StoredCredential, User } from './entities.ts';
import { HOLDS, NOTE_OPINION } from './holdRows.ts';
import { OUTBOX_TARGET } from './outboxTargets.ts';

const CREDENTIAL = `
  select u.id, u.kind, u.handle, c.password_hash, d.device_id,
    array(select l.device_id from user_schema.linked_device l where l.user_id = u.id order by l.linked_at) as others
  from user_schema.users u
    join identity_schema.credential c on c.user_id = u.id
    join user_schema.device d on d.user_id = u.id`;

const LINK = `
  with linked as (
    insert into user_schema.linked_device (user_id, device_id)
    select u.id, ? from user_schema.users u where u.id = ?
      and not exists (select 1 from user_schema.device d where d.user_id = u.id and d.device_id = ?)
      and (select count(*) from user_schema.linked_device l where l.user_id = u.id) < ?
    on conflict do nothing
    returning user_id)
  select ops.tell_change(user_id, 'device.registered', '{"moved": false, "deviceNumber": null}') from linked`;

/** Whom, what, data and trace. */
const TELL_CHANGE = 'select ops.tell_change(?, ?, ?::jsonb, ?)';

/** Encounters and postings are listed by keyset, so that a page costs the same however far back it is. */
const ENCOUNTERS = `
  select e.id, e.method, coalesce(o.handle, '') as other_handle,
    case when e.officer = ?1 then e.officer_points else e.civilian_points end::text as points,
    (extract(epoch from e.at) * 1000)::bigint::text as at_ms
  from (
    (select * from meet.encounter where officer = ?1 and {page} order by at desc, id desc limit ?2)
    union all
    (select * from meet.encounter where civilian = ?1 and {page} order by at desc, id desc limit ?2)) e
    left join user_schema.users o on o.id = case when e.officer = ?1 then e.civilian else e.officer end
  order by e.at desc, e.id desc limit ?2`;
const ENCOUNTER_PAGE = '(at, id) < (select b.at, b.id from meet.encounter b where b.id = ?3)';

const TRANSACTIONS = `
  select t.id, t.reason, p.delta::text, p.balance_after::text as balance, t.rule_id || '@' || t.rule_version as rule,
    (extract(epoch from t.at) * 1000)::bigint::text as at_ms
  from ledger.posting p join ledger.transfer t on t.id = p.transfer_id
  where p.account_id = ?1 and p.stripe = 0 and {page}
  order by p.account_version_after desc limit ?2`;
const MOVEMENT = `
  select json_build_object('id', t.id, 'reason', t.reason,
    'rule', json_build_object('id', t.rule_id, 'version', t.rule_version, 'trace', t.rule_trace),
    'atMs', (extract(epoch from t.at) * 1000)::bigint,
    'postings', (
      select json_agg(json_build_object('account', p.account_id, 'kind', u.kind, 'delta', p.delta) order by p.seq)
      from ledger.posting p left join user_schema.users u on u.id = p.account_id
      where p.transfer_id = t.id),
    'encounter', case when e.id is not null
      then json_build_object('method', e.method, 'officer', e.officer, 'civilian', e.civilian,
        'metBy', case when e.met_rule is not null
          then json_build_object('id', e.met_rule, 'version', e.met_rule_version) end) end) as movement
  from ledger.transfer t left join meet.encounter e on e.id = t.id
  where t.id = ?`;
const TRANSACTION_PAGE = `p.account_version_after <
  (select b.account_version_after from ledger.posting b where b.transfer_id = ?3 and b.account_id = ?1 limit 1)`;

/** The driver knows `?` only. */
function numbered(sql: string, named: Readonly<Record<string, unknown>>): [sql: string, values: unknown[]] {
  const values: unknown[] = [];
  const positional = sql.replace(/\?[123]/g, name => {
    values.push(named[name]);
    return '?';
  });
  return [positional, values];
}

export class PgDirectory implements Directory {
  readonly #orm: MikroORM;
  readonly #random: Random;
  readonly #nowMs: () => number;
  readonly #onEvent: () => void;

  /**
   * @param options.nowMs wall clock, for the ids of new people
   * @param options.onEvent told when an event waits in the outbox
   */
  constructor(
    orm: MikroORM,
    options: { readonly random: Random; readonly nowMs: () => number; readonly onEvent: () => void },
  ) {
    this.#orm = orm;
    this.#random = options.random;
    this.#nowMs = options.nowMs;
    this.#onEvent = options.onEvent;
  }

  async createUser(
    user: NewUser & { readonly badge: string | null },
  ): Promise<Result<{ readonly userId: string }>> {
    const nowMs = this.#nowMs();
    const userId = this.#random.uuid(nowMs);
    try {
      await this.#orm.em.fork().transactional(async em => this.#write(em, user, userId, nowMs));
    } catch (error) {
      if (!(error instanceof UniqueConstraintViolationException)) throw error;
      return /badge/.test(error.message)
        ? refuse(ERROR.conflict, 'this badge number is already in use')
        : refuse(ERROR.conflict, 'this handle is taken');
    }
    this.#onEvent();
    return ok({ userId });
  }

  credentialByHandle(handle: string): Promise<Credential | null> {
    return this.#credential(`${CREDENTIAL} where lower(u.handle) = lower(?)`, handle);
  }

  credentialById(userId: string): Promise<Credential | null> {
    return this.#credential(`${CREDENTIAL} where u.id = ?`, userId);
  }

  async linkDevice(userId: string, deviceId: string, max: number): Promise<boolean> {
    await this.#rows(LINK, [deviceId, userId, deviceId, max]);
    this.#onEvent();
    const known = await this.credentialById(userId);
    return known?.deviceId === deviceId || known?.otherDevices.includes(deviceId) === true;
  }

  async moveDevice(userId: string, deviceId: string): Promise<void> {
    await this.#orm.em.fork().transactional(async em => {
      await em.nativeUpdate(Device, { userId }, { deviceId, deviceNumber: raw('device_number + 1') });
      await em.nativeDelete(LinkedDevice, { userId });
      const device = await em.findOne(Device, { userId });
      if (device === null) return;
      const data = { moved: true, deviceNumber: device.deviceNumber };
      await em.execute(TELL_CHANGE, [userId, 'device.registered', JSON.stringify(data), null]);
    });
    this.#onEvent();
  }

  async profile(userId: string): ReturnType<Directory['profile']> {
    const user = await this.#orm.em.fork().findOne(User, { id: userId });
    if (!user) return null;
    const { kind, handle, zip, createdAt } = user;
    return {
      userId,
      kind: kind as Credential['kind'],
      handle,
      zip: zip ?? null,
      createdAtMs: createdAt.getTime(),
    };
  }

  async officer(userId: string): ReturnType<Directory['officer']> {
    const rows = await this.#rows(
      `select u.handle, (select count(*) from meet.encounter e where e.officer = u.id)::text as n
       from user_schema.users u where u.id = ? and u.kind = 'officer'`,
      [userId],
    );
    const row = rows[0];
    return row ? { handle: String(row.handle), encounterCount: Number(row.n) } : null;
  }

  async encounters(userId: string, limit: number, before: string | null): Promise<EncounterRow[]> {
    const rows = await this.#page(ENCOUNTERS, ENCOUNTER_PAGE, userId, limit, before);
    return rows.map(row => ({
      id: String(row.id),
      method: String(row.method),
      otherHandle: String(row.other_handle),
      points: Number(row.points),
      atMs: Number(row.at_ms),
    }));
  }

  async holds(limit: number): Promise<readonly HoldView[]> {
    const rows = await this.#rows(`${HOLDS} where h.verdict = 'held' order by h.at limit ?`, [limit]);
    return rows.map(row => row.hold as HoldView);
  }

  async hold(encounterId: string): Promise<HoldView | null> {
    const [row] = await this.#rows(`${HOLDS} where h.encounter_id = ?`, [encounterId]);
    return (row?.hold as HoldView | undefined) ?? null;
  }

  async noteOpinion(encounterId: string, userId: string, opinion: Opinion): Promise<void> {
    await this.#rows(...numbered(NOTE_OPINION, { '?1': encounterId, '?2': userId, '?3': opinion }));
  }

  async movement(transferId: string): Promise<MovementRecord | null> {
    const [row] = await this.#rows(MOVEMENT, [transferId]);
    return (row?.movement as MovementRecord | undefined) ?? null;
  }

  async transactions(userId: string, limit: number, before: string | null): Promise<TransactionView[]> {
    const rows = await this.#page(TRANSACTIONS, TRANSACTION_PAGE, userId, limit, before);
    return rows.map(row => ({
      id: String(row.id),
      reason: String(row.reason),
      delta: Number(row.delta),
      balance: Number(row.balance),
      rule: String(row.rule),
      atMs: Number(row.at_ms),
    }));
  }

  async balanceAt(userId: string, atMs: number): Promise<number | null> {
    const sql = 'select ledger.balance_at(?, to_timestamp(?::float8 / 1000))::text as balance';
    const [row] = await this.#rows(sql, [userId, atMs]);
    return row?.balance == null ? null : Number(row.balance);
  }

  /** Person, credential, device, badge, empty account and event: all or nothing. */
  async #write(
    em: EntityManager,
    user: NewUser & { readonly badge: string | null },
    userId: string,
    nowMs: number,
  ): Promise<void> {
    const { kind, handle, zip, badge, passwordHash, deviceId } = user;
    await em.insert(User, { id: userId, kind, handle, zip, createdAt: new Date(nowMs) });
    await em.insert(StoredCredential, { userId, passwordHash });
    await em.insert(Device, { userId, deviceId, deviceNumber: 1 });
    if (badge !== null) await em.insert(Officer, { userId, badge });
    await em.insert(NewAccount, { accountId: userId, limited: true });
    const eventId = this.#random.uuid(nowMs);
    const trace = user.trace ?? null;
    await em.insert(OutboxRow, {
      target: OUTBOX_TARGET.userEvents,
      keys: [userId],
      traces: trace === null ? null : [trace],
      payload: {
        id: eventId,
        type: 'user.registered',
        version: 1,
        time: new Date(nowMs).toISOString(),
        subject: userId,
        seq: 1,
        data: { userId, kind, zip },
      },
    });
    if (badge === null) return;
    await em.execute(TELL_CHANGE, [userId, 'user.verified', JSON.stringify({ kind }), trace]);
  }

  async #credential(sql: string, value: string): Promise<Credential | null> {
    const [row] = await this.#rows(sql, [value]);
    if (!row) return null;
    return {
      userId: String(row.id),
      kind: row.kind as Credential['kind'],
      handle: String(row.handle),
      passwordHash: String(row.password_hash),
      deviceId: String(row.device_id),
      otherDevices: row.others as string[],
    };
  }

  #page(
    sql: string,
    page: string,
    userId: string,
    limit: number,
    before: string | null,
  ): Promise<Record<string, unknown>[]> {
    const text = sql.replaceAll('{page}', before === null ? 'true' : page);
    return this.#rows(...numbered(text, { '?1': userId, '?2': limit, '?3': before }));
  }

  #rows(sql: string, values: unknown[]): Promise<Record<string, unknown>[]> {
    return this.#orm.em.getConnection().execute(sql, values, 'all');
  }
}
