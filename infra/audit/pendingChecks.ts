/** Is what was set aside still there, and was whatever became of it done once? */
import { OVERDUE_S } from './limits.ts';
import type { SqlCheck } from './sqlChecks.ts';

export const PENDING_CHECKS: readonly SqlCheck[] = [
  {
    name: 'reserved',
    about: 'what an account has set aside is the sum of what is pending',
    of: 'ledger.pending',
    sql: `select coalesce(a.account_id, p.payer) as id,
        'has ' || coalesce(a.reserved, 0) || ' points set aside, what is pending makes ' || coalesce(p.points, 0) as what
      from (select account_id, sum(reserved) as reserved from ledger.account group by 1) a
        full join (select payer, sum(points) as points from ledger.pending where state = 'pending' group by 1) p
          on p.payer = a.account_id
      where coalesce(a.reserved, 0) <> coalesce(p.points, 0)`,
  },
  {
    name: 'pending-once',
    about: 'what is pending is posted, voided or expired once, in its time, and says so in one way',
    of: 'ledger.pending',
    sql: `select id, what from (
        select id, case
          when state = 'posted' and (transfer_id is null or posted_points is null) then 'was posted and names no transfer'
          when state <> 'posted' and (transfer_id is not null or posted_points is not null)
            then 'is ' || state || ' and was posted, too' || coalesce(' as ' || transfer_id, '')
          when posted_points < 1 or posted_points > points
            then posted_points || ' points of ' || points || ' were posted'
          when (state = 'pending') <> (settled_at is null) then 'is ' || state || ' and its time of that says otherwise'
          when settled_at < at then 'was settled before it was made'
          when state = 'posted' and settled_at >= expires_at then 'was posted when its time was over'
          when points < 1 then 'sets ' || points || ' points aside'
        end as what
        from ledger.pending) p
      where what is not null
      union all
      select transfer_id, 'pays ' || count(*) || ' that were pending' from ledger.pending
        where transfer_id is not null group by 1 having count(*) > 1`,
  },
  {
    name: 'pending-transfers',
    about: 'the transfer of what was posted moves just that, and none pays a redemption that was not pending',
    of: 'ledger.pending',
    sql: `select p.id, case
          when t.id is null then 'was posted as ' || p.transfer_id || ', which is no transfer'
          when t.at <> p.settled_at then 'was posted at another time than its transfer ' || t.id
          else 'was posted with ' || p.posted_points || ' points, its transfer ' || t.id || ' moves '
            || coalesce(-sum(l.delta) filter (where l.account_id = p.payer), 0) end as what
      from ledger.pending p
        left join ledger.transfer t on t.id = p.transfer_id
        left join ledger.posting l on l.transfer_id = p.transfer_id
      where p.state = 'posted' and p.transfer_id is not null
      group by p.id, t.id
      having t.id is null or t.at <> p.settled_at
        or coalesce(sum(l.delta) filter (where l.account_id = p.payer), 0) <> -p.posted_points
        or coalesce(sum(l.delta) filter (where l.account_id = p.payee), 0) <> p.posted_points
      union all
      select t.id, 'pays a redemption, and nothing pending names it' from ledger.transfer t
        where t.reason = 'redemption' and not exists (select from ledger.pending p where p.transfer_id = t.id)
      union all
      select p.id, 'is pending and a transfer at once' from ledger.pending p join ledger.transfer t on t.id = p.id`,
  },
  {
    name: 'pending-overdue',
    about: 'what nobody may post any more is given back within an hour',
    of: 'ledger.pending',
    sql: `select id, points || ' points of ' || payer || ' are set aside although their time ended at ' || expires_at as what
      from ledger.pending where state = 'pending' and expires_at < now() - interval '${OVERDUE_S} seconds'`,
  },
];
