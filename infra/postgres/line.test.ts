import pg from 'pg';
import { afterEach, beforeEach, expect, inject, it, vi } from 'vitest';
import { RECONNECT_MS_MIN } from './limits.ts';
import { Line } from './line.ts';
import { type TestDatabase, testDatabase } from './testDatabase.ts';
import { PATIENCE } from './testFaults.ts';
import { silent } from './testTown.ts';

let database: TestDatabase;
let line: Line;
/** Every client that was made, in order. */
let made: pg.Client[];

beforeEach(async () => {
  database = await testDatabase(inject('databaseUrl'));
  made = [];
  const { connect } = pg.Client.prototype as unknown as { connect(...args: unknown[]): unknown };
  vi.spyOn(pg.Client.prototype, 'connect').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const { connectionParameters: told } = this as unknown as {
      connectionParameters: { application_name?: string };
    };
    if (told.application_name === 'heyblue alone') made.push(this);
    return connect.apply(this, args);
  } as never);
  line = new Line({ url: database.appUrl, name: 'alone', log: silent, settings: {}, silenceMsMax: 5_000 });
  await line.tried;
});
afterEach(async () => {
  vi.restoreAllMocks();
  await line.close();
  await database.drop();
});

const connections = async (): Promise<number> => {
  const [row] = await database.sql(
    "select count(*)::int from pg_stat_activity where application_name = 'heyblue alone'",
  );
  return Number(row?.count);
};

it('a connection that says twice that it ended is replaced once', async () => {
  const [first] = made as [pg.Client];
  first.emit('error', new Error('terminating connection due to administrator command'));
  // its socket follows while the next one is on its way
  await expect.poll(() => made.length, { ...PATIENCE, interval: 1 }).toBe(2);
  first.emit('error', new Error('Connection terminated unexpectedly'));
  await expect.poll(() => line.up, PATIENCE).toBe(true);
  first.emit('error', new Error('and once more'));
  await new Promise(resolve => setTimeout(resolve, 4 * RECONNECT_MS_MIN));
  expect(line.up).toBe(true);
  expect(made).toHaveLength(2);
  await first.end();
  await expect.poll(connections, PATIENCE).toBe(1);
});

it('however often the server ends it, there is one connection', async () => {
  const { sql } = database;
  for (let i = 0; i < 20; i++) {
    await expect.poll(() => line.up, PATIENCE).toBe(true);
    await sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'heyblue alone'",
    );
    await expect.poll(() => line.up, { ...PATIENCE, interval: 1 }).toBe(false);
  }
  await expect.poll(() => line.up, PATIENCE).toBe(true);
  await expect.poll(connections, PATIENCE).toBe(1);
});
