/**
 * Version 34: what is told of an account (that it was verified, limited, opened, closed or erased, that it has another device) is
 * kept beside what it led to, a line for each event under the id of the event: the tables themselves have the newest state only,
 * and nobody could say afterwards whether everything was told. The lines have what the events have, which names nobody.
 *
 * Nobody writes them but `ops.tell_change`, with the event. A day of a merchant is told with the time at which it was
 * kept, as its line is. A node of the version before tells of devices and officers by itself, without a line.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';
import { OUTBOX_TARGET } from '../outboxTargets.ts';
import { eraseFunction } from './erasure.ts';
import { closeFunction } from './settlements.ts';
import { closeAccount, limitAccount, replaced, tellPeople } from './toldPeople.ts';
import { TELL_CLOSED } from './toldSettlements.ts';

const TABLE = `create table ops.told_change (
  number bigint generated always as identity primary key,
  id uuid not null unique default gen_random_uuid(),
  user_id uuid not null,
  at timestamptz not null default clock_timestamp(),
  type text not null check (length(type) between 1 and 64),
  data jsonb not null check (jsonb_typeof(data) = 'object')
)`;

const isoOf = (at: string): string => `to_char(${at} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** `p_data` without `userId`; `p_trace` is the `traceparent` of the request, if it had one. */
const TELL = `create function ops.tell_change(p_user uuid, p_type text, p_data jsonb, p_trace text default null) returns void
language sql volatile security definer set search_path = pg_catalog as $body$
  with change as (
    insert into ops.told_change (user_id, type, data)
      values (p_user, p_type, jsonb_build_object('userId', p_user) || p_data) returning *)
  insert into ops.outbox (target, keys, traces, payload)
    select ${OUTBOX_TARGET.userEvents}, array[user_id], case when p_trace is not null then array[p_trace] end,
      jsonb_build_object('id', id, 'type', type, 'time', ${isoOf('at')}, 'data', data)
    from change
$body$`;

const tell = (user: string, type: string, data: string): string =>
  `perform ops.tell_change(${user}, '${type}', ${data})`;

export const ERASED = `
  ${tell('p_user', 'user.deactivated', `'{"because": "erased"}'`)};`;
const CLOSED = `${tell('id', 'user.deactivated', `'{"because": "closed"}'`)} from user_schema.users where id = p_account;`;
const UPDATED = `${tell(
  'id',
  'user.updated',
  `jsonb_build_object(
      'active', (select not bool_or(a.closed) from ledger.account a where a.account_id = p_account),
      'entryMax', (select l.entry_max from ledger.debit_limit l where l.account_id = p_account),
      'dayMax', (select l.day_max from ledger.debit_limit l where l.account_id = p_account))`,
)}
    from user_schema.users where id = p_account;`;

const DAY_CLOSED = TELL_CLOSED.replace(
  `'type', 'settlement.closed',`,
  `'type', 'settlement.closed', 'time', (select ${isoOf('s.closed_at')} from market.settlement s
          where s.merchant = p_merchant and s.day = p_day),`,
);

export class ToldChanges extends Migration {
  override up(): void {
    this.addSql(TABLE);
    this.addSql(TELL);
    this.addSql('revoke execute on function ops.tell_change from public');
    this.addSql(`grant execute on function ops.tell_change to ${APP_ROLE}`);
    for (const sql of [eraseFunction({ told: ERASED }), closeAccount(CLOSED, UPDATED), limitAccount(UPDATED)])
      this.addSql(replaced(sql));
    this.addSql(replaced(closeFunction(DAY_CLOSED)));
  }

  override down(): void {
    tellPeople(this);
    this.addSql(replaced(closeFunction(TELL_CLOSED)));
    this.addSql('drop function ops.tell_change');
    this.addSql('drop table ops.told_change');
  }
}
