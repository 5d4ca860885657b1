/** Whoever was erased stays so in the read model: whatever is told later, in whatever order, and however often it is read. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventText } from '../events/envelope.ts';
import { type OutboxTown, outboxTown } from '../outbox/testOutbox.ts';
import { PgPersonBook } from '../postgres/personBook.ts';
import { silent } from '../postgres/testTown.ts';
import { PgUsersDomain } from '../postgres/usersDomain.ts';
import { noMetrics } from './testStreams.ts';
import { UsersProjection } from './usersProjection.ts';

const ZIP = '98765';
let town: OutboxTown;
let persons: PgPersonBook;
let store: PgUsersDomain;

beforeAll(async () => {
  town = await outboxTown();
  persons = new PgPersonBook({ url: town.database.appUrl, log: silent });
  store = new PgUsersDomain({ url: town.database.appUrl, log: silent });
  await Promise.all([persons.tried(), store.tried()]);
});
afterAll(async () => {
  await Promise.all([persons.close(), store.close()]);
  await town.close();
});

const signUp = async (): Promise<string> => {
  const handle = `c-${randomBytes(4).toString('hex')}`;
  const person = { kind: 'civilian', handle, passwordHash: 'secret', deviceId: handle } as const;
  const made = await town.directory.createUser({ ...person, zip: ZIP, badge: null });
  if (!made.ok) throw new Error(made.message);
  return made.value.userId;
};

let sequence = 0;
/** The event of a sign-up, as it went into the stream before the person was erased. */
const registered = (userId: string) => {
  const text = eventText({
    ...{ stamp: { shard: 1, epoch: 1, seq: ++sequence }, trace: null, id: town.uuid() },
    ...{ type: 'user.registered', version: 1, time: '2026-11-21T10:00:00.000Z', subject: userId, seq: 1 },
    ...{ causationId: null, data: JSON.stringify({ userId, kind: 'civilian', zip: ZIP }) },
  });
  return { sequence: String(sequence), key: userId, arrivedAtMs: 0, bytes: Buffer.from(text) };
};
type StreamRecord = ReturnType<typeof registered>;

const take = (...records: StreamRecord[]) =>
  new UsersProjection({ store, metrics: noMetrics, wallMs: Date.now, streams: [] }).take({
    ...{ stream: 's', shard: 's', records, ended: false },
  });

const zipsOf = async (...people: string[]) => {
  const rows = await town.database.sql('select user_id, zip from users.person where user_id = any ($1)', [
    people,
  ]);
  const zips = new Map(rows.map(({ user_id, zip }) => [user_id, zip]));
  return people.map(one => zips.get(one));
};

it('erased after, before or while the reader takes the sign-up, of which it hears again', async () => {
  const [after, before, during] = [await signUp(), await signUp(), await signUp()];
  const people = [after, before, during];
  const told = people.map(registered);
  await take(told[0]!);
  expect(await zipsOf(...people)).toEqual([ZIP, undefined, undefined]);
  for (const one of [after, before]) expect(await persons.erase(one)).toBe('erased');
  expect(await Promise.all([persons.erase(during), take(told[2]!)])).toMatchObject(['erased', {}]);
  await take(...told);
  expect(await zipsOf(...people)).toEqual([null, null, null]);
  // told by another event
  await take(...people.map(registered));
  expect(await zipsOf(...people)).toEqual([null, null, null]);
});

it('a read model that is made anew has nothing of who was erased, and everything of the others', async () => {
  const [erased, there] = [await signUp(), await signUp()];
  const told = [erased, there].map(registered);
  await take(...told);
  await persons.erase(erased);
  for (const table of ['person', 'inbox']) await town.database.sql(`delete from users.${table}`);
  await take(...told);
  expect(await zipsOf(erased, there)).toEqual([null, ZIP]);
});
