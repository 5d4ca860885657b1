/** A start against PostgreSQL as it may be: fresh, known, refusing, somebody else's. */
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { Metrics } from '../../nodes/ports.ts';
import { systemScheduler } from '../clock.ts';
import { temporaryDatabase } from '../embedded/index.ts';
import { openStores, type StoresOptions, StoreUnavailable } from './index.ts';
import { APP_ROLE } from './limits.ts';
import { withRole } from './migrate.ts';
import { silent } from './testTown.ts';

const metrics: Metrics = { count() {}, observe() {}, gauge() {} };
let database: Awaited<ReturnType<typeof temporaryDatabase>>;
beforeAll(async () => {
  database = await temporaryDatabase(inject('databaseUrl'));
});
afterAll(() => database.drop());

const options = (change: Partial<StoresOptions> = {}): StoresOptions => ({
  databaseUrl: database.url,
  appUrl: null,
  dynamodbEndpoint: inject('dynamodbEndpoint'),
  kinesisEndpoint: inject('kinesisEndpoint'),
  region: 'us-east-1',
  credentials: { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' },
  owner: 'test',
  log: silent,
  metrics,
  scheduler: systemScheduler,
  ...change,
});

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
