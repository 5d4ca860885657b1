/** What the tests of the archive share: objects in memory, events, and the archive read by a reader of its own. */
import { zstdDecompressSync } from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import { assertKey, byKey, type ObjectStore, StoreAway } from './objectStore.ts';
import type { StreamRecord } from './shardArchiver.ts';

/** Passes the contract suite of the others; can be told to fail, or to be killed. */
export class MemoryStore implements ObjectStore {
  readonly name = 'memory';
  readonly objects = new Map<string, Uint8Array>();
  /** Called before each change; what it throws is what the caller gets. */
  beforeWrite: (key: string) => void = () => {};

  async putNew(key: string, body: Uint8Array): Promise<boolean> {
    await this.#begin(key);
    if (this.objects.has(key)) return false;
    this.objects.set(key, body);
    return true;
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    await this.#begin(key);
    this.objects.set(key, body);
  }

  async get(key: string, range?: { start: number; end: number }): Promise<Uint8Array | null> {
    assertKey(key);
    const body = this.objects.get(key);
    return body === undefined ? null : body.slice(range?.start ?? 0, range?.end);
  }

  async list(prefix: string) {
    const found = [...this.objects].filter(([key]) => key.startsWith(prefix));
    return found.map(([key, body]) => ({ key, bytes: body.length })).sort(byKey);
  }

  async remove(key: string): Promise<void> {
    assertKey(key);
    this.objects.delete(key);
  }

  close(): void {}

  /** The keys under a prefix. */
  keys(prefix: string): string[] {
    return [...this.objects.keys()].filter(key => key.startsWith(prefix)).sort();
  }

  async #begin(key: string): Promise<void> {
    assertKey(key);
    await null;
    this.beforeWrite(key);
  }
}

export const away = (): never => {
  throw new StoreAway('the store is away');
};

export const idOf = (n: number): string => `0193a000-0000-7000-8000-${String(n).padStart(12, '0')}`;

/** 2026-11-21, 10:00 UTC. */
export const START_MS = Date.UTC(2026, 10, 21, 10);

/** An event as publishers send it. */
export function eventOf(n: number, more: object = {}): object {
  return {
    stamp: { shard: 7, epoch: 3, seq: 1_024 + n },
    trace: null,
    id: idOf(n),
    source: 'heyblue.ledger',
    type: 'points.awarded',
    version: 1,
    detailType: 'points.awarded.v1',
    time: new Date(START_MS + n * 1_000).toISOString(),
    subject: idOf(1),
    seq: n,
    correlationId: null,
    causationId: null,
    userId: idOf(1),
    data: { reason: 'welcome', rule: { id: 'welcome', version: 1 } },
    ...more,
  };
}

export const recordOf = (seq: number | string, event: object | string): StreamRecord => ({
  seq: String(seq),
  key: idOf(1),
  data: Buffer.from(typeof event === 'string' ? event : JSON.stringify(event)),
});

export type ArchivedRow = Record<string, unknown>;

/** Every row of every object under a prefix, in the order of their keys. */
export async function rowsIn(store: ObjectStore, prefix = 'archive/'): Promise<ArchivedRow[]> {
  const rows: ArchivedRow[] = [];
  for (const { key } of await store.list(prefix)) {
    const body = await store.get(key);
    const file = new Uint8Array(body!).buffer;
    rows.push(
      ...(await parquetReadObjects({
        file,
        compressors: {
          ZSTD: (input, length) => new Uint8Array(zstdDecompressSync(input)).subarray(0, length),
        },
      })),
    );
  }
  return rows;
}
