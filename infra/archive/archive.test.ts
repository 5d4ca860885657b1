import { randomUUID } from 'node:crypto';
import { CreateStreamCommand, KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { describe, expect, inject, it, vi } from 'vitest';
import { systemScheduler } from '../clock.ts';
import { awsClientConfig } from '../outbox/awsClient.ts';
import { awsAt, PATIENCE } from '../outbox/testOutbox.ts';
import { silent } from '../postgres/testTown.ts';
import { Archive, type Streams } from './archive.ts';
import { KinesisShards } from './kinesisShards.ts';
import { checkpointKey } from './layout.ts';
import { BACKOFF_MS_MAX, POLL_MS, SEAL_MS } from './limits.ts';
import { type Page, ShardLoop, type ShardReader } from './shardLoop.ts';
import { away, eventOf, idOf, MemoryStore, recordOf, rowsIn, START_MS } from './testArchive.ts';

const quiet = { count() {}, observe() {}, gauge() {} };

/** A clock that is turned by hand, with everything that waits for it. */
class Hand {
  nowMs = 0;
  #waiting: { atMs: number; run: () => void }[] = [];
  readonly scheduler = {
    immediate: (run: () => void) => void setImmediate(run),
    after: (delayMs: number, run: () => void) => {
      const one = { atMs: this.nowMs + delayMs, run };
      this.#waiting.push(one);
      return () => {
        this.#waiting = this.#waiting.filter(other => other !== one);
      };
    },
  };

  /** Lets time pass, step by step, and what happens in it happen. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      await settled();
      const next = this.#waiting.filter(one => one.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#waiting = this.#waiting.filter(other => other !== next);
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }
}

/** Everything that can go on without time has gone on. */
async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise(resolve => setImmediate(resolve));
}

const EMPTY: Page = { records: [], behind: false, ended: false };
const page = (from: number, count: number, ended = false): Page => ({
  records: Array.from({ length: count }, (_, i) => recordOf(100 + from + i, eventOf(from + i))),
  behind: false,
  ended,
});

function loopOver(pages: Page[], store: MemoryStore, bytes = 1_000_000) {
  const hand = new Hand();
  const opened: (string | null)[] = [];
  const loop = new ShardLoop({
    stream: 'transactions',
    shard: 'shardId-000000000000',
    store,
    open: after => {
      opened.push(after);
      return { read: async () => pages.shift() ?? EMPTY };
    },
    flushBytes: bytes,
    flushMs: 300_000,
    scheduler: hand.scheduler,
    monotonicMs: () => hand.nowMs,
    log: silent,
    metrics: quiet,
  });
  return { loop, hand, opened };
}
const KEY = checkpointKey('transactions', 'shardId-000000000000');
const noted = (store: MemoryStore): object | null => {
  const body = store.objects.get(KEY);
  return body === undefined ? null : JSON.parse(Buffer.from(body).toString());
};

describe('a shard is written', () => {
  it('when its oldest record has waited long enough', async () => {
    const store = new MemoryStore();
    const { loop, hand } = loopOver([page(0, 3)], store);
    await hand.pass(290_000);
    expect(store.objects.size).toBe(0);
    expect(loop.waitedMs).toBe(290_000);
    await hand.pass(10_000 + POLL_MS);
    expect(await rowsIn(store)).toHaveLength(3);
    expect(noted(store)).toEqual({ seq: '102', ended: false });
    await loop.stop(false);
  });

  it('when there is enough of it, and reading waits meanwhile', async () => {
    const store = new MemoryStore();
    const pages = [page(0, 3), page(3, 3), page(6, 3)];
    const { loop, hand } = loopOver(pages, store, 1_000);
    store.beforeWrite = away;
    await hand.pass(600_000);
    expect(pages).toHaveLength(2);
    expect(noted(store)).toBeNull();
    store.beforeWrite = () => {};
    await hand.pass(BACKOFF_MS_MAX + 60_000);
    expect((await rowsIn(store)).map(row => row.event_id)).toEqual(
      Array.from({ length: 9 }, (_, i) => idOf(i)),
    );
    expect(noted(store)).toEqual({ seq: '108', ended: false });
    await loop.stop(false);
  });

  it('when we stop, unless another one has it now: then he reads it again', async () => {
    for (const flush of [true, false]) {
      const store = new MemoryStore();
      const { loop, hand } = loopOver([page(0, 2)], store);
      await hand.pass(1_000);
      await loop.stop(flush);
      expect(noted(store)).toEqual(flush ? { seq: '101', ended: false } : null);
    }
  });

  it('when it ends, and is not opened again', async () => {
    const store = new MemoryStore();
    const first = loopOver([page(0, 2, true)], store);
    await first.hand.pass(1_000);
    await first.loop.ended;
    expect(noted(store)).toEqual({ seq: '101', ended: true });
    const second = loopOver([page(0, 2)], store);
    await second.loop.ended;
    expect(second.opened).toEqual([]);
  });

  it('from where the one before was certain', async () => {
    const store = new MemoryStore();
    store.objects.set(KEY, Buffer.from(JSON.stringify({ seq: '7', ended: false })));
    const { loop, hand, opened } = loopOver([], store);
    await hand.pass(1_000);
    expect(opened).toEqual(['7']);
    await loop.stop(true);
  });

  it('again and again while the note of it fails, and is there once', async () => {
    const store = new MemoryStore();
    const { loop, hand } = loopOver([page(0, 3)], store);
    store.beforeWrite = key => key === KEY && away();
    await hand.pass(400_000);
    expect(await rowsIn(store)).toHaveLength(3);
    expect(noted(store)).toBeNull();
    await loop.stop(true);
    store.beforeWrite = () => {};
    const next = loopOver([page(0, 5)], store);
    await next.hand.pass(400_000);
    expect(await rowsIn(store)).toHaveLength(5);
    await next.loop.stop(true);
  });
});

describe('the archivers of a node', () => {
  it('take the shards that are theirs, and let go of the others', async () => {
    const reading = new Set<string>();
    const streams: Streams = {
      list: async stream => (stream === 'transactions' ? ['a', 'b', 'c', 'd'] : []),
      reader: (_, shard): ShardReader => ({
        read: async () => {
          reading.add(shard);
          return EMPTY;
        },
      }),
      close() {},
    };
    const hand = new Hand();
    const archive = new Archive({
      store: new MemoryStore(),
      streams,
      flushBytes: 1_000,
      flushMs: 1_000,
      scheduler: hand.scheduler,
      nowMs: () => hand.nowMs,
      monotonicMs: () => hand.nowMs,
      log: silent,
      metrics: quiet,
    });
    archive.own(new Set(Array.from({ length: 512 }, (_, shard) => shard)));
    await hand.pass(1_000);
    expect([...reading].sort()).toEqual(['a', 'b', 'c', 'd']);
    archive.own(new Set());
    await hand.pass(1_000);
    reading.clear();
    await hand.pass(60_000);
    expect(reading.size).toBe(0);
    await archive.close();
  });

  it('seal hours that are over, where the sealer is theirs, and try again when the store is away', async () => {
    const store = new MemoryStore();
    const { loop, hand: first } = loopOver([page(0, 3, true)], store);
    await first.pass(POLL_MS);
    await loop.ended;
    const seals = () => store.keys('seals/').length;
    const hand = new Hand();
    const archive = new Archive({
      store,
      streams: { list: async () => [], reader: () => ({ read: async () => EMPTY }), close() {} },
      flushBytes: 1_000,
      flushMs: 1_000,
      scheduler: hand.scheduler,
      nowMs: () => START_MS + 24 * 3_600_000 + hand.nowMs,
      monotonicMs: () => hand.nowMs,
      log: silent,
      metrics: quiet,
    });
    await hand.pass(SEAL_MS);
    expect(seals()).toBe(0);
    archive.own(new Set(Array.from({ length: 512 }, (_, shard) => shard)));
    store.beforeWrite = away;
    await hand.pass(SEAL_MS);
    expect(seals()).toBe(0);
    store.beforeWrite = () => {};
    await hand.pass(SEAL_MS);
    expect(seals()).toBe(1);
    await archive.close();
  });

  it('archive what was published to Kinesis: each event, also what came twice, after restarts', async () => {
    const options = awsAt(inject('kinesisEndpoint'));
    const kinesis = new KinesisClient(awsClientConfig(options));
    const stream = `archive-${randomUUID()}`;
    await kinesis.send(new CreateStreamCommand({ StreamName: stream, ShardCount: 2 }));
    const shards = new KinesisShards(options);
    const put = (from: number, count: number) =>
      kinesis.send(
        new PutRecordsCommand({
          StreamName: stream,
          Records: Array.from({ length: count }, (_, i) => ({
            PartitionKey: idOf((from + i) % 17),
            Data: Buffer.from(JSON.stringify(eventOf(from + i))),
          })),
        }),
      );
    await vi.waitFor(() => put(0, 100), PATIENCE);
    const store = new MemoryStore();
    const archive = () =>
      new Archive({
        store,
        // the archive reads two streams of fixed names: both are ours here
        streams: {
          list: async name => (name === 'transactions' ? shards.list(stream) : []),
          reader: (_, shard, after) => shards.reader(stream, shard, after),
          close() {},
        },
        flushBytes: 1_000_000,
        flushMs: 1,
        scheduler: { ...systemScheduler, after: (ms, run) => systemScheduler.after(Math.min(ms, 5), run) },
        nowMs: () => START_MS,
        monotonicMs: () => performance.now(),
        log: silent,
        metrics: quiet,
      });
    const everything = new Set(Array.from({ length: 512 }, (_, shard) => shard));
    const arrived = async (events: number, rows: number) => {
      const one = archive();
      one.own(everything);
      await vi.waitFor(async () => {
        const ids = (await rowsIn(store)).map(row => row.event_id);
        expect(new Set(ids).size).toBe(events);
        expect(ids).toHaveLength(rows);
      }, PATIENCE);
      await one.close();
    };
    await arrived(100, 100);
    await put(100, 20);
    await put(90, 20);
    await arrived(120, 140);
    for (const key of store.keys('checkpoints/')) store.objects.delete(key);
    const before = store.keys('archive/');
    await put(120, 1);
    await arrived(121, 141);
    expect(store.keys('archive/').filter(key => before.includes(key))).toEqual(before);
    shards.close();
    kinesis.destroy();
  });

  it('read a stream from its beginning when the one they knew is gone, and another has its name', async () => {
    const options = awsAt(inject('kinesisEndpoint'));
    const kinesis = new KinesisClient(awsClientConfig(options));
    const StreamName = `archive-${randomUUID()}`;
    await kinesis.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
    const Records = [{ PartitionKey: 'a', Data: Buffer.from('one') }];
    await vi.waitFor(() => kinesis.send(new PutRecordsCommand({ StreamName, Records })), PATIENCE);
    const shards = new KinesisShards(options);
    const [shard = ''] = await shards.list(StreamName);
    const of = async (after: string | null) => (await shards.reader(StreamName, shard, after).read()).records;
    const [first] = await of(null);
    expect(await of(first!.seq)).toEqual([]);
    // a place of a stream that was made years before this one
    expect(await of('49500000000000000000000000000000000000000000000000000002')).toEqual([first]);
    shards.close();
    kinesis.destroy();
  });

  it('a stream that nobody has made yet has no shards', async () => {
    const shards = new KinesisShards(awsAt(inject('kinesisEndpoint')));
    expect(await shards.list(`archive-${randomUUID()}`)).toEqual([]);
    shards.close();
  });
});
