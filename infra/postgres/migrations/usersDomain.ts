/**
 * Version 20: the users domain, a read model of its own schema, made from the streams and from nothing else.
 *
 * It answers what the ledger's tables are not made for: whom somebody met, who gave to a family, what a merchant sold, who
 * took part where. It can be dropped and made anew from the streams or the archive. `inbox` knows which events it has taken,
 * so that a record that comes twice counts once; everything of a batch, its inbox too, is one statement.
 *
 * `participation` has a row for each person, zip code and day. An empty zip code means that the encounter's is not known; the
 * civilian's own stands in for it when it is asked for.
 *
 * `model` names this copy: checkpoints are of it, so that a read model that begins with nothing reads everything again. When
 * the database was set back to an older copy, give it a new name (`update users.model set id = gen_random_uuid()`): what the
 * streams still have comes again, and the inbox knows what it has. Nothing older than the first person is anybody's here.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

const TABLES = [
  'create schema users',
  `create table users.model (
     only_one boolean primary key default true check (only_one),
     id uuid not null default gen_random_uuid(),
     since timestamptz not null
   )`,
  'insert into users.model (since) select coalesce(min(created_at), now()) from user_schema.users',
  `create table users.inbox (
     event_id uuid primary key,
     at timestamptz not null default now()
   )`,
  'create index inbox_age on users.inbox using brin (at)',
  `create table users.person (
     user_id uuid primary key,
     kind text not null,
     zip text,
     at timestamptz not null
   )`,
  `create table users.transaction (
     event_id uuid not null,
     user_id uuid not null,
     type text not null,
     reason text not null,
     delta bigint not null,
     balance bigint,
     version bigint,
     rule_id text not null,
     rule_version int not null,
     at timestamptz not null,
     primary key (event_id, user_id)
   )`,
  'create index transaction_of_user on users.transaction (user_id, at, event_id)',
  `create table users.encounter (
     event_id uuid primary key,
     civilian uuid not null,
     officer uuid not null,
     method text not null,
     zip text not null,
     civilian_points bigint not null,
     officer_points bigint not null,
     at timestamptz not null
   )`,
  'create index encounter_of_civilian on users.encounter (civilian, officer, at)',
  'create index encounter_of_officer on users.encounter (officer, at)',
  `create table users.donation (
     event_id uuid not null,
     beneficiary uuid not null,
     donor uuid not null,
     points bigint not null,
     at timestamptz not null,
     primary key (event_id, beneficiary)
   )`,
  'create index donation_to on users.donation (beneficiary, at, event_id)',
  // a refund is a sale of less than nothing
  `create table users.sale (
     event_id uuid primary key,
     redemption_id uuid not null,
     merchant uuid not null,
     offer uuid not null,
     customer uuid not null,
     quantity bigint not null,
     points bigint not null,
     at timestamptz not null
   )`,
  'create index sale_of_merchant on users.sale (merchant, offer, at)',
  `create table users.participation (
     day date not null,
     zip text not null,
     user_id uuid not null,
     as_officer boolean not null,
     encounters bigint not null,
     primary key (day, zip, user_id, as_officer)
   ) with (fillfactor = 80)`,
];

export class UsersDomain extends Migration {
  override up(): void {
    for (const sql of TABLES) this.addSql(sql);
    this.addSql(`grant usage on schema users to ${APP_ROLE}`);
    this.addSql(`grant select, insert on all tables in schema users to ${APP_ROLE}`);
    this.addSql(`grant update on users.participation to ${APP_ROLE}`);
    this.addSql(`grant delete on users.inbox to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop schema users cascade');
  }
}
