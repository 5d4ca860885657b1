/** What is known to hold no copies is not searched for them, and whatever comes twice or late, the answers are the same. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silent } from '../postgres/testTown.ts';
import { ARCHIVED_STREAMS } from './archive.ts';
import { FolderStore } from './folderStore.ts';
import { SEAL_AFTER_MS } from './limits.ts';
import type { ObjectStore } from './objectStore.ts';
import { mirror } from './query/mirror.ts';
import { standardQueries } from './query/queries.ts';
import { openWarehouse } from './query/warehouse.ts';
import { S3Store } from './s3Store.ts';
import { Sealer, sortObjects } from './seal.ts';
import { ShardArchiver } from './shardArchiver.ts';
import { eventOf, MemoryStore, recordOf, START_MS } from './testArchive.ts';
import { testS3 } from './testS3Server.ts';
import { type TownEvent, townEvents } from './townEvents.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describe('an hour', () => {
  const SHARD = 'shardId-000000000000';
  const archive = async (store: ObjectStore, seqs: readonly number[], shard = SHARD): Promise<void> => {
    const archiver = new ShardArchiver({ store, stream: 'transactions', shard });
    archiver.take(seqs.map((event, i) => recordOf(1_000 + 10 * seqs[0]! + i, eventOf(event))));
    await archiver.flush();
  };
  const sealer = (store: ObjectStore, nowMs: number) =>
    new Sealer({ store, stream: 'transactions', nowMs: () => nowMs, log: silent });
  const endMs = (Math.floor(START_MS / HOUR_MS) + 1) * HOUR_MS;
  const shardsOf = (keys: readonly string[]): string[] =>
    keys.map(key => /shardId-0*(\d)-/.exec(key)![1]!).sort();
  const other = (n: number): string => `shardId-00000000000${n}`;

  it('is sealed when it is over for a while, once', async () => {
    const store = new MemoryStore();
    await archive(store, [0, 1, 2]);
    expect(await sealer(store, endMs + SEAL_AFTER_MS - 1).seal()).toBe(0);
    expect(await sealer(store, endMs + SEAL_AFTER_MS).seal()).toBe(1);
    const before = new Map(store.objects);
    expect(await sealer(store, endMs + DAY_MS).seal()).toBe(0);
    for (const key of store.keys('seals/')) store.objects.delete(key);
    expect(await sealer(store, endMs + DAY_MS).seal()).toBe(1);
    expect(store.objects).toEqual(before);
  });

  it('is searched where events are shared, and nowhere else', async () => {
    const store = new MemoryStore();
    await archive(store, [0, 1, 2]);
    await archive(store, [3, 4, 3], other(1));
    await archive(store, [5, 6, 1], other(2));
    await archive(store, [7, 8], other(3));
    const all = await sortObjects(store, 'transactions');
    expect([all.single, shardsOf(all.open)]).toEqual([[], ['0', '1', '2', '3']]);
    await sealer(store, endMs + DAY_MS).seal();
    const { single, open } = await sortObjects(store, 'transactions');
    expect([shardsOf(single), shardsOf(open)]).toEqual([['3'], ['0', '1', '2']]);
  });

  it('is searched whole when something came after its seal, until it is sealed again', async () => {
    const store = new MemoryStore();
    await archive(store, [0, 1, 2]);
    await sealer(store, endMs + DAY_MS).seal();
    expect((await sortObjects(store, 'transactions')).open).toEqual([]);
    await archive(store, [9], other(4));
    expect((await sortObjects(store, 'transactions')).single).toEqual([]);
    await sealer(store, endMs + DAY_MS).seal();
    expect((await sortObjects(store, 'transactions')).open).toEqual([]);
  });

  it('with an object that is none keeps no other hour from its seal', async () => {
    const store = new MemoryStore();
    await archive(store, [0]);
    const [key = ''] = store.keys('archive/');
    store.objects.set(key.replace(/hour=\d\d/, 'hour=00'), Buffer.from('PAR1 no more'));
    expect(await sealer(store, endMs + DAY_MS).seal()).toBe(1);
  });
});

interface Home {
  readonly store: ObjectStore;
  /** Where DuckDB finds the objects. */
  folder(): Promise<string>;
  close(): Promise<void>;
}
const temporary = (): string => mkdtempSync(join(tmpdir(), 'heyblue-seal-'));

async function folderHome(): Promise<Home> {
  const path = temporary();
  const close = async () => rmSync(path, { recursive: true, force: true });
  return { store: new FolderStore(path), folder: async () => path, close };
}

async function bucketHome(): Promise<Home> {
  const path = temporary();
  const server = await testS3('heyblue-archive');
  const credentials = { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' };
  const at = { bucket: 'heyblue-archive', endpoint: server.endpoint, region: 'us-east-1', credentials };
  const store = new S3Store(at);
  return {
    store,
    async folder() {
      await mirror(store, path);
      return path;
    },
    async close() {
      store.close();
      await server.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

describe.each([
  ['a folder', folderHome],
  ['a bucket', bucketHome],
] as const)('over %s', (_, open) => {
  let home: Home;
  beforeEach(async () => {
    home = await open();
  });
  afterEach(() => home.close());

  const events = [
    ...townEvents({ events: 1_500, startMs: Date.UTC(2026, 10, 1), days: 2, hoursADay: 3, seed: 5 }),
  ];
  let seq = 1;
  const archive = async (some: readonly TownEvent[], shard: number): Promise<void> => {
    for (const stream of ARCHIVED_STREAMS) {
      const archiver = new ShardArchiver({ store: home.store, stream, shard: `shardId-00000000000${shard}` });
      const records = some.filter(one => one.stream === stream);
      archiver.take(
        records.map(({ key, event }) => ({
          seq: String(seq++),
          key,
          data: Buffer.from(JSON.stringify(event)),
        })),
      );
      await archiver.flush();
    }
  };
  const seal = async (): Promise<void> => {
    for (const stream of ARCHIVED_STREAMS) {
      const nowMs = () => Date.UTC(2026, 10, 9);
      await new Sealer({ store: home.store, stream, nowMs, log: silent }).seal();
    }
  };
  const answers = async (): Promise<string[]> => {
    const warehouse = await openWarehouse({ folder: await home.folder(), threads: 2 });
    try {
      const asked: string[] = [];
      for (const { name, sql } of standardQueries()) {
        asked.push(`${name} ${JSON.stringify((await warehouse.ask(sql)).rows)}`);
      }
      return asked;
    } finally {
      warehouse.close();
    }
  };

  it('the answers are the same with copies, late ones and seals as without', async () => {
    await archive(events, 0);
    const expected = await answers();
    await seal();
    expect(await answers()).toEqual(expected);
    // twice in one object, from another shard, over the ends of hours, and into an hour that has a seal
    await archive([...events.slice(100, 150), ...events.slice(100, 120)], 1);
    expect(await answers()).toEqual(expected);
    await seal();
    expect(await answers()).toEqual(expected);
    expect((await sortObjects(home.store, 'transactions')).single.length).toBeGreaterThan(0);
    await archive(events.slice(200, 300), 2);
    expect(await answers()).toEqual(expected);
    await seal();
    expect(await answers()).toEqual(expected);
  });
});
