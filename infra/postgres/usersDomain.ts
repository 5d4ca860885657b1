/** The users domain in PostgreSQL: one statement that takes what events mean, and the questions of the seed. */
import type { Log } from '../../nodes/ports.ts';
import type {
  Donation,
  GoodsSold,
  Movement,
  OfficerMet,
  Participation,
  UsersDomain,
} from '../../nodes/usersDomainPort.ts';
import type { Facts } from '../streams/facts.ts';
import { INBOX_DAYS } from '../streams/limits.ts';
import { QUERY_SILENCE_MS_MAX, QUERY_STATEMENT_MS_MAX } from './limits.ts';
import { Lines } from './lines.ts';

const rowsOf = (table: string, parameter: number): string =>
  `(select t.* from jsonb_populate_recordset(null::${table}, $${parameter}::jsonb) t join fresh f on f.event_id = t.event_id)`;

/**
 * Whoever was erased has a row without a zip code since then (migration 35), which stays as it is. Where the read model is made
 * anew there is no such row, and the trail tells.
 */
const ZIP = `case when not exists (select from ops.operator_audit a
    where a.user_id = p.user_id and a.action = 'person.erase') then p.zip end`;

/** Only what the inbox did not know; counted rows in one order, so that two readers never wait for each other in a ring. */
const PROJECT = `
with fresh as (
  insert into users.inbox (event_id) select unnest($1::uuid[]) order by 1 on conflict do nothing returning event_id),
persons as (
  insert into users.person (user_id, kind, zip, at)
  select p.user_id, p.kind, ${ZIP}, p.at
  from jsonb_to_recordset($2::jsonb) as p(event_id uuid, user_id uuid, kind text, zip text, at timestamptz)
    join fresh f on f.event_id = p.event_id
  on conflict do nothing),
transactions as (
  insert into users.transaction select * from ${rowsOf('users.transaction', 3)} t on conflict do nothing),
met as materialized ${rowsOf('users.encounter', 4)},
encounters as (insert into users.encounter select * from met on conflict do nothing),
donations as (
  insert into users.donation select * from ${rowsOf('users.donation', 5)} t on conflict do nothing),
sales as (insert into users.sale select * from ${rowsOf('users.sale', 6)} t on conflict do nothing)
insert into users.participation as p (day, zip, user_id, as_officer, encounters)
select (m.at at time zone 'UTC')::date, m.zip, side.user_id, side.as_officer, count(*)
from met m cross join lateral (values (m.civilian, false), (m.officer, true)) as side(user_id, as_officer)
group by 1, 2, 3, 4 order by 1, 2, 3, 4
on conflict (day, zip, user_id, as_officer) do update set encounters = p.encounters + excluded.encounters`;

const MODEL = 'select id, (extract(epoch from since) * 1000)::bigint::text from users.model';

const PRUNE = `delete from users.inbox where at < now() - interval '${INBOX_DAYS} days'`;

const MS = (column: string): string => `(extract(epoch from ${column}) * 1000)::bigint::text`;

const OFFICERS_MET = `
select e.officer, coalesce(u.handle, ''), count(*)::int, ${MS('min(e.at)')}, ${MS('max(e.at)')}
from users.encounter e left join user_schema.users u on u.id = e.officer
where e.civilian = $1::uuid group by e.officer, u.handle order by max(e.at) desc, e.officer limit $2::int`;

const TRANSACTIONS = `
select t.event_id, t.type, t.reason, t.delta::text, t.balance::text, t.rule_id || '@' || t.rule_version, ${MS('t.at')}
from users.transaction t
where t.user_id = $1::uuid and ($3::uuid is null or (t.at, t.event_id) <
  (select b.at, b.event_id from users.transaction b where b.event_id = $3::uuid and b.user_id = $1::uuid))
order by t.at desc, t.event_id desc limit $2::int`;

const DONATIONS = `
select d.event_id, d.donor, p.kind, d.points::text, ${MS('d.at')}
from users.donation d left join users.person p on p.user_id = d.donor
where d.beneficiary = $1::uuid and ($3::uuid is null or (d.at, d.event_id) <
  (select b.at, b.event_id from users.donation b where b.event_id = $3::uuid and b.beneficiary = $1::uuid))
order by d.at desc, d.event_id desc limit $2::int`;

const GOODS_SOLD = `
select s.offer, count(*) filter (where s.quantity > 0)::int, sum(s.quantity)::text, sum(s.points)::text, ${MS('max(s.at)')}
from users.sale s where s.merchant = $1::uuid group by s.offer
order by sum(s.quantity) desc, s.offer limit $2::int`;

const PARTICIPATION = `
select p.day::text, coalesce(nullif(p.zip, ''), h.zip, ''),
  count(distinct p.user_id) filter (where not p.as_officer)::int,
  count(distinct p.user_id) filter (where p.as_officer)::int,
  coalesce(sum(p.encounters) filter (where not p.as_officer), 0)::text
from users.participation p left join users.person h on h.user_id = p.user_id and not p.as_officer
where p.day between $1::date and $2::date
group by 1, 2 order by 1, 2 limit $3::int`;

type Row = readonly (string | number | null)[];

export class PgUsersDomain implements UsersDomain {
  readonly #lines: Lines;

  constructor(options: { readonly url: string; readonly log: Log; readonly name?: string }) {
    this.#lines = new Lines(1, {
      url: options.url,
      log: options.log,
      name: options.name ?? 'users domain',
      settings: { statement_timeout: `${QUERY_STATEMENT_MS_MAX}`, jit: 'off' },
      silenceMsMax: QUERY_SILENCE_MS_MAX,
    });
  }

  /** Resolves after the first try to connect. */
  async tried(): Promise<void> {
    await this.#lines.tried();
  }

  /**
   * Takes what events mean; those that it has taken before change nothing.
   *
   * @throws CommitError; `poison` when a row cannot be stored: then none of them was
   */
  async project({ events, persons, transactions, encounters, donations, sales }: Facts): Promise<void> {
    const rows = [persons, transactions, encounters, donations, sales].map(one => JSON.stringify(one));
    await this.#lines.tried();
    await this.#lines.run({ name: 'project', text: PROJECT, values: [events, ...rows] });
  }

  /** The name of this copy, and since when, Unix milliseconds, anything can be of it. */
  async model(): Promise<{ readonly id: string; readonly sinceMs: number }> {
    await this.#lines.tried();
    const [[id, since] = []] = await this.#rows('users_model', MODEL, []);
    return { id: String(id), sinceMs: Number(since) };
  }

  /** Forgets events that no stream has any more. */
  async prune(): Promise<void> {
    await this.#lines.run({ name: 'inbox_prune', text: PRUNE, values: [] });
  }

  async officersMet(civilian: string, limit: number): Promise<OfficerMet[]> {
    const rows = await this.#rows('officers_met', OFFICERS_MET, [civilian, limit]);
    return rows.map(([id, handle, encounters, first, last]) => ({
      officerId: String(id),
      handle: String(handle),
      encounters: Number(encounters),
      firstAtMs: Number(first),
      lastAtMs: Number(last),
    }));
  }

  async transactions(userId: string, limit: number, before: string | null): Promise<Movement[]> {
    const rows = await this.#rows('user_transactions', TRANSACTIONS, [userId, limit, before]);
    return rows.map(([id, type, reason, delta, balance, rule, at]) => ({
      id: String(id),
      type: String(type),
      reason: String(reason),
      delta: Number(delta),
      balance: balance === null ? null : Number(balance),
      rule: String(rule),
      atMs: Number(at),
    }));
  }

  async donationsTo(beneficiary: string, limit: number, before: string | null): Promise<Donation[]> {
    const rows = await this.#rows('donations_to', DONATIONS, [beneficiary, limit, before]);
    return rows.map(([id, donor, kind, points, at]) => ({
      id: String(id),
      donorId: String(donor),
      donorKind: kind === null ? null : String(kind),
      points: Number(points),
      atMs: Number(at),
    }));
  }

  async goodsSold(merchant: string, limit: number): Promise<GoodsSold[]> {
    const rows = await this.#rows('goods_sold', GOODS_SOLD, [merchant, limit]);
    return rows.map(([offer, sales, quantity, points, at]) => ({
      offerId: String(offer),
      sales: Number(sales),
      quantity: Number(quantity),
      points: Number(points),
      lastAtMs: Number(at),
    }));
  }

  async participation(fromDay: string, toDay: string, limit: number): Promise<Participation[]> {
    const rows = await this.#rows('participation', PARTICIPATION, [fromDay, toDay, limit]);
    return rows.map(([day, zip, civilians, officers, encounters]) => ({
      day: String(day),
      zip: String(zip),
      civilians: Number(civilians),
      officers: Number(officers),
      encounters: Number(encounters),
    }));
  }

  close(): Promise<void> {
    return this.#lines.close();
  }

  async #rows(name: string, text: string, values: readonly unknown[]): Promise<Row[]> {
    return (await this.#lines.run({ name, text, values })) as unknown as Row[];
  }
}
