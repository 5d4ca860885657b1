/** Is what must be told written down to be told, and is it told in time? What waits is in no follower yet, and not missing. */
import { TARGET } from './limits.ts';
import type { SqlCheck } from './sqlChecks.ts';

export const OUTBOX_CHECKS: readonly SqlCheck[] = [
  {
    name: 'outbox-events',
    about: 'what waits to be published tells of transfers and accounts that are there',
    of: 'ops.outbox',
    sql: `select event_id as id, 'waits to be told (row ' || row || ') and is no transfer' as what
      from (select o.id as row, unnest(o.event_ids) as event_id from ops.outbox o
            where o.target = ${TARGET.transactions} and o.payload is null) w
      where event_id is not null and not exists (select from ledger.transfer t where t.id = event_id)
      union all
      select key, 'has a balance to be told (row ' || row || ') and is no account'
      from (select o.id as row, unnest(o.keys) as key from ops.outbox o where o.target = ${TARGET.balances}) w
      where key is not null and not exists (select from ledger.account a where a.account_id = key)`,
  },
  {
    name: 'outbox-late',
    about: 'nothing waits to be published for longer than --bound seconds',
    of: 'ops.outbox',
    sql: `select coalesce((array['user-events', 'transactions', 'balances', 'catalogs'])[target], target::text) as id, count(*) || ' rows wait for longer than '
          || $1::float8 || ' s, the oldest for ' || extract(epoch from now() - min(created_at))::int || ' s' as what
      from ops.outbox where created_at < now() - make_interval(secs => $1::float8) group by target`,
    values: ({ boundS }) => [boundS],
  },
];
