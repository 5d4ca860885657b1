/** Timers in PostgreSQL: nobody writes them past the fence, and a broken connection says only what is proven. */
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { DurableOp, TimerOp } from '../../actors/durable.ts';
import { at } from '../../nodes/contracts/town.ts';
import { PgNoteStore } from './noteStore.ts';
import { type TcpProxy, tcpProxy } from './tcpProxy.ts';
import { arrivesTooLate, fault, PATIENCE } from './testFaults.ts';
import { postgresTown, silent } from './testTown.ts';

let town: Awaited<ReturnType<typeof postgresTown>>;
let proxy: TcpProxy;
let store: PgNoteStore;
let epoch: number;

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
});
afterEach(async () => {
  await store.close();
  await proxy.close();
});

const set = (actor: string, dueAtMs: number | null): TimerOp => ({
  type: 'timer',
  id: town.uuid(),
  kind: 'user',
  actor,
  name: 'x',
  dueAtMs,
  onlyDueAtMs: null,
  message: {},
});
const there = async (actor: string): Promise<unknown[]> =>
  town.database.sql('select due_ms::int as due from ops.actor_timer where actor = $1', [actor]);

it('with the answer lost: unknown, and the look-up finds the effect', async () => {
  const op = set('a', 5);
  proxy.swallowAnswers = true;
  const commit = fault(store.commit([at(1, epoch, op)]));
  await expect.poll(() => there('a'), PATIENCE).toEqual([{ due: 5 }]);
  proxy.swallowAnswers = false;
  proxy.cut(false);
  expect(await commit).toBe('unknown');
  await expect.poll(() => fault(store.lookup([op])), PATIENCE).toBe('no fault');
  expect(await store.lookup([op])).toMatchObject([{ code: 'exists' }]);
});

it('with the request still on its way: once the look-up says no, it never arrives', async () => {
  const [old, cancel] = [set('b', 5), set('b', null)];
  await arrivesTooLate(proxy, store, at(1, epoch, old));
  // the actor has changed its mind: what it said before must not come after
  expect(await store.commit([at(1, epoch, cancel)])).toMatchObject([{ code: 'created' }]);
  await new Promise(resolve => setTimeout(resolve, 200));
  expect(await there('b')).toEqual([]);
});

it('the application has no way to a timer but the function that checks the fence', async () => {
  const client = new pg.Client({ connectionString: town.database.appUrl });
  await client.connect();
  try {
    for (const sql of [
      "insert into ops.actor_timer values ('user', 'c', 'x', 1, 5, gen_random_uuid(), '{}')",
      'update ops.actor_timer set due_ms = 1',
      'delete from ops.actor_timer',
      'truncate ops.actor_timer',
    ]) {
      await expect(client.query(sql)).rejects.toThrow('permission denied');
    }
    await client.query('select * from ops.actor_timer');
  } finally {
    await client.end();
  }
});

it('reads what is due by its index, however many timers there are', async () => {
  await town.database.sql(`insert into ops.actor_timer (kind, actor, name, shard, due_ms, op_id, message)
    select 'user', 'm' || i, 'x', i % 512, 1000000 + i, gen_random_uuid(), '{}' from generate_series(1, 50000) i`);
  await town.database.sql('analyze ops.actor_timer');
  const plan = JSON.stringify(
    await town.database.sql(
      'explain select * from ops.actor_timer where shard = any ($1) and due_ms <= $2 order by due_ms limit 4096',
      [Array.from({ length: 170 }, (_, shard) => shard), 1_000_500],
    ),
  );
  expect(plan).toContain('actor_timer_due');
  expect(await store.due([3], 1_000_600, 100)).toMatchObject([{ actor: 'm3' }, { actor: 'm515' }]);
});

it('timer, event and answer of one turn are one transaction: what stops one of them stops all', async () => {
  const made = await town.directory.createUser({
    ...{ kind: 'civilian', handle: 'one turn', passwordHash: 'x', deviceId: 'd', zip: null, badge: null },
  });
  const user = made.ok ? made.value.userId : '';
  const turn: DurableOp[] = [
    set(user, 5),
    {
      ...({ type: 'event', n: 1, after: 0, lineage: 0, about: null } as const),
      ...{ id: town.uuid(), user, frame: Uint8Array.of(1) },
    },
    { type: 'answer', id: town.uuid(), user, key: 'k', requestHash: 'h', result: { ok: true, value: {} } },
  ];
  const held = new pg.Client({ connectionString: town.database.ownerUrl });
  await held.connect();
  try {
    await held.query(
      `begin; insert into ops.answer values ('${user}', 'k', gen_random_uuid(), 'h', '{}', now())`,
    );
    expect(await fault(store.commit(turn.map(op => at(1, epoch, op))))).toBe('unavailable');
    expect([await there(user), await store.lookup(turn)]).toEqual([[], [null, null, null]]);
    await held.query('rollback');
    await store.commit(turn.map(op => at(1, epoch, op)));
    expect(await store.lookup(turn)).toMatchObject(turn.map(() => ({ code: 'exists' })));
  } finally {
    await held.end();
  }
});

it('a row that nobody can read keeps neither the timers of its shard nor those who wake with it away', async () => {
  const person = async (handle: string): Promise<string> => {
    const made = await town.directory.createUser({
      ...{ kind: 'civilian', handle, passwordHash: 'x', deviceId: 'd', zip: null, badge: null },
    });
    return made.ok ? made.value.userId : '';
  };
  const [torn, whole] = [await person('torn'), await person('whole')];
  await town.database.sql(
    `insert into ops.actor_timer values
       ('user', $1, 'torn', 9, 5, gen_random_uuid(), '{"type":'), ('user', $1, 'x', 9, 6, gen_random_uuid(), '{}'),
       ('user', $2, 'x', 9, 7, gen_random_uuid(), '{}')`,
    [torn, whole],
  );
  await town.database.sql(
    `insert into ops.answer values ($1, 'k', gen_random_uuid(), 'h', '{"ok":', now())`,
    [torn],
  );
  expect(await store.due([9], 10, 2)).toMatchObject([{ actor: torn }, { actor: whole }]);
  const load = (id: string) => town.queryStore.query({ type: 'user', id });
  expect(await Promise.all([load(torn), load(whole)])).toMatchObject([
    // what was answered is not known any more: the command is refused, never carried out again
    { id: torn, timers: [{ name: 'x' }], commands: [{ key: 'k', result: { ok: false, code: 500 } }] },
    { id: whole, timers: [{ name: 'x' }], commands: [] },
  ]);
});
