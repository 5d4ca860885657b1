/**
 * Version 1: one schema per domain, and two roles.
 *
 * The owner makes tables; the application (`heyblue_app`) reads and writes rows, and cannot touch the past: it has no
 * UPDATE or DELETE on postings and transfers, and from version 2 on not even INSERT, because the commit function alone
 * writes them. There are no foreign keys into the ledger: it stays, pseudonymous, when a person is erased.
 */
import { Migration } from '@mikro-orm/migrations';
import { MINT_ACCOUNT } from '../../../actors/durable.ts';
import { ACCOUNT_KINDS, METHODS } from '../../../protocol/catalogue.ts';
import { APP_ROLE, MINT_STRIPES, SHARDS } from '../limits.ts';

const words = (list: readonly string[]): string => list.map(word => `'${word}'`).join(', ');

const USERS = [
  `create schema if not exists user_schema`,
  // number: small and stable, what a QR code carries instead of the id (48 bits there)
  `create table user_schema.users (
     id uuid primary key,
     number bigint generated always as identity (start with 1 maxvalue 281474976710655) unique,
     kind text not null check (kind in (${words(ACCOUNT_KINDS)})),
     handle text not null check (length(handle) between 1 and 64),
     zip text,
     created_at timestamptz not null default now()
   )`,
  `create unique index users_handle on user_schema.users (lower(handle))`,
  `create table user_schema.officer (
     user_id uuid primary key references user_schema.users (id) on delete cascade,
     badge text not null unique
   )`,
  // one device per account; device_number rises with each move, so that codes of the old device stop working
  `create table user_schema.device (
     user_id uuid primary key references user_schema.users (id) on delete cascade,
     device_id text not null,
     device_number int not null default 1 check (device_number between 1 and 65535),
     linked_at timestamptz not null default now()
   )`,
];

const IDENTITY = [
  `create schema if not exists identity_schema`,
  `create table identity_schema.credential (
     user_id uuid primary key references user_schema.users (id) on delete cascade,
     password_hash text not null,
     changed_at timestamptz not null default now()
   )`,
  `create table identity_schema.roster (
     badge text primary key,
     added_at timestamptz not null default now()
   )`,
];

const LEDGER = [
  `create schema if not exists ledger`,
  // room on each page, so that an update of a balance stays on it and touches no index
  `create table ledger.account (
     account_id uuid not null,
     stripe smallint not null default 0,
     balance bigint not null default 0,
     version bigint not null default 0,
     limited boolean not null default true,
     closed boolean not null default false,
     primary key (account_id, stripe),
     constraint account_not_overdrawn check (not limited or balance >= 0)
   ) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)`,
  // request_hash: the first 128 bits of a digest of what was asked, so that a repeat can be told from another request
  `create table ledger.transfer (
     id uuid primary key,
     reason text not null,
     rule_id text not null,
     rule_version int not null,
     request_hash uuid not null,
     at timestamptz not null
   )`,
  `create table ledger.posting (
     transfer_id uuid not null,
     seq smallint not null,
     account_id uuid not null,
     stripe smallint not null,
     delta bigint not null,
     balance_after bigint not null,
     account_version_after bigint not null,
     primary key (transfer_id, seq)
   )`,
  // an account's history, and the proof that no version of a balance exists twice
  `create unique index posting_history on ledger.posting (account_id, stripe, account_version_after)`,
  `insert into ledger.account (account_id, stripe, limited)
     select '${MINT_ACCOUNT}', stripe, false from generate_series(0, ${MINT_STRIPES - 1}) as stripe`,
];

const MEET = [
  `create schema if not exists meet`,
  `create table meet.pair_state (
     officer uuid not null,
     civilian uuid not null,
     next_at timestamptz not null,
     encounter_id uuid not null,
     n int not null default 1,
     primary key (officer, civilian)
   )`,
  `create table meet.encounter (
     id uuid primary key,
     officer uuid not null,
     civilian uuid not null,
     method text not null check (method in (${words(METHODS)})),
     cell text not null,
     at timestamptz not null,
     officer_points bigint not null,
     civilian_points bigint not null
   )`,
  `create index encounter_of_officer on meet.encounter (officer, at, id)`,
  `create index encounter_of_civilian on meet.encounter (civilian, at, id)`,
];

const OPS = [
  `create schema if not exists ops`,
  `create table ops.shard_fence (
     shard smallint primary key check (shard between 0 and ${SHARDS - 1}),
     epoch bigint not null default 0,
     owner text
   ) with (fillfactor = 50)`,
  `insert into ops.shard_fence (shard) select generate_series(0, ${SHARDS - 1})`,
  `create table ops.idempotency (
     user_id uuid not null,
     key text not null,
     request_hash text not null,
     transfer_id uuid not null,
     created_at timestamptz not null,
     primary key (user_id, key)
   )`,
  `create index idempotency_age on ops.idempotency using brin (created_at)`,
  // payload is null where the publisher can read what happened from rows that never change; each publisher reads the
  // oldest rows of its own target, so that is the one order it is kept in
  `create table ops.outbox (
     target smallint not null,
     id bigint generated always as identity,
     shard smallint not null,
     key uuid not null,
     event_id uuid,
     payload jsonb,
     created_at timestamptz not null default now(),
     primary key (target, id)
   ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)`,
];

const GRANTS = [
  `grant usage on schema user_schema, identity_schema, ledger, meet, ops to ${APP_ROLE}`,
  `grant select, insert, update, delete on all tables in schema user_schema, identity_schema to ${APP_ROLE}`,
  `grant select on all tables in schema ledger, meet to ${APP_ROLE}`,
  // an account can be opened, empty; only the commit function moves points
  `grant insert (account_id, stripe, limited) on ledger.account to ${APP_ROLE}`,
  `grant insert on ledger.transfer, ledger.posting, meet.encounter to ${APP_ROLE}`,
  `grant update (balance, version) on ledger.account to ${APP_ROLE}`,
  `grant insert, update on meet.pair_state to ${APP_ROLE}`,
  `grant select on ops.shard_fence to ${APP_ROLE}`,
  `grant update (epoch, owner) on ops.shard_fence to ${APP_ROLE}`,
  `grant select, insert, delete on ops.idempotency, ops.outbox to ${APP_ROLE}`,
];

export class Base extends Migration {
  override up(): void {
    for (const sql of [...USERS, ...IDENTITY, ...LEDGER, ...MEET, ...OPS, ...GRANTS]) this.addSql(sql);
  }

  override down(): void {
    for (const schema of ['meet', 'ledger', 'identity_schema', 'user_schema']) {
      this.addSql(`drop schema ${schema} cascade`);
    }
    this.addSql('drop table ops.outbox, ops.idempotency, ops.shard_fence');
  }
}
