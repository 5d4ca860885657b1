/** May be spent from an account what was told of it last (migration 34), and is it open or closed as was told? */
import { CHANGES_SINCE } from './facts.ts';
import type { SqlCheck } from './sqlChecks.ts';

/** Of whoever came since there are lines, and was told of in none of these types. */
const untold = (account: string, ...types: readonly string[]): string => `
        join user_schema.users u on u.id = ${account}
          and u.created_at >= (select executed_at from ops.migration where name = '${CHANGES_SINCE}')
      where not exists (select from ops.told_change c where c.user_id = ${account} and c.type in (${types.map(one => `'${one}'`)}))`;

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
      where c.told <> l.kept
      union all
      select a.account_id, 'is closed, and nobody was told' from ledger.account a
        ${untold('a.account_id', 'user.updated', 'user.deactivated')} and a.closed
      union all
      select l.account_id, 'has limits of which nobody was told' from ledger.debit_limit l
        ${untold('l.account_id', 'user.updated')} and (l.entry_max is not null or l.day_max is not null)`,
  },
];
