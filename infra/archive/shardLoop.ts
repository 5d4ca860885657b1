/**
 * Reads one shard of a stream for ever, hands its records to the archiver, and decides when they are written: when there
 * are enough of them, when the oldest has waited long enough, when the shard ends, and when we stop.
 *
 * The place in the shard is noted after the objects are durable, never before. Stream or store may be away as long as they
 * like: what was read waits in memory up to the bound, reading stops there, and the rest waits in the stream.
 */
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { checkpointKey } from './layout.ts';
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, POLL_MS, READ_MS } from './limits.ts';
import type { ObjectStore } from './objectStore.ts';
import { ShardArchiver, type StreamRecord } from './shardArchiver.ts';

export interface Page {
  readonly records: readonly StreamRecord[];
  /** There is more at once. */
  readonly behind: boolean;
  /** The shard was split or merged, and this was its last page. */
  readonly ended: boolean;
}

/** A shard that is read from a place on. */
export interface ShardReader {
  /** The next page. Rejects when the stream is away; asking again goes on at the same place. */
  read(): Promise<Page>;
}

export interface ShardInfo {
  readonly stream: string;
  readonly shard: string;
}

export interface ShardLoopOptions extends ShardInfo {
  readonly store: ObjectStore;
  /** @param after the last record that is done; null begins with the oldest */
  readonly open: (after: string | null) => ShardReader;
  readonly flushBytes: number;
  readonly flushMs: number;
  readonly scheduler: Scheduler;
  readonly monotonicMs: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
}

interface Checkpoint {
  readonly seq: string | null;
  readonly ended: boolean;
}

const BEGIN: Checkpoint = { seq: null, ended: false };

export class ShardLoop {
  readonly ended: Promise<void>;
  readonly #options: ShardLoopOptions;
  readonly #archiver: ShardArchiver;
  #stopping = false;
  #flushing = false;
  #wake: (() => void) | null = null;
  #backoffMs = BACKOFF_MS_MIN;
  /** When the oldest record that waits was read. */
  #sinceMs = 0;

  constructor(options: ShardLoopOptions) {
    this.#options = options;
    this.#archiver = new ShardArchiver(options);
    this.ended = this.#run();
  }

  /** For how long the oldest record has waited to be written. */
  get waitedMs(): number {
    return this.#archiver.waiting === 0 ? 0 : this.#options.monotonicMs() - this.#sinceMs;
  }

  /** Reads no more. With `flush` what was read is written first, unless the store is away. */
  async stop(flush: boolean): Promise<void> {
    this.#stopping = true;
    this.#flushing = flush;
    this.#wake?.();
    await this.ended;
  }

  async #run(): Promise<void> {
    const { open } = this.#options;
    const checkpoint = await this.#insist(() => this.#checkpoint());
    if (checkpoint === null || checkpoint.ended) return;
    const reader = open(checkpoint.seq);
    let ended = false;
    while (!this.#stopping && !ended) {
      const page = await this.#insist(() => this.#read(reader));
      ended = page?.ended ?? false;
      if (page === null || !(ended || this.#isDue())) {
        await this.#pause(page?.behind ? READ_MS : POLL_MS);
        continue;
      }
      await this.#insist(() => this.#flush(ended));
    }
    if (this.#stopping && this.#flushing) {
      await this.#flush(ended).catch(error => this.#failed(error));
    }
  }

  /** The next page, into the archiver; none while that is full. */
  async #read(reader: ShardReader): Promise<Page> {
    const { flushBytes, monotonicMs } = this.#options;
    if (this.#archiver.bytes >= flushBytes) return { records: [], behind: true, ended: false };
    const page = await reader.read();
    if (this.#archiver.waiting === 0) this.#sinceMs = monotonicMs();
    this.#archiver.take(page.records);
    return page;
  }

  #isDue(): boolean {
    const { flushBytes, flushMs } = this.#options;
    if (this.#archiver.waiting === 0) return false;
    return this.#archiver.bytes >= flushBytes || this.waitedMs >= flushMs;
  }

  async #flush(ended: boolean): Promise<void> {
    const { store, stream, shard, metrics, log } = this.#options;
    const flushed = await this.#archiver.flush();
    if (flushed === null && !ended) return;
    const seq = flushed?.lastSeq ?? null;
    const checkpoint: Checkpoint = { seq, ended };
    await store.put(checkpointKey(stream, shard), Buffer.from(JSON.stringify(checkpoint)));
    if (flushed === null) return;
    metrics.count('heyblue_archived_total', { stream }, flushed.events);
    metrics.count('heyblue_archived_bytes_total', { stream }, flushed.bytes);
    if (flushed.unreadable > 0) {
      metrics.count('heyblue_archive_unreadable_total', { stream }, flushed.unreadable);
      log.warn({ stream, shard, records: flushed.unreadable }, 'records that are no events were put aside');
    }
  }

  async #checkpoint(): Promise<Checkpoint> {
    const { store, stream, shard } = this.#options;
    const body = await store.get(checkpointKey(stream, shard));
    if (body === null) return BEGIN;
    return JSON.parse(new TextDecoder().decode(body)) as Checkpoint;
  }

  /** Tries until it succeeds; null when we are told to stop before. */
  async #insist<T>(attempt: () => Promise<T>): Promise<T | null> {
    while (!this.#stopping) {
      try {
        const done = await attempt();
        this.#backoffMs = BACKOFF_MS_MIN;
        return done;
      } catch (error) {
        this.#failed(error);
        await this.#pause(this.#backoffMs);
        this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MS_MAX);
      }
    }
    return null;
  }

  #failed(error: unknown): void {
    const { stream, shard, metrics, log } = this.#options;
    metrics.count('heyblue_archive_failures_total', { stream });
    const words = error instanceof Error ? error.message : String(error);
    log.warn({ stream, shard, error: words }, 'archiving failed, trying again');
  }

  #pause(ms: number): Promise<void> {
    if (this.#stopping) return Promise.resolve();
    return new Promise(resolve => {
      const done = () => {
        cancel();
        this.#wake = null;
        resolve();
      };
      const cancel = this.#options.scheduler.after(ms, done);
      this.#wake = done;
    });
  }
}
