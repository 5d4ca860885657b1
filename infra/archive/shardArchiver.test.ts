import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import { ShardArchiver, type StreamRecord } from './shardArchiver.ts';
import { away, eventOf, idOf, MemoryStore, recordOf, rowsIn, START_MS } from './testArchive.ts';

const STREAM = 'transactions';
const SHARD = 'shardId-000000000001';
const archiver = (store: MemoryStore): ShardArchiver =>
  new ShardArchiver({ store, stream: STREAM, shard: SHARD });
const records = (count: number, from = 0): StreamRecord[] =>
  Array.from({ length: count }, (_, i) => recordOf(1_000 + from + i, eventOf(from + i)));
const idsIn = async (store: MemoryStore): Promise<unknown[]> =>
  (await rowsIn(store)).map(row => row.event_id);
const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => idOf(i));

/** Of 9 points. */
const SHARES = JSON.stringify([
  { account: idOf(1), delta: 4 },
  { account: idOf(2), delta: 5 },
]);

describe('what is archived', () => {
  it('lies by stream and hour, under the shard and its first record', async () => {
    const store = new MemoryStore();
    const shard = archiver(store);
    shard.take([
      recordOf(5, eventOf(0)),
      recordOf(6, eventOf(1, { time: '2026-01-02T03:59:59.999Z' })),
      recordOf(7, eventOf(2, { time: '2026-01-02T04:00:00.000Z' })),
      recordOf(8, eventOf(3)),
    ]);
    expect(await shard.flush()).toMatchObject({ lastSeq: '8', events: 4, objects: 3, unreadable: 0 });
    expect(store.keys('')).toEqual([
      `archive/${STREAM}/year=2026/month=01/day=02/hour=03/${SHARD}-6.parquet`,
      `archive/${STREAM}/year=2026/month=01/day=02/hour=04/${SHARD}-7.parquet`,
      `archive/${STREAM}/year=2026/month=11/day=21/hour=10/${SHARD}-5.parquet`,
    ]);
    expect(await shard.flush()).toBeNull();
  });

  it('has the head of the event, its data whole, and typed columns', async () => {
    const store = new MemoryStore();
    const shard = archiver(store);
    const data = {
      transferId: idOf(9),
      reason: 'encounter',
      rule: { id: 'encounter', version: 3, trace: '00aa' },
      method: 'qr',
      officer: idOf(4),
      civilian: idOf(5),
      zip: '10001',
      legs: [
        { account: idOf(5), delta: 10, balance: 10, version: 1 },
        { account: idOf(4), delta: 5, balance: 5, version: 1 },
        { account: MINT_ACCOUNT, delta: -15 },
      ],
      new: 'a field that nobody knows yet',
    };
    const more = { type: 'encounter.recorded', correlationId: 'c0', causationId: 'c1', trace: '00-t', data };
    shard.take([recordOf(5, eventOf(7, more)), recordOf(6, eventOf(8))]);
    await shard.flush();
    const [row, other] = await rowsIn(store);
    expect(row).toMatchObject({
      event_id: idOf(7),
      type: 'encounter.recorded',
      version: 1,
      time: new Date(START_MS + 7_000),
      subject: idOf(1),
      seq: 7n,
      key: idOf(1),
      correlation: 'c0',
      causation: 'c1',
      source: 'heyblue.ledger',
      trace: '00-t',
      stamp_shard: 7,
      stamp_epoch: 3n,
      stamp_seq: 1_031n,
      reason: 'encounter',
      rule_id: 'encounter',
      rule_version: 3,
      rule_trace: '00aa',
      officer: idOf(4),
      civilian: idOf(5),
      zip: '10001',
      points: 15n,
      issued: 15n,
      payer: null,
      payee: null,
      redemption: null,
    });
    expect(JSON.parse(String(row!.payload))).toEqual(data);
    expect(other).toMatchObject({ reason: 'welcome', points: null, issued: null, zip: null });
  });

  it.each([
    ['gives', [-7, 7, 0], { payer: idOf(0), payee: idOf(1), points: 7n, issued: 0n, shares: null }],
    ['splits', [-9, 4, 5], { payer: idOf(0), payee: null, points: 9n, issued: 0n, shares: SHARES }],
  ])('says who gave and who got when one person %s', async (_, deltas, expected) => {
    const store = new MemoryStore();
    const shard = archiver(store);
    const legs = deltas.map((delta, i) => ({ account: idOf(i), delta })).filter(leg => leg.delta !== 0);
    shard.take([recordOf(1, eventOf(0, { type: 'points.donated', data: { legs } }))]);
    await shard.flush();
    expect((await rowsIn(store))[0]).toMatchObject(expected);
  });

  it('is not what is no event: that is put aside as it came, once', async () => {
    const bad = [
      'no json',
      '{"id":1}',
      '[]',
      'null',
      eventOf(1, { id: 'x' }),
      eventOf(1, { time: 'yesterday' }),
      eventOf(1, { time: '2026-13-01T00:00:00.000Z' }),
      eventOf(1, { data: [] }),
      eventOf(1, { type: '../../etc' }),
      eventOf(1, { version: 2 ** 40 }),
    ];
    const store = new MemoryStore();
    for (let round = 0; round < 2; round++) {
      const shard = archiver(store);
      shard.take([recordOf(99, eventOf(0)), ...bad.map((event, i) => recordOf(100 + i, event))]);
      expect(await shard.flush()).toMatchObject({ lastSeq: '109', events: 1, unreadable: bad.length });
    }
    expect(store.keys('errors/')).toHaveLength(bad.length);
    const key = `errors/not-json/${STREAM}/${SHARD}-100.json`;
    const aside = JSON.parse(Buffer.from(store.objects.get(key)!).toString());
    expect(Buffer.from(aside.data, 'base64').toString()).toBe('no json');
    expect(aside).toMatchObject({ stream: STREAM, shard: SHARD, seq: '100' });
    expect(store.keys(`errors/not-an-event/${STREAM}/`)).toHaveLength(bad.length - 1);
    expect(await idsIn(store)).toEqual([idOf(0)]);
  });

  it('takes a value of another type than its column for none, and keeps it in the payload', async () => {
    const store = new MemoryStore();
    const shard = archiver(store);
    const data = {
      zip: 7,
      officer: {},
      quantity: 1.5,
      rule: 'x',
      legs: [{ account: 1, delta: 'y' }],
      restock: 1,
    };
    shard.take([recordOf(1, eventOf(0, { seq: 'z', stamp: null, correlationId: 4, data }))]);
    await shard.flush();
    const [row] = await rowsIn(store);
    expect(row).toMatchObject({
      zip: null,
      officer: null,
      quantity: null,
      rule_id: null,
      points: null,
      seq: null,
    });
    expect(JSON.parse(String(row!.payload))).toEqual(data);
  });
});

describe('a rewrite changes nothing', () => {
  it('the same records give the same bytes', async () => {
    const [one, two] = [new MemoryStore(), new MemoryStore()];
    for (const store of [one, two]) {
      const shard = archiver(store);
      shard.take(records(300));
      await shard.flush();
    }
    expect([...one.objects]).toEqual([...two.objects]);
    const [key = ''] = one.keys('archive/');
    one.objects.delete(key);
    const again = archiver(one);
    again.take(records(300));
    await again.flush();
    expect(Buffer.compare(one.objects.get(key)!, two.objects.get(key)!)).toBe(0);
  });

  it('whatever is archived again, in whatever portions, killed wherever: each record is there, and once if nobody was beside', async () => {
    const COUNT = 20;
    const portions = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        // attempts: where it begins, its portions, after how many writes it is killed; two go on side by side
        fc.array(fc.record({ from: fc.nat(COUNT - 1), portions, writes: fc.nat(8), beside: fc.boolean() }), {
          maxLength: 6,
        }),
        portions,
        async (attempts, last) => {
          const store = new MemoryStore();
          const all = records(COUNT).map((record, i) =>
            recordOf(
              record.seq,
              eventOf(i, { time: new Date(START_MS + (i % 3) * 3_600_000).toISOString() }),
            ),
          );
          /** Up to where everything is durable, as a checkpoint would say. */
          let done = 0;
          const attempt = async (
            from: number,
            cuts: readonly number[],
            target: MemoryStore,
          ): Promise<void> => {
            const shard = archiver(target);
            let at = from;
            for (let i = 0; at < COUNT; i++) {
              const portion = all.slice(at, at + cuts[i % cuts.length]!);
              shard.take(portion);
              await shard.flush();
              at += portion.length;
              if (from <= done) done = Math.max(done, at);
            }
          };
          let beside: Promise<unknown> = Promise.resolve();
          for (const { from, portions: cuts, writes, beside: isBeside } of attempts) {
            let left = writes;
            const mortal = new MemoryStore();
            Object.assign(mortal, { objects: store.objects });
            mortal.beforeWrite = () => {
              if (left-- <= 0) away();
            };
            const run = attempt(Math.min(from, done), cuts, mortal).catch(() => {});
            if (isBeside) beside = Promise.all([beside, run]);
            else await run;
          }
          await beside;
          await attempt(0, last, store);
          const found = await idsIn(store);
          expect([...new Set(found)].sort()).toEqual(ids(COUNT));
          if (attempts.every(one => !one.beside)) expect(found).toHaveLength(COUNT);
          const before = new Map(store.objects);
          await attempt(0, [7], store);
          expect(store.objects).toEqual(before);
        },
      ),
      { numRuns: 8, seed: 7 },
    );
  });

  it('a kill between any two objects of a flush loses nothing and doubles nothing', async () => {
    const hours = (i: number): object => ({ time: new Date(START_MS + i * 3_600_000).toISOString() });
    const all = Array.from({ length: 6 }, (_, i) => recordOf(10 + i, eventOf(i, hours(i))));
    for (let writes = 0; writes < 6; writes++) {
      const store = new MemoryStore();
      let left = writes;
      store.beforeWrite = () => {
        if (left-- <= 0) away();
      };
      const killed = archiver(store);
      killed.take(all);
      await expect(killed.flush()).rejects.toThrow('away');
      expect(store.objects.size).toBe(writes);
      store.beforeWrite = () => {};
      const next = archiver(store);
      next.take(all);
      await next.flush();
      expect(await idsIn(store)).toEqual(ids(6));
    }
  });

  it('a full disk keeps what waits, and what comes later is not before it', async () => {
    const store = new MemoryStore();
    const shard = archiver(store);
    store.beforeWrite = away;
    shard.take(records(3));
    await expect(shard.flush()).rejects.toThrow('away');
    shard.take(records(3, 3));
    expect(shard.waiting).toBe(6);
    store.beforeWrite = () => {};
    expect(await shard.flush()).toMatchObject({ lastSeq: '1005', events: 6 });
    expect([shard.waiting, shard.bytes]).toEqual([0, 0]);
    expect(await idsIn(store)).toEqual(ids(6));
  });

  it('sequence numbers are compared as numbers, however long they are', async () => {
    const store = new MemoryStore();
    const first = archiver(store);
    first.take([recordOf('9', eventOf(0)), recordOf('10', eventOf(1))]);
    await first.flush();
    const second = archiver(store);
    second.take([recordOf('9', eventOf(0)), recordOf('10', eventOf(1)), recordOf('100', eventOf(2))]);
    await second.flush();
    expect(store.keys('archive/').map(key => key.slice(key.lastIndexOf('-')))).toEqual([
      '-100.parquet',
      '-9.parquet',
    ]);
    expect((await idsIn(store)).sort()).toEqual(ids(3));
  });
});
