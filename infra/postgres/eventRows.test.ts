/** Users' events in PostgreSQL: nobody writes them past the fence, a lost answer is found out, and old ones go. */
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { type EventOp, MINT_ACCOUNT } from '../../actors/durable.ts';
import type { StreamRecord, UserRecord } from '../../actors/queries.ts';
import { at, move } from '../../nodes/contracts/town.ts';
import { PgNoteStore } from './noteStore.ts';
import { type TcpProxy, tcpProxy } from './tcpProxy.ts';
import { arrivesTooLate, fault, PATIENCE } from './testFaults.ts';
import { postgresTown, silent } from './testTown.ts';

let town: Awaited<ReturnType<typeof postgresTown>>;
let proxy: TcpProxy;
let store: PgNoteStore;
let epoch: number;
let user: string;
let people = 0;

beforeAll(async () => {
  town = await postgresTown(inject('databaseUrl'));
  [epoch = 0] = await town.epochStore.mint([1], 'test');
});
afterAll(() => town.close());
beforeEach(async () => {
  const direct = new URL(town.database.appUrl);
  proxy = await tcpProxy({ host: direct.hostname, port: Number(direct.port) });
  direct.port = String(proxy.port);
  store = new PgNoteStore({ url: direct.href, log: silent });
  await store.tried();
  const handle = `events ${++people}`;
  const made = await town.directory.createUser({
    kind: 'civilian',
    handle,
    passwordHash: 'x',
    deviceId: 'd',
    zip: null,
    badge: null,
  });
  if (!made.ok) throw new Error(made.message);
  user = made.value.userId;
});
afterEach(async () => {
  await store.close();
  await proxy.close();
});

const event = (n: number, about: string | null = null): EventOp => ({
  type: 'event',
  id: town.uuid(),
  user,
  n,
  after: 0,
  lineage: 0,
  about,
  frame: Uint8Array.of(n),
});
const there = async (): Promise<number[]> => {
  const rows = await town.database.sql('select n::int from ops.user_event where user_id = $1 order by n', [
    user,
  ]);
  return rows.map(row => row.n as number);
};
const stream = async (): Promise<StreamRecord> =>
  ((await town.queryStore.query({ type: 'user', id: user })) as UserRecord).stream;
const commit = async (...ops: EventOp[]): Promise<string[]> =>
  (await town.noteStore.commit(ops.map(op => at(1, epoch, op)))).map(one => one.code);

it('with the answer lost: unknown, and the look-up finds the event', async () => {
  const op = event(1);
  proxy.swallowAnswers = true;
  const committing = fault(store.commit([at(1, epoch, op)]));
  await expect.poll(there, PATIENCE).toEqual([1]);
  proxy.swallowAnswers = false;
  proxy.cut(false);
  expect(await committing).toBe('unknown');
  await expect.poll(() => fault(store.lookup([op])), PATIENCE).toBe('no fault');
  expect(await store.lookup([op])).toMatchObject([{ code: 'exists' }]);
});

it('with the request still on its way: once the look-up says no, it never arrives', async () => {
  const [old, other] = [event(1), event(1)];
  await arrivesTooLate(proxy, store, at(1, epoch, old));
  expect(await store.commit([at(1, epoch, other)])).toMatchObject([{ id: other.id, code: 'created' }]);
});

it('the application has no way to an event but the function that checks the fence', async () => {
  await commit(event(1));
  const client = new pg.Client({ connectionString: town.database.appUrl });
  await client.connect();
  try {
    for (const sql of [
      "insert into ops.user_event values (gen_random_uuid(), 1, 0, 0, gen_random_uuid(), null, now(), '')",
      'update ops.user_event set n = 9',
      'delete from ops.user_event',
      'truncate ops.user_event',
      'update ops.town set id = gen_random_uuid()',
    ]) {
      await expect(client.query(sql)).rejects.toThrow('permission denied');
    }
    await client.query('select * from ops.user_event, ops.town');
  } finally {
    await client.end();
  }
});

it('a starting actor reads nothing that is older than a ring reaches back', async () => {
  await town.commitStore.commit([1, 2].map(n => at(1, epoch, move(town.uuid(), MINT_ACCOUNT, user, n))));
  await commit(event(1, 'known for long'), event(2));
  const age = async (minutes: number): Promise<void> => {
    const values = [user, minutes];
    await town.database.sql(
      "update ops.user_event set at = at - $2 * interval '1 minute' where user_id = $1",
      values,
    );
    await town.database.sql(
      `update ledger.transfer set at = at - $2 * interval '1 minute'
       where id in (select transfer_id from ledger.posting where account_id = $1)`,
      values,
    );
  };
  await age(4);
  const recent = await stream();
  expect([recent.movements.length, recent.events.length]).toEqual([2, 2]);
  for (const { ageMs } of [...recent.movements, ...recent.events]) {
    expect(ageMs).toBeGreaterThanOrEqual(240_000);
    expect(ageMs).toBeLessThan(300_000);
  }
  await age(2);
  expect(await stream()).toMatchObject({
    movements: [],
    events: [],
    others: 2,
    told: { 'known for long': 1 },
  });
  // the newest ones are there again, and only they
  await commit(event(3));
  await town.commitStore.commit([at(1, epoch, move(town.uuid(), MINT_ACCOUNT, user, 3))]);
  const { movements, events } = await stream();
  expect([movements.map(one => one.version), events.map(one => one.n)]).toEqual([[3], [3]]);
});

it('what no ring takes any more goes with the next event; the newest and what must be known stay', async () => {
  await commit(event(1, 'a scan'), event(2), event(3));
  const age = (hours: number) =>
    town.database.sql("update ops.user_event set at = at - $2 * interval '1 hour' where user_id = $1", [
      user,
      hours,
    ]);
  await age(1);
  expect(await there()).toEqual([1, 2, 3]);
  expect(await stream()).toMatchObject({ others: 3 });
  await commit(event(4));
  expect(await there()).toEqual([1, 4]);
  await age(74);
  await commit(event(5));
  expect(await there()).toEqual([5]);
});

it('the name of the lineage follows the database and its history', async () => {
  const before = (await stream()).town;
  expect(before).toMatch(/^[0-9a-f-]{36}\/1$/);
  await town.database.sql('update ops.town set id = gen_random_uuid()');
  expect((await stream()).town).not.toBe(before);
});

it('reads a stream by its indexes, however many events and movements there are', async () => {
  await town.database.sql(`insert into ops.user_event (user_id, n, after_version, lineage, id, at, frame)
    select md5((i / 20)::text)::uuid, i % 20 + 1, 0, 0, gen_random_uuid(), now(), 'x' from generate_series(0, 39999) i`);
  await town.database.sql('analyze ops.user_event');
  const plan = JSON.stringify(
    await town.database.sql(
      'explain select * from ops.user_event where user_id = $1 order by n desc limit 1',
      [user],
    ),
  );
  expect(plan).toContain('user_event_pkey');
  expect(await stream()).toMatchObject({ others: 0 });
});
