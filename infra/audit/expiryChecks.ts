/**
 * Did only those points expire that were old enough? The rule of such an entry says by its version how many days points live.
 * Whatever came within so many days before the entry must be there after it: what is younger was not taken.
 */
import { EXPIRED } from './limits.ts';
import type { SqlCheck } from './sqlChecks.ts';

export const EXPIRY_CHECKS: readonly SqlCheck[] = [
  {
    name: 'expiry',
    about: 'points that expired had come to their end, and went from one account to where expired points go',
    of: 'ledger.transfer',
    sql: `select t.id, 'is of ' || t.reason || ', and ' || count(*) filter (where p.account_id = '${EXPIRED}')
          || ' of its ' || count(*) || ' sides are of expired points' as what
        from ledger.transfer t join ledger.posting p on p.transfer_id = t.id
        where t.reason = 'expiry'
          or exists (select from ledger.posting e where e.account_id = '${EXPIRED}' and e.transfer_id = t.id)
        group by t.id
        having t.reason <> 'expiry' or count(*) <> 2
          or count(*) filter (where p.account_id = '${EXPIRED}' and p.delta > 0) <> 1
      union all
      select t.id, 'left ' || p.balance_after || ' points to ' || p.account_id || ', of which ' || young.points
          || ' had come less than ' || t.rule_version || ' days before' as what
        from ledger.transfer t
          join ledger.posting p on p.transfer_id = t.id and p.delta < 0
          cross join lateral (
            select coalesce(sum(c.delta), 0) as points from ledger.posting c join ledger.transfer came on came.id = c.transfer_id
            where c.account_id = p.account_id and c.stripe = p.stripe and c.delta > 0
              and c.account_version_after < p.account_version_after
              and came.at > t.at - t.rule_version * interval '1 day') young
        where t.reason = 'expiry' and p.balance_after < young.points`,
  },
];
