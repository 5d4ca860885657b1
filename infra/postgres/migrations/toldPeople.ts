/**
 * Version 30: what becomes of a person's account is told to the stream of users in the same commit, once, by the functions
 * that alone can do it. A repeat changes nothing and tells nothing; accounts of nobody (the mint) are nobody's news.
 *
 * `ops.told_rule` is what was told of each business rule last (`ruleTeller.ts`).
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';
import { OUTBOX_TARGET } from '../outboxTargets.ts';
import { eraseFunction } from './erasure.ts';
import { CLOSE_ACCOUNT } from './giving.ts';
import { SET_DEBIT_LIMIT } from './reservations.ts';

const ofPerson = (user: string, type: string, data: string): string => `
  insert into ops.outbox (target, keys, payload)
    select ${OUTBOX_TARGET.userEvents}, array[${user}], jsonb_build_object('type', '${type}', 'data', ${data})`;

/** How an account may be used now. */
const UPDATED = `${ofPerson(
  'p_account',
  'user.updated',
  `jsonb_build_object('userId', p_account,
      'active', (select not bool_or(a.closed) from ledger.account a where a.account_id = p_account),
      'entryMax', (select l.entry_max from ledger.debit_limit l where l.account_id = p_account),
      'dayMax', (select l.day_max from ledger.debit_limit l where l.account_id = p_account))`,
)}
    from user_schema.users where id = p_account;`;

const ERASED = `${ofPerson('p_user', 'user.deactivated', `jsonb_build_object('userId', p_user, 'because', 'erased')`)};`;

const CLOSED = `${ofPerson('p_account', 'user.deactivated', `jsonb_build_object('userId', p_account, 'because', 'closed')`)}
    from user_schema.users where id = p_account;`;

/** @param closed and `updated`: what is said of it */
export const closeAccount = (closed: string, updated: string): string => `
create function ledger.close_account(p_account uuid, p_closed boolean) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog as $body$
declare
  v_was boolean;
begin
  -- in the order in which groups take them
  perform from ledger.account where account_id = p_account order by stripe for update;
  select bool_or(closed) into v_was from ledger.account where account_id = p_account;
  if v_was is null then return false; end if;
  if v_was = p_closed then return true; end if;
  update ledger.account set closed = p_closed where account_id = p_account;
  if p_closed then ${closed}
  else ${updated}
  end if;
  return true;
end $body$`;

export const limitAccount = (updated: string): string => `
create function ledger.set_debit_limit(p_account uuid, p_entry_max bigint, p_day_max bigint) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog as $body$
declare
  v_entry_max bigint;
  v_day_max bigint;
begin
  update ledger.account set capped = p_entry_max is not null or p_day_max is not null
    where account_id = p_account and stripe = 0;
  if not found then return false; end if;
  select entry_max, day_max into v_entry_max, v_day_max from ledger.debit_limit where account_id = p_account;
  if (v_entry_max, v_day_max) is not distinct from (p_entry_max, p_day_max) then return true; end if;
  insert into ledger.debit_limit as d (account_id, entry_max, day_max) values (p_account, p_entry_max, p_day_max)
    on conflict (account_id) do update set entry_max = excluded.entry_max, day_max = excluded.day_max;
  ${updated}
  return true;
end $body$`;

/** Who may call it stays as it is. */
export const replaced = (sql: string): string => sql.replace('create function', 'create or replace function');

/** The functions as of this version. */
export const tellPeople = (migration: Pick<Migration, 'addSql'>): void => {
  for (const sql of [eraseFunction({ told: ERASED }), closeAccount(CLOSED, UPDATED), limitAccount(UPDATED)])
    migration.addSql(replaced(sql));
};

export class ToldPeople extends Migration {
  override up(): void {
    tellPeople(this);
    this.addSql(`create table ops.told_rule (
      rule_id text primary key check (length(rule_id) between 1 and 64),
      revision bigint not null check (revision > 0),
      active int not null check (active >= 0)
    )`);
    this.addSql(`grant select, insert, update on ops.told_rule to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop table ops.told_rule');
    for (const sql of [eraseFunction(), CLOSE_ACCOUNT, SET_DEBIT_LIMIT]) this.addSql(replaced(sql));
  }
}
