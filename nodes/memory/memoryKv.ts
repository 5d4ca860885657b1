/**
 * The coordination store in memory: the twin of the NATS bucket for simulations and tests, and the plain model that the
 * real one is compared with. It never fails and never hangs; whoever wants faults wraps the client.
 */
import { CLUSTER_LIMITS } from '../limits.ts';
import { type KvEntry, KvError, type KvStore, type Scheduler } from '../ports.ts';

/** What the bucket knows at one moment; taken and put back to play a restore from an old copy. */
export interface BucketCopy {
  readonly revision: number;
  readonly entries: readonly KvEntry[];
}

const KEY = /^[-/=\w]+(\.[-/=\w]+)*$/;

/** One bucket; the clients of many nodes share it. Every call takes effect at once and in the order of the calls. */
export class MemoryBucket {
  readonly #entries = new Map<string, KvEntry>();
  readonly #watchers = new Set<(entry: KvEntry) => void>();
  readonly #scheduler: Pick<Scheduler, 'immediate'>;
  #revision = 0;

  /** @param scheduler when watchers are told: after the write, never inside of it */
  constructor(scheduler: Pick<Scheduler, 'immediate'>) {
    this.#scheduler = scheduler;
  }

  get revision(): number {
    return this.#revision;
  }

  get(key: string): KvEntry | null {
    return copied(this.#entries.get(key) ?? null);
  }

  list(): KvEntry[] {
    return [...this.#entries.values()].map(one => copied(one));
  }

  put(key: string, value: Uint8Array, revision: number): number {
    if (!KEY.test(key)) throw new KvError('unavailable', `'${key}' is no key`);
    if (value.length > CLUSTER_LIMITS.recordBytes) {
      throw new KvError('unavailable', `a record of ${value.length} bytes is too large`);
    }
    this.#expect(key, revision);
    const entry = { key, value: value.slice(), revision: ++this.#revision };
    this.#entries.set(key, entry);
    this.#tell(entry);
    return entry.revision;
  }

  remove(key: string, revision: number): void {
    this.#expect(key, revision);
    if (this.#entries.delete(key)) this.#tell({ key, value: new Uint8Array(), revision: ++this.#revision });
  }

  watch(changed: (entry: KvEntry) => void): () => void {
    const watcher = (entry: KvEntry): void => changed(entry);
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  copy(): BucketCopy {
    return { revision: this.#revision, entries: this.list() };
  }

  /** The bucket is what it was; nobody is told, as with a restored file. Without a copy it is made anew. */
  restore(copy: BucketCopy = { revision: 0, entries: [] }): void {
    this.#entries.clear();
    for (const entry of copy.entries) this.#entries.set(entry.key, entry);
    this.#revision = copy.revision;
  }

  #expect(key: string, revision: number): void {
    const found = this.#entries.get(key)?.revision ?? 0;
    if (found !== revision) throw new KvError('conflict', `${key} has revision ${found}, not ${revision}`);
  }

  #tell(entry: KvEntry): void {
    for (const watcher of this.#watchers) {
      this.#scheduler.immediate(() => {
        if (this.#watchers.has(watcher)) watcher(copied(entry));
      });
    }
  }
}

/** One node's way to the bucket. */
export class MemoryKv implements KvStore {
  readonly #bucket: MemoryBucket;

  constructor(bucket: MemoryBucket) {
    this.#bucket = bucket;
  }

  async get(key: string): Promise<KvEntry | null> {
    return this.#bucket.get(key);
  }

  async put(key: string, value: Uint8Array, revision: number): Promise<number> {
    return this.#bucket.put(key, value, revision);
  }

  async remove(key: string, revision: number): Promise<void> {
    this.#bucket.remove(key, revision);
  }

  async list(): Promise<KvEntry[]> {
    return this.#bucket.list();
  }

  async lastRevision(): Promise<number> {
    return this.#bucket.revision;
  }

  watch(changed: (entry: KvEntry) => void): () => void {
    return this.#bucket.watch(changed);
  }
}

/** As over a wire: nobody holds the bytes of another one. */
function copied<T extends KvEntry | null>(entry: T): T {
  return entry && { ...entry, value: entry.value.slice() };
}
