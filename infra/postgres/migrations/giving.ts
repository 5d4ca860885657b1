/**
 * Version 19: who may receive, and what can be paid with points.
 *
 * - `giving.catalog`: charities and families as operators know them. Only an entry that is verified lets its account
 *   receive; each change is told to the table `catalogs` of DynamoDB, which reads the entry as it is then, and to the stream of
 *   users' events.
 * - `giving.fee`: fines and fees of municipalities. Whether one is paid stands in the ledger, under an id that follows from it
 *   (`actors/fees.ts`), and nowhere else.
 * - `ledger.given_since`: what left an account for a reason since a moment. Its times rise with its versions, so the walk
 *   begins at the newest posting and ends at the first one before that moment.
 * - `ledger.close_account`: no points move on a closed account; who serves cannot open or close one in any other way.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

const TABLES = [
  'create schema giving',
  `create table giving.catalog (
     id uuid primary key,
     kind text not null check (kind in ('charity', 'family')),
     name text not null check (length(name) between 1 and 120),
     registration text check (length(registration) between 1 and 64),
     account uuid unique,
     zip text check (length(zip) between 1 and 16),
     status text not null default 'listed' check (status in ('listed', 'verified', 'suspended')),
     version bigint not null default 1,
     changed_at timestamptz not null default clock_timestamp(),
     check (status <> 'verified' or account is not null)
   )`,
  `create unique index catalog_registration on giving.catalog (kind, registration) where registration is not null`,
  `create index catalog_verified on giving.catalog (kind, id) where status = 'verified'`,
  `create index catalog_kind on giving.catalog (kind, id)`,
  `create table giving.fee (
     id uuid primary key,
     kind text not null check (kind in ('fine', 'fee')),
     municipality uuid not null,
     payer uuid,
     title text not null check (length(title) between 1 and 120),
     points bigint not null check (points between 1 and 1000000000000),
     at timestamptz not null default clock_timestamp(),
     withdrawn_at timestamptz,
     check ((kind = 'fine') = (payer is not null))
   )`,
  'create index fee_of_municipality on giving.fee (municipality, at, id)',
  'create index fee_of_payer on giving.fee (payer, at, id) where payer is not null',
  'create index fee_of_everybody on giving.fee (at, id) where payer is null and withdrawn_at is null',
  `grant usage on schema giving to ${APP_ROLE}`,
  `grant select, insert on giving.catalog, giving.fee to ${APP_ROLE}`,
  `grant update (name, registration, account, zip, status, version, changed_at) on giving.catalog to ${APP_ROLE}`,
  `grant update (withdrawn_at) on giving.fee to ${APP_ROLE}`,
];

export const CLOSE_ACCOUNT = `create function ledger.close_account(p_account uuid, p_closed boolean) returns boolean
   language plpgsql volatile security definer set search_path = pg_catalog as $body$
   begin
     -- in the order in which groups take them
     perform from ledger.account where account_id = p_account order by stripe for update;
     update ledger.account set closed = p_closed where account_id = p_account;
     return found;
   end $body$`;

const FUNCTIONS = [
  `create function ledger.given_since(p_account uuid, p_reason text, p_since timestamptz)
     returns table (id uuid, points bigint)
   language plpgsql stable set search_path = pg_catalog as $body$
   declare r record;
   begin
     for r in
       select t.id, t.at, t.reason, p.delta from ledger.posting p
         cross join lateral (select one.id, one.at, one.reason from ledger.transfer one
                             where one.id = p.transfer_id offset 0) t
       where p.account_id = p_account and p.stripe = 0
       order by p.account_version_after desc
     loop
       exit when r.at < p_since;
       if r.delta < 0 and r.reason = p_reason then
         id := r.id;
         points := -r.delta;
         return next;
       end if;
     end loop;
   end $body$`,
  CLOSE_ACCOUNT,
  'revoke execute on function ledger.given_since, ledger.close_account from public',
  `grant execute on function ledger.given_since, ledger.close_account to ${APP_ROLE}`,
];

export class Giving extends Migration {
  override up(): void {
    for (const sql of [...TABLES, ...FUNCTIONS]) this.addSql(sql);
  }

  override down(): void {
    this.addSql('drop function ledger.given_since, ledger.close_account');
    this.addSql('drop schema giving cascade');
  }
}
