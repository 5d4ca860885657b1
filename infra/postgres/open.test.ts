/** A start against PostgreSQL as it may be: fresh, known, refusing, somebody else's. */
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { temporaryDatabase } from '../embedded/index.ts';
import { migrateWhenUp, openStores, type StoresOptions, StoreUnavailable } from './index.ts';
import { APP_ROLE } from './limits.ts';
import { migrate, withRole } from './migrate.ts';
import { storesOptions } from './testStores.ts';

let database: Awaited<ReturnType<typeof temporaryDatabase>>;
beforeAll(async () => {
  database = await temporaryDatabase(inject('databaseUrl'));
});
afterAll(() => database.drop());

const options = (change: Partial<StoresOptions> = {}): StoresOptions =>
  storesOptions({ databaseUrl: database.url, ...change });

it('a database that only its owner knows is made ready, and served by the lesser role', async () => {
  const owner = new pg.Client({ connectionString: database.url });
  owner.on('error', () => {});
  await owner.connect();
  const stores = await openStores(options());
  expect(stores.notReady()).toEqual([]);
  const [epoch] = await stores.epochStore.mint([0], 'test');
  expect(epoch).toBe(1);
  const who = await owner.query(
    `select distinct usename from pg_stat_activity where datname = current_database() and application_name like 'heyblue %'`,
  );
  expect(who.rows).toEqual([{ usename: APP_ROLE }]);
  await owner.end();
  await stores.close(1_000);
});

it('a wrong password is one sentence, at once', async () => {
  const wrong = withRole(database.url, 'heyblue', 'wrong');
  const opening = openStores(options({ databaseUrl: wrong }));
  await expect(opening).rejects.toThrow(StoreUnavailable);
  await expect(openStores(options({ databaseUrl: wrong }))).rejects.toThrow(
    /^PostgreSQL cannot be used: .*password/,
  );
});

it('a database that does not exist is one sentence, at once', async () => {
  const missing = new URL(database.url);
  missing.pathname = '/nowhere';
  await expect(openStores(options({ databaseUrl: missing.href }))).rejects.toThrow(/nowhere/);
});

it('another role can be named to serve; one that cannot log in is a sentence', async () => {
  const owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  const name = `server_${Math.random().toString(36).slice(2)}`;
  await owner.query(`create role ${name} login password 'secret'`);
  const stores = await openStores(options({ appUrl: withRole(database.url, name, 'secret') }));
  const user = {
    kind: 'civilian',
    handle: name,
    passwordHash: 'x',
    deviceId: 'd',
    zip: null,
    badge: null,
  } as const;
  expect(await stores.directory.createUser(user)).toMatchObject({ ok: true });
  await stores.close(1_000);
  const refused = openStores(options({ appUrl: withRole(database.url, name, 'wrong') }));
  await expect(refused).rejects.toThrow(/cannot log in/);
  await owner.query(`drop role ${name}`);
  await owner.end();
});

it('a node without the URL of the owner waits until the database is as it needs it, and changes nothing itself', async () => {
  const fresh = await temporaryDatabase(inject('databaseUrl'));
  const owner = new pg.Client({ connectionString: fresh.url });
  await owner.connect();
  const name = `server_${Math.random().toString(36).slice(2)}`;
  await owner.query(`create role ${name} login password 'secret'`);
  const asNode = options({ databaseUrl: null, appUrl: withRole(fresh.url, name, 'secret') });

  const early = migrateWhenUp({ ...asNode, openMsMax: 0 });
  await expect(early).rejects.toThrow(/older than this release \(0001-base is missing\); npm run migrate/);
  const tables = await owner.query(`select 1 from pg_namespace where nspname = 'ledger'`);
  expect(tables.rowCount).toBe(0);

  const opening = openStores(asNode);
  await migrate(fresh.url, asNode.appUrl);
  const stores = await opening;
  expect(await stores.epochStore.mint([0], 'test')).toEqual([1]);
  await stores.close(1_000);

  await owner.query(`delete from ops.migration where name = '0026-expired-points'`);
  const behind = migrateWhenUp({ ...asNode, openMsMax: 0 });
  await expect(behind).rejects.toThrow(/0026-expired-points is missing/);
  await owner.query(`drop owned by ${name}`);
  await owner.query(`drop role ${name}`);
  await owner.end();
  await fresh.drop();
});
