/** The table of devices that were seen keeps the contract of its twin in memory, and outlives a database that is away. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type DeviceTown, deviceBookContract } from '../../nodes/contracts/deviceBook.contract.ts';
import { systemScheduler } from '../clock.ts';
import { systemRandom } from '../random.ts';
import { PgDeviceBook } from './deviceBook.ts';
import { type TestDatabase, testDatabase } from './testDatabase.ts';
import { silent } from './testTown.ts';

const random = systemRandom();
let wallMs = Date.UTC(2026, 10, 21, 12, 0, 0, 123);
const person = async (database: TestDatabase): Promise<string> => {
  const id = random.uuid(wallMs);
  await database.sql(`insert into user_schema.users (id, kind, handle) values ($1::uuid, 'civilian', $2)`, [
    id,
    `u${id.slice(-12)}`,
  ]);
  return id;
};
const bookOf = (url: string, waitingMax = 1_000) =>
  new PgDeviceBook({ url, log: silent, scheduler: systemScheduler, wallMs: () => wallMs, waitingMax });

deviceBookContract('postgresql', async (): Promise<DeviceTown> => {
  const database = await testDatabase(inject('databaseUrl'));
  const [one, two] = [bookOf(database.appUrl), bookOf(database.appUrl)];
  await Promise.all([one.tried(), two.tried()]);
  return {
    one,
    two,
    person: () => person(database),
    advance: ms => {
      wallMs += ms;
    },
    nowMs: () => wallMs,
    close: async () => {
      await Promise.all([one.close(1_000), two.close(1_000)]);
      await database.drop();
    },
  };
});

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase(inject('databaseUrl'));
});
afterAll(() => database.drop());

it('a device of an account that is gone takes nothing from the others, and goes with its account', async () => {
  const book = bookOf(database.appUrl);
  await book.tried();
  const anna = await person(database);
  book.saw(random.uuid(wallMs), 'phone', null);
  book.saw(anna, 'phone', 'a/1');
  await book.written();
  expect(await book.devices(anna)).toHaveLength(1);
  await database.sql('delete from user_schema.users where id = $1::uuid', [anna]);
  expect(await book.devices(anna)).toEqual([]);
  await book.close(1_000);
});

it('without a database nobody waits, and so many wait', async () => {
  const blind = bookOf('postgres://nobody:x@127.0.0.1:1/none', 10);
  await blind.tried();
  for (let i = 0; i < 100; i++) blind.saw(random.uuid(wallMs), 'phone', null);
  await expect(blind.devices(random.uuid(wallMs))).rejects.toThrow();
  await blind.close(10);
});
