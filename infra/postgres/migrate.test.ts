/** Every version of the schema is reached from nothing and from the one before; the application cannot change the past. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import { encounter } from '../../nodes/contracts/town.ts';
import { temporaryDatabase } from '../embedded/index.ts';
import { systemRandom } from '../random.ts';
import { PgCommitStore } from './commitStore.ts';
import { APP_ROLE } from './limits.ts';
import { migrate, openMigrator } from './migrate.ts';
import { MIGRATIONS } from './migrations/index.ts';
import { type TestDatabase, testDatabase } from './testDatabase.ts';
import { silent } from './testTown.ts';

const names = MIGRATIONS.map(one => one.name);

/** Everything that makes two databases the same: columns, indexes, constraints, functions, rights. */
async function shapeOf(url: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const shape: unknown[] = [];
  const schemas = `('user_schema', 'identity_schema', 'ledger', 'meet', 'ops', 'market')`;
  for (const sql of [
    `select table_schema, table_name, column_name, data_type, is_nullable, column_default
     from information_schema.columns where table_schema in ${schemas} order by 1, 2, 3`,
    `select schemaname, indexdef from pg_indexes where schemaname in ${schemas} order by 1, 2`,
    `select conrelid::regclass::text as on, conname, pg_get_constraintdef(oid) as def from pg_constraint
     where connamespace::regnamespace::text in ${schemas} order by 1, 2`,
    `select p.oid::regprocedure::text as name, md5(pg_get_functiondef(p.oid)) as body from pg_proc p
     where pronamespace::regnamespace::text in ${schemas} order by 1`,
    `select table_schema, table_name, privilege_type from information_schema.role_table_grants
     where grantee = '${APP_ROLE}' order by 1, 2, 3`,
    `select table_schema, table_name, column_name, privilege_type from information_schema.role_column_grants
     where grantee = '${APP_ROLE}' order by 1, 2, 3, 4`,
  ]) {
    shape.push((await client.query(sql)).rows);
  }
  await client.end();
  return shape;
}

describe('migrations', () => {
  it('go up from nothing, and a second time do nothing', async () => {
    const database = await temporaryDatabase(inject('databaseUrl'));
    expect((await migrate(database.url)).applied).toEqual(names);
    expect((await migrate(database.url)).applied).toEqual([]);
    await database.drop();
  });

  it('go up from every earlier version to the same schema, keeping what is there', async () => {
    const fresh = await testDatabase(inject('databaseUrl'));
    const newest = await shapeOf(fresh.ownerUrl);
    await fresh.drop();
    // one database that stands still at each version: from there on nothing depends on where it came from
    const database = await temporaryDatabase(inject('databaseUrl'));
    const migrator = await openMigrator(database.url);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const people = names.slice(0, -1).map((_, i) => `01900000-0000-7000-8000-${String(i).padStart(12, '0')}`);
    for (const [i, person] of people.entries()) {
      expect(await migrator.up(names[i])).toEqual([names[i]]);
      await client.query(`insert into ledger.account (account_id, balance, version) values ($1, 7, 2)`, [
        person,
      ]);
    }
    expect(await migrator.up()).toEqual(names.slice(-1));
    const kept = await client.query(
      'select account_id, balance, version from ledger.account where account_id = any ($1) order by account_id',
      [people],
    );
    expect(kept.rows).toEqual(people.map(account_id => ({ account_id, balance: '7', version: '2' })));
    await client.end();
    await migrator.close();
    expect(await shapeOf(database.url)).toEqual(newest);
    await database.drop();
  });

  it('go down a version and up again', async () => {
    const database = await testDatabase(inject('databaseUrl'));
    const before = await shapeOf(database.ownerUrl);
    const migrator = await openMigrator(database.ownerUrl);
    expect(await migrator.down()).toEqual([names.at(-1)]);
    expect(await shapeOf(database.ownerUrl)).not.toEqual(before);
    await migrator.up();
    await migrator.close();
    expect(await shapeOf(database.ownerUrl)).toEqual(before);
    await database.drop();
  });

  it('where somebody lived who was erased goes, if the read model heard of it too late', async () => {
    const database = await temporaryDatabase(inject('databaseUrl'));
    const migrator = await openMigrator(database.url);
    await migrator.up('0034-told-changes');
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const [erased, there] = [0, 1].map(n => `01900000-0000-7000-8000-00000000000${n}`);
    await client.query(
      `insert into users.person values ($1, 'civilian', '10001', now()), ($2, 'civilian', '10002', now())`,
      [erased, there],
    );
    await client.query(`insert into ops.operator_audit (action, user_id) values ('person.erase', $1)`, [
      erased,
    ]);
    await migrator.up();
    const { rows } = await client.query('select user_id, zip from users.person order by user_id');
    expect(rows).toEqual([
      { user_id: erased, zip: null },
      { user_id: there, zip: '10002' },
    ]);
    await client.end();
    await migrator.close();
    await database.drop();
  });

  it('two nodes that start at once do not step on each other', async () => {
    const database = await temporaryDatabase(inject('databaseUrl'));
    const both = await Promise.all([1, 2, 3].map(() => migrate(database.url)));
    expect(both.flatMap(one => one.applied)).toEqual(names);
    await database.drop();
  });
});

describe('the application role', () => {
  let database: TestDatabase;
  let app: pg.Client;
  beforeAll(async () => {
    database = await testDatabase(inject('databaseUrl'));
    app = new pg.Client({ connectionString: database.appUrl });
    await app.connect();
    const random = systemRandom();
    const [a, b] = [random.uuid(1), random.uuid(2)];
    await database.sql('insert into ledger.account (account_id) values ($1), ($2)', [a, b]);
    await database.sql('update ops.shard_fence set epoch = 1 where shard = 0');
    const store = new PgCommitStore({ url: database.appUrl, log: silent });
    await store.tried();
    const [made] = await store.commit([{ shard: 0, epoch: 1, op: encounter(random.uuid(3), a, b) }]);
    expect(made?.code).toBe('created');
    await store.close();
  });
  afterAll(async () => {
    await app.end();
    await database.drop();
  });

  it.each([
    'update ledger.posting set delta = 1',
    'delete from ledger.posting',
    'truncate ledger.posting',
    'update ledger.transfer set at = now()',
    'delete from ledger.transfer',
    `insert into ledger.posting values (gen_random_uuid(), 1, gen_random_uuid(), 0, 5, 5, 1)`,
    `insert into ledger.transfer values (gen_random_uuid(), 'gift', 'r', 1, gen_random_uuid(), now())`,
    'update ledger.account set balance = 1000000',
    `insert into ledger.account (account_id, balance) values (gen_random_uuid(), 1000000)`,
    'delete from ledger.account',
    'update meet.pair_state set next_at = now()',
    'update market.stock set on_hand = 1000000',
    'insert into market.stock (offer_id) values (gen_random_uuid())',
    'update market.redemption set refunded_points = 0',
    'delete from market.stock_movement',
    `update market.offer set merchant = gen_random_uuid()`,
    'delete from meet.encounter',
    'update ops.outbox set payload = null',
    'alter table ledger.posting add column extra int',
    'drop table ledger.posting',
    'alter table ledger.posting disable trigger all',
    'create table ledger.other (id int)',
    'create table public.other (id int)',
    'create schema mine',
    'drop function ledger.effects_of',
    'alter role current_user superuser',
    'delete from ops.migration',
  ])('may not: %s', async sql => {
    await expect(app.query(sql)).rejects.toMatchObject({ code: expect.stringMatching(/42501|42P01|0A000/) });
  });

  it('a limited account below zero is refused by the table itself', async () => {
    const overdraw = `update ledger.account set balance = -1 where account_id <> '${MINT_ACCOUNT}'`;
    await expect(database.sql(overdraw)).rejects.toMatchObject({ code: '23514' });
  });
});
