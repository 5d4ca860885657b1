/**
 * Do the read tables of the users domain say what the ledger and the market say? They are made from the streams, so what is on
 * its way there is not missing: it waits in the outbox, came into its stream lately, or has only just happened.
 */
import { toldSinceMs } from './factRows.ts';
import type { IdSet } from './idSet.ts';
import { MINT } from './limits.ts';
import { Finds } from './report.ts';
import type { Snapshot } from './snapshot.ts';

export interface UsersCheck {
  readonly name: string;
  /** One line for `--help`. */
  readonly about: string;
  readonly of: string;
  /**
   * `id, what, event, at` of what is wrong. `event`: the identity (`facts.ts`) of what would explain a row that is missing while
   * it is on its way; null: nothing would. Asked by
   * `asked.since`: missing is only what happened since then; `asked.shared`: rows of other towns may be there.
   */
  readonly sql: string;
}

const DIFFERENT = 'stands otherwise in the read model than it was';
const ms = (at: string): string => `date_trunc('milliseconds', ${at})`;

export const USERS_CHECKS: readonly UsersCheck[] = [
  {
    name: 'users-people',
    about:
      'everybody who has an account is in the read model, and nobody else; of whoever was erased nothing but the kind',
    of: 'users.person',
    // of whoever was erased the account remains, and the id
    sql: `select coalesce(u.id, p.user_id) as id, case when p.user_id is null then 'has an account and is not in the read model'
          when u.id is null and p.zip is not null and a.id is not null then 'was erased and has a zip code in the read model'
          when u.id is null then 'is in the read model and never had an account' else '${DIFFERENT}' end as what,
        case when p.user_id is null then md5('registered ' || u.id) end as event, u.created_at as at
      from user_schema.users u full join users.person p on p.user_id = u.id
        left join lateral (select account_id as id from ledger.account where u.id is null and account_id = p.user_id limit 1) a on true
      where p.user_id is null and u.created_at >= asked.since
        or u.id is null and (a.id is null and not asked.shared or a.id is not null and p.zip is not null)
        or u.id = p.user_id and (u.kind, u.zip, ${ms('u.created_at')}) is distinct from (p.kind, p.zip, p.at)`,
  },
  {
    name: 'users-transactions',
    about: 'the transactions of everybody in the read model are those of the ledger',
    of: 'users.transaction',
    sql: `with moved as (
        select t.id as event_id, p.account_id as user_id, t.reason, p.delta, p.balance_after as balance,
          p.account_version_after as version, t.rule_id, t.rule_version, t.at,
          case when e.id is not null or t.reason = 'encounter' then 'encounter.recorded'
            when t.reason = 'donation' then 'points.donated'
            when t.reason = 'giveaway' then 'points.giveaway'
            when t.reason in ('reversal', 'correction') then 'points.reversed'
            when t.reason = 'expiry' then 'points.expired'
            when m.transfer_id is not null then 'points.awarded' else 'points.transferred' end as type
        from ledger.transfer t join ledger.posting p on p.transfer_id = t.id and p.account_id <> '${MINT}'
          left join meet.encounter e on e.id = t.id
          left join (select transfer_id from ledger.posting where account_id = '${MINT}' group by 1 having sum(delta) < 0) m
            on m.transfer_id = t.id)
      select coalesce(m.event_id, r.event_id) as id, 'of ' || coalesce(m.user_id, r.user_id) || case
          when r.event_id is null then ' is not in the read model' when m.event_id is null then ' is in the read model and moved nothing'
          else ' ${DIFFERENT}' end as what, case when r.event_id is null then m.event_id::text end as event, m.at
      from moved m full join users.transaction r on r.event_id = m.event_id and r.user_id = m.user_id
      where r.event_id is null and m.at >= asked.since or m.event_id is null and not asked.shared
        or m.event_id = r.event_id
          and (m.type, m.reason, m.delta, m.balance, m.version, m.rule_id, m.rule_version, ${ms('m.at')})
            is distinct from (r.type, r.reason, r.delta, r.balance, r.version, r.rule_id, r.rule_version, r.at)`,
  },
  {
    name: 'users-encounters',
    about: 'who met whom in the read model met',
    of: 'users.encounter',
    sql: `with met as (select e.*, t.at as paid_at from meet.encounter e join ledger.transfer t on t.id = e.id)
      select coalesce(m.id, r.event_id) as id, case when r.event_id is null then 'is an encounter and not in the read model'
          when m.id is null then 'is an encounter of the read model alone' else '${DIFFERENT}' end as what,
        case when r.event_id is null then m.id::text end as event, m.paid_at as at
      from met m full join users.encounter r on r.event_id = m.id
      where r.event_id is null and m.paid_at >= asked.since or m.id is null and not asked.shared
        or m.id = r.event_id and (m.civilian, m.officer, m.method, coalesce(m.zip, ''), m.civilian_points, m.officer_points,
            ${ms('m.paid_at')})
          is distinct from (r.civilian, r.officer, r.method, r.zip, r.civilian_points, r.officer_points, r.at)`,
  },
  {
    name: 'users-donations',
    about: 'who gave to whom in the read model gave so much',
    of: 'users.donation',
    sql: `with given as (
        select t.id, t.at, d.account_id as donor, p.account_id as beneficiary, p.delta as points
        from ledger.transfer t
          join (select distinct on (p.transfer_id) p.transfer_id, p.account_id
                from ledger.posting p join ledger.transfer t on t.id = p.transfer_id and t.reason = 'donation'
                where p.delta < 0 and p.account_id <> '${MINT}' order by p.transfer_id, p.seq) d on d.transfer_id = t.id
          join ledger.posting p on p.transfer_id = t.id and p.delta > 0
        where t.reason = 'donation')
      select coalesce(g.id, r.event_id) as id, 'to ' || coalesce(g.beneficiary, r.beneficiary) || case
          when r.event_id is null then ' was given and is not in the read model'
          when g.id is null then ' is in the read model and was not given' else ' ${DIFFERENT}' end as what,
        case when r.event_id is null then g.id::text end as event, g.at
      from given g full join users.donation r on r.event_id = g.id and r.beneficiary = g.beneficiary
      where r.event_id is null and g.at >= asked.since or g.id is null and not asked.shared
        or g.id = r.event_id and (g.donor, g.points, ${ms('g.at')}) is distinct from (r.donor, r.points, r.at)`,
  },
  {
    name: 'users-sales',
    about: 'what a merchant sold and took back is in the read model, once',
    of: 'users.sale',
    // an event's id is not in the rows: those of one redemption that are alike are taken in their order
    sql: `with sold as (
        select *, row_number() over (partition by id, quantity, points order by at, event) as n from (
          select r.id, r.merchant, r.offer_id as offer, r.user_id as customer, r.sold_quantity as quantity, r.sold_points as points,
            r.settled_at as at, 'settled ' || r.id as event
          from market.redemption r where r.state = 'confirmed'
          union all
          select r.id, f.merchant, r.offer_id, r.user_id, -f.quantity, -f.points, f.at, 'refunded ' || f.transfer_id
          from market.refund f join market.redemption r on r.id = f.redemption_id) s
      ), told as (
        select *, row_number() over (partition by redemption_id, quantity, points order by at, event_id) as n from users.sale)
      select coalesce(s.id, r.redemption_id) as id, case when r.event_id is null
          then 'was sold or taken back (' || s.quantity || ' for ' || s.points || ') and is not in the read model'
          when s.id is null then 'is in the read model (' || r.quantity || ' for ' || r.points || ') and was not sold or taken back'
          else '${DIFFERENT}' end as what, case when r.event_id is null then md5(s.event) end as event, s.at
      from sold s full join told r on r.redemption_id = s.id and r.quantity = s.quantity and r.points = s.points and r.n = s.n
      where r.event_id is null and s.at >= asked.since or s.id is null and not asked.shared
        or s.id = r.redemption_id and ((s.merchant, s.offer, s.customer) is distinct from (r.merchant, r.offer, r.customer)
          or s.at >= asked.since and ${ms('s.at')} <> r.at)`,
  },
  {
    name: 'users-participation',
    about: 'who took part where, in the read model, is the sum of its encounters',
    of: 'users.participation',
    sql: `with met as (
        select (e.at at time zone 'utc')::date as day, e.zip, s.user_id, s.as_officer, count(*) as encounters
        from users.encounter e cross join lateral (values (e.civilian, false), (e.officer, true)) as s(user_id, as_officer)
        group by 1, 2, 3, 4)
      select user_id as id, 'took part ' || coalesce(r.encounters, 0) || ' times on ' || day || ' in "' || zip || '", and met '
          || coalesce(m.encounters, 0) as what, null as event, null::timestamptz as at
      from met m full join users.participation r using (day, zip, user_id, as_officer)
      where m.encounters is distinct from r.encounters`,
  },
];

export interface UsersOptions {
  /** The streams have what other towns wrote, too. */
  readonly shared: boolean;
  /** Identities of what waits to be published, and of what came into a stream lately. */
  readonly onTheWay: readonly IdSet[];
  /** What happened at this time and later may be on its way, Unix milliseconds. */
  readonly youngMs: number;
}

interface Row {
  readonly id: string;
  readonly what: string;
  readonly event: string | null;
  readonly at_ms: number | null;
}

export const checkUsers = async (
  snapshot: Snapshot,
  { of, sql }: UsersCheck,
  { shared, onTheWay, youngMs }: UsersOptions,
): Promise<{ looked: number; finds: Finds } | { skipped: string }> => {
  if (!(await snapshot.has(of))) return { skipped: `there is no ${of}` };
  const sinceMs = await toldSinceMs(snapshot);
  const [counted] = await snapshot.rows<{ n: string }>(`select count(*) as n from ${of}`);
  const finds = new Finds();
  const rows = snapshot.pages<Row>(
    `select id::text, what, event, (extract(epoch from at) * 1000)::float8 as at_ms
     from (select to_timestamp($1::float8 / 1000) as since, $2::boolean as shared) asked cross join lateral (${sql}) w`,
    [sinceMs, shared],
  );
  for await (const page of rows) {
    for (const { id, what, event, at_ms } of page) {
      const isOnTheWay = event !== null && ((at_ms ?? 0) >= youngMs || onTheWay.some(set => set.has(event)));
      if (!isOnTheWay) finds.add(id, what);
    }
  }
  return { looked: Number(counted?.n), finds };
};
