/** Entries of the ledger as actors ask for them: one JSON value in each row, unless a line says otherwise. */
import { EXPIRED_ACCOUNT, MINT_ACCOUNT } from '../../actors/durable.ts';
import { POSTINGS_MAX } from './limits.ts';
import { refundedBy } from './marketReads.ts';

/** The newest postings of $1, each with its transfer. */
const NEWEST_OF = `
  ledger.account a
    join ledger.posting p on p.account_id = a.account_id and p.stripe = 0
      and p.account_version_after > a.version - ${POSTINGS_MAX}
    cross join lateral (select one.id, one.reason, one.at from ledger.transfer one
                        where one.id = p.transfer_id offset 0) t
  where a.account_id = $1 and a.stripe = 0`;

/** What $1 earned within a day. */
export const EARNED = `
  select json_build_object('id', t.id, 'reason', t.reason, 'points', p.delta)
  from ${NEWEST_OF} and p.delta >= 0 and t.reason in ('encounter', 'promotion')
    and t.at > now() - interval '24 hours'`;

/** Gifts of $1: $2 to whom, $3 why, $4 within so many milliseconds. */
export const LAST_GIVEN = `
  select json_build_object('id', t.id, 'to', g.account_id)
  from (select t.id from ${NEWEST_OF} and p.delta < 0 and t.reason = $3
          and t.at > now() - $4 * interval '1 millisecond') t
    join ledger.posting g on g.transfer_id = t.id and g.delta > 0 and g.account_id = any ($2::uuid[])`;

/** What $1 has not spent, by age: $2 milliseconds of a step. One statement: account and postings are of one moment. */
export const UNSPENT = `
  select json_build_object('balance', a.balance, 'reserved', a.reserved, 'version', a.version, 'lots', (
    select coalesce(json_agg(json_build_object('step', u.step, 'points', u.points) order by u.step), '[]')
    from ledger.unspent(a.account_id, a.version, a.balance - a.reserved, $2) u))
  from ledger.account a where a.account_id = $1 and a.stripe = 0`;

/** $1 ids. */
export const ENTRIES = `
  select json_build_object('id', t.id, 'reason', t.reason, 'legs', (
    select json_agg(json_build_object('account', p.account_id, 'delta', p.delta) order by p.seq)
    from ledger.posting p where p.transfer_id = t.id))
  from ledger.transfer t where t.id = any ($1)`;

/**
 * $1 shards, $2 milliseconds back, $3 how many; columns, as people are told of it by who takes the shards over. The range of block ranges on the time keeps
 * this away from the past; the sides are read for what is left.
 */
export const SETTLED_LATELY = `
(select t.id, t.reason, e.method, (extract(epoch from t.at) * 1000)::bigint,
  (select coalesce(json_agg(json_build_object('account', p.account_id, 'handle', coalesce(u.handle, ''),
       'delta', p.delta, 'balance', p.balance_after, 'version', p.account_version_after) order by p.seq), '[]')
   from ledger.posting p left join user_schema.users u on u.id = p.account_id
   where p.transfer_id = t.id and p.account_id not in ('${MINT_ACCOUNT}', '${EXPIRED_ACCOUNT}')),
  case when t.reason = 'refund' then (${refundedBy('t.id')}) end
from (select * from ledger.transfer
      where shard = any ($1) and at > now() - $2 * interval '1 millisecond'
      order by at desc limit $3) t
  left join meet.encounter e on e.id = t.id
order by t.at desc)
union all
(select h.encounter_id, h.verdict, h.method, (extract(epoch from h.at) * 1000)::bigint,
  (select json_agg(json_build_object('account', n.account, 'handle', coalesce(u.handle, ''),
       'delta', 0, 'balance', 0, 'version', 0))
   from unnest(array[h.civilian, h.officer]) as n(account) left join user_schema.users u on u.id = n.account),
  null
from meet.hold h
where h.shard = any ($1) and greatest(h.at, h.decided_at) > now() - $2 * interval '1 millisecond'
  and h.verdict <> 'released'
order by greatest(h.at, h.decided_at) desc limit $3)
limit $3`;

/** $1 who gives, $2 whom, $3 why: two columns. */
export const GIVING = `
select
  (select coalesce(json_agg(json_build_object('id', u.id, 'kind', u.kind, 'closed', a.closed,
       'verified', exists (select from giving.catalog c
         where c.account = u.id and c.kind = u.kind and c.status = 'verified'))), '[]')
   from user_schema.users u join ledger.account a on a.account_id = u.id and a.stripe = 0
   where u.id = any ($2::uuid[])),
  (select coalesce(json_agg(json_build_object('id', g.id, 'points', g.points)), '[]')
   from ledger.given_since($1::uuid, $3, now() - interval '24 hours') g)`;
