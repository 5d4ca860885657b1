/**
 * The archivers of a node: one for each shard of both streams that belongs to it.
 *
 * A stream's shard is placed like an actor: it belongs to the node that owns `shard-reader/<stream>/<shard>` in the map of
 * the cluster, and moves with it. Nothing depends on there being only one at any moment (`shardArchiver.ts`), so nobody
 * waits for anybody. The order of shards plays no part: events lie by the hour in which they happened. Whoever owns
 * `archive-sealer/<stream>` seals its hours when they are over (`seal.ts`).
 */
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { shardOf } from '../../protocol/shard.ts';
import { POLL_MS, SEAL_MS, SHARDS_MS } from './limits.ts';
import type { ObjectStore } from './objectStore.ts';
import { Sealer } from './seal.ts';
import { ShardLoop, type ShardReader } from './shardLoop.ts';

/** Where the records are. */
export interface Streams {
  list(stream: string): Promise<string[]>;
  reader(stream: string, shard: string, after: string | null): ShardReader;
  close(): void;
}

export const ARCHIVED_STREAMS = ['user-events', 'transactions'] as const;

export interface ArchiveOptions {
  readonly store: ObjectStore;
  readonly streams: Streams;
  /** A shard's records are written when they are so many bytes, */
  readonly flushBytes: number;
  /** or when the oldest has waited so long. */
  readonly flushMs: number;
  readonly scheduler: Scheduler;
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class Archive {
  readonly #options: ArchiveOptions;
  readonly #loops = new Map<string, ShardLoop>();
  /** The cluster's shards that are ours. */
  #owned: ReadonlySet<number> = new Set();
  #shards: readonly (readonly [stream: string, shard: string])[] = [];
  #cancel: () => void = () => {};
  #closed = false;
  #cancelMeasure: () => void = () => {};
  #cancelSeal: () => void;

  constructor(options: ArchiveOptions) {
    this.#options = options;
    void this.#look();
    this.#measure();
    this.#cancelSeal = options.scheduler.after(SHARDS_MS, () => void this.#seal());
  }

  /** These shards of the cluster belong to us from now on, and no others. */
  own(shards: ReadonlySet<number>): void {
    this.#owned = shards;
    this.#settle();
  }

  /** Writes what was read, and ends. What could not be written waits in the streams. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    this.#cancelMeasure();
    this.#cancelSeal();
    await Promise.all([...this.#loops.values()].map(loop => loop.stop(true)));
    this.#options.streams.close();
    this.#options.store.close();
  }

  /** Which shards there are; again and again, as streams are split and merged. */
  async #look(): Promise<void> {
    const { streams, scheduler, log } = this.#options;
    try {
      const found = await Promise.all(
        ARCHIVED_STREAMS.map(async stream =>
          (await streams.list(stream)).map(shard => [stream, shard] as const),
        ),
      );
      this.#shards = found.flat();
      this.#settle();
    } catch (error) {
      log.warn({ error: String(error) }, 'the shards of the streams could not be listed');
    }
    if (!this.#closed) this.#cancel = scheduler.after(SHARDS_MS, () => void this.#look());
  }

  /** The hours that are over, of the streams whose sealer we are. */
  async #seal(): Promise<void> {
    const { store, nowMs, scheduler, log, metrics } = this.#options;
    for (const stream of ARCHIVED_STREAMS) {
      if (this.#closed) return;
      if (!this.#owned.has(shardOf('archive-sealer', stream))) continue;
      try {
        await new Sealer({ store, stream, nowMs, log }).seal();
      } catch (error) {
        if (this.#closed) return;
        metrics.count('heyblue_archive_failures_total', { stream });
        log.warn({ stream, error: String(error) }, 'hours of the archive could not be sealed');
      }
    }
    if (!this.#closed) this.#cancelSeal = scheduler.after(SEAL_MS, () => void this.#seal());
  }

  /** How long the oldest record of each stream waits here. */
  #measure(): void {
    const { scheduler, metrics } = this.#options;
    for (const stream of ARCHIVED_STREAMS) {
      const loops = [...this.#loops].filter(([name]) => name.startsWith(`${stream}/`));
      const waitedMs = Math.max(0, ...loops.map(([, loop]) => loop.waitedMs));
      metrics.gauge('heyblue_archive_waiting_seconds', waitedMs / 1_000, { stream });
    }
    this.#cancelMeasure = scheduler.after(POLL_MS, () => this.#measure());
  }

  #settle(): void {
    if (this.#closed) return;
    const { streams, ...options } = this.#options;
    const ours = new Set<string>();
    for (const [stream, shard] of this.#shards) {
      const name = `${stream}/${shard}`;
      if (!this.#owned.has(shardOf('shard-reader', name))) continue;
      ours.add(name);
      if (this.#loops.has(name)) continue;
      const open = (after: string | null): ShardReader => streams.reader(stream, shard, after);
      this.#loops.set(name, new ShardLoop({ ...options, stream, shard, open }));
    }
    for (const [name, loop] of this.#loops) {
      if (ours.has(name)) continue;
      this.#loops.delete(name);
      void loop.stop(false);
    }
  }
}
