/** May be spent from an account what was told of it last (migration 34), and is it open or closed as was told? */
import type { SqlCheck } from './sqlChecks.ts';

export const ACCOUNT_CHECKS: readonly SqlCheck[] = [
  {
    name: 'accounts',
    about: 'limits and closings of accounts are what was told last',
    of: 'ops.told_change',
    sql: `select c.user_id as id, 'was told to be ' || case when a.closed then 'open, and is closed' else 'closed, and is open' end as what
      from (select distinct on (user_id) user_id, coalesce((data ->> 'active')::boolean, false) as active from ops.told_change
            where type in ('user.updated', 'user.deactivated') order by user_id, number desc) c
        join lateral (select bool_or(closed) as closed from ledger.account where account_id = c.user_id) a on true
      where a.closed = c.active
      union all
      select c.user_id, 'was told to have the limits ' || c.told || ', and has ' || l.kept
      from (select distinct on (user_id) user_id, json_build_array(data -> 'entryMax', data -> 'dayMax')::text as told
            from ops.told_change where type = 'user.updated' order by user_id, number desc) c
        join lateral (select json_build_array(max(entry_max), max(day_max))::text as kept
                           from ledger.debit_limit where account_id = c.user_id) l on true
      where c.told <> l.kept`,
  },
];
