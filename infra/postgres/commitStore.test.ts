/** What the store says when connections break: only what is proven. Real PostgreSQL behind a proxy that misbehaves. */
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { MINT_ACCOUNT } from '../../actors/durable.ts';

import { at, encounter, move } from '../../nodes/contracts/town.ts';
import { LedgerWriter } from '../../nodes/ledgerWriter.ts';
import type { CommitEntry, Metrics, WriteOutcome } from '../../nodes/ports.ts';
import { systemClock, systemScheduler } from '../clock.ts';
import { PgCommitStore } from './commitStore.ts';
import { faultOf } from './faults.ts';
import { type TcpProxy, tcpProxy } from './tcpProxy.ts';
import { arrivesTooLate, endedInTheMiddle, fault, PATIENCE } from './testFaults.ts';
import { postgresTown, silent } from './testTown.ts';

const metrics: Metrics = { count() {}, observe() {}, gauge() {} };

let town: Awaited<ReturnType<typeof postgresTown>>;
let proxy: TcpProxy;
let store: PgCommitStore;
let url: string;
let epoch: number;
let ada: string;

beforeAll(async () => {
  town = await postgresTown(inject('databaseUrl'));
  [epoch = 0] = await town.epochStore.mint([1], 'test');
});
afterAll(() => town.close());

beforeEach(async () => {
  ada = town.uuid();
  await town.database.sql('insert into ledger.account (account_id) values ($1)', [ada]);
  const direct = new URL(town.database.appUrl);
  proxy = await tcpProxy({ host: direct.hostname, port: Number(direct.port) });
  direct.port = String(proxy.port);
  url = direct.href;
  store = new PgCommitStore({ url, log: silent });
  await store.tried();
});
/** One that gives up soon, for tests of that alone: a busy machine may take as long for anything. */
const impatient = async (patience: { lockMsMax?: number; silenceMsMax?: number }): Promise<void> => {
  await store.close();
  store = new PgCommitStore({ url, log: silent, ...patience });
  await store.tried();
};
afterEach(async () => {
  await store.close();
  await proxy.close();
});

const give = (points = 1): CommitEntry => at(1, epoch, move(town.uuid(), MINT_ACCOUNT, ada, points));
const balance = async (): Promise<number> => {
  const [row] = await town.database.sql('select balance::int from ledger.account where account_id = $1', [
    ada,
  ]);
  return Number(row?.balance);
};

describe('a broken connection', () => {
  it('with the answer lost: unknown, and the look-up finds the effect', async () => {
    const entry = give();
    proxy.swallowAnswers = true;
    const commit = fault(store.commit([entry]));
    await expect.poll(balance, PATIENCE).toBe(1);
    proxy.swallowAnswers = false;
    proxy.cut(false);
    expect(await commit).toBe('unknown');
    await expect.poll(() => fault(store.lookup([entry.op])), PATIENCE).toBe('no fault');
    expect(await store.lookup([entry.op])).toMatchObject([{ code: 'exists', postings: [{ balance: 1 }] }]);
  });

  it('with the request still on its way: once the look-up says no, it never arrives', async () => {
    const entry = give();
    await arrivesTooLate(proxy, store, entry);
    // the pair of sockets is torn down after the server saw, or could not see, the held bytes
    await store.commit([give(5)]);
    await new Promise(resolve => setTimeout(resolve, 200));
    expect(await balance()).toBe(5);
  });

  it('a server that says nothing is given up: unknown, then found', async () => {
    await impatient({ silenceMsMax: 1_500 });
    const entry = give();
    proxy.swallowAnswers = true;
    expect(await fault(store.commit([entry]))).toBe('unknown');
    proxy.swallowAnswers = false;
    proxy.cut(true);
    await expect.poll(() => fault(store.lookup([entry.op])), PATIENCE).toBe('no fault');
    expect(await store.lookup([entry.op])).toMatchObject([{ code: 'exists' }]);
  });

  it('with nobody there: unavailable at once, and back by itself', async () => {
    proxy.refuse = true;
    proxy.cut(true);
    await expect.poll(() => store.up, PATIENCE).toBe(false);
    expect(await fault(store.commit([give()]))).toBe('unavailable');
    proxy.refuse = false;
    await expect.poll(() => store.up, PATIENCE).toBe(true);
    expect(await store.commit([give()])).toMatchObject([{ code: 'created' }]);
  });

  it('ended by the server in the middle: unknown, and proven absent', async () => {
    const entry = give();
    const lock = (blocker: pg.Client) =>
      blocker.query('select from ops.shard_fence where shard = 1 for update');
    await endedInTheMiddle(town.database, lock, () => store.commit([entry]));
    await expect.poll(() => fault(store.lookup([entry.op])), PATIENCE).toBe('no fault');
    expect(await store.lookup([entry.op])).toEqual([null]);
  });
});

describe('an error of the server', () => {
  it('waiting too long for a lock is unavailable: nothing was applied', async () => {
    await impatient({ lockMsMax: 150 });
    const blocker = new pg.Client({ connectionString: town.database.ownerUrl });
    await blocker.connect();
    await blocker.query('begin');
    await blocker.query('select from ledger.account where account_id = $1 for update', [ada]);
    const entry = give();
    expect(await fault(store.commit([entry]))).toBe('unavailable');
    await blocker.query('rollback');
    await blocker.end();
    expect(await store.commit([entry])).toMatchObject([{ code: 'created' }]);
  });

  it('numbers that no column holds are poison: nothing of the group was applied', async () => {
    const rich = town.uuid();
    const sql =
      'insert into ledger.account (account_id, balance, limited) values ($1, 9223372036854775000, false)';
    await town.database.sql(sql, [rich]);
    const tooMuch = at(1, epoch, move(town.uuid(), MINT_ACCOUNT, rich, 1_000_000));
    expect(await fault(store.commit([give(), tooMuch]))).toBe('poison');
    expect(await balance()).toBe(0);
    await town.database.sql('delete from ledger.account where account_id = $1', [rich]);
  });

  it('an epoch that is minted meanwhile waits for the group, or the group is stale: never both', async () => {
    for (let round = 0; round < 10; round++) {
      const [mine = 0] = await town.epochStore.mint([2], 'me');
      const entry = at(2, mine, move(town.uuid(), MINT_ACCOUNT, ada, 1));
      const before = await balance();
      const [[outcome], [theirs]] = await Promise.all([
        store.commit([entry]),
        town.epochStore.mint([2], 'other'),
      ]);
      expect(theirs).toBe(mine + 1);
      expect(await balance()).toBe(before + (outcome?.code === 'created' ? 1 : 0));
      expect(['created', 'stale_epoch']).toContain(outcome?.code);
      expect((await store.commit([{ ...entry, op: { ...entry.op, id: town.uuid() } }]))[0]?.code).toBe(
        'stale_epoch',
      );
    }
  });

  it.each([
    ['40P01', 'unavailable'],
    ['40001', 'unavailable'],
    ['55P03', 'unavailable'],
    ['57014', 'unavailable'],
    ['53100', 'unavailable'],
    ['25006', 'unavailable'],
    ['23505', 'unavailable'],
    ['23514', 'poison'],
    ['22003', 'poison'],
    ['LG001', 'poison'],
    ['57P01', 'unknown'],
    ['57P02', 'unknown'],
    ['08006', 'unknown'],
    ['', 'unknown'],
  ])('%s means %s', (code, meaning) => {
    const error = new pg.DatabaseError('x', 1, 'error');
    error.code = code;
    expect(faultOf(error, true)).toBe(meaning);
    expect(faultOf(new Error('Connection terminated'), true)).toBe('unknown');
    expect(faultOf(error, false)).toBe('unavailable');
  });
});

it('under load, with connections cut again and again, every outcome is true', async () => {
  const writer = new LedgerWriter({
    store,
    scheduler: systemScheduler,
    clock: systemClock(),
    log: silent,
    metrics,
    limits: { entryMs: 30_000, groupEntries: 20 },
  });
  const people = Array.from({ length: 30 }, () => town.uuid());
  await town.database.sql('insert into ledger.account (account_id) select unnest($1::uuid[])', [people]);
  const outcomes = new Map<string, WriteOutcome>();
  const submitted: string[] = [];
  let cuts = 0;
  for (let i = 0; i < 600; i++) {
    const [officer = '', civilian = ''] = [people[i % 30], people[(i * 7 + 1 + (i % 5)) % 30]];
    const entry = at(
      1,
      epoch,
      i % 3 === 0 && officer !== civilian
        ? encounter(town.uuid(), officer, civilian, { cooldownS: 0 })
        : move(town.uuid(), MINT_ACCOUNT, officer, 1),
    );
    submitted.push(entry.op.id);
    writer.submit(entry, outcome => {
      expect(outcomes.has(entry.op.id)).toBe(false);
      outcomes.set(entry.op.id, outcome);
    });
    if (i % 10 === 9) await new Promise(resolve => setImmediate(resolve));
    if (i % 60 === 59) {
      proxy.cut(cuts++ % 2 === 0);
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }
  await writer.drain(30_000);
  expect(outcomes.size).toBe(submitted.length);
  const rows = await town.database.sql('select id from ledger.transfer where id = any ($1::uuid[])', [
    submitted,
  ]);
  const there = new Set(rows.map(row => String(row.id)));
  for (const id of submitted) {
    const outcome = outcomes.get(id)!;
    const says = outcome.ok && ['created', 'exists'].includes(outcome.committed.code);
    expect(says).toBe(there.has(id));
  }
  expect(there.size).toBeGreaterThan(500);
  expect(await town.sums()).toEqual({ postings: 0, accounts: 0 });
}, 60_000);
