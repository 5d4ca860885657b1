/**
 * The readers of a node: for each shard of each stream that is this node's to read, one.
 *
 * Whose it is follows from the ownership of the cluster's shards, like everything that only one node may do: the lease, the
 * take-over in seconds and the epoch are those of the shard that the name of the reader hashes to (`consumer.ts`). Where a
 * stream was resharded, the children of a shard wait until it was read to its end, here or on another node: the records of a
 * key stay in order. A parent that the service has forgotten is not waited for.
 */
import { KinesisClient, type Shard } from '@aws-sdk/client-kinesis';
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import type { CheckpointTable } from '../dynamodb/checkpointTable.ts';
import type { DeadLetterTable } from '../dynamodb/deadLetterTable.ts';
import { listShards } from '../kinesis/listShards.ts';
import { RecordPages } from '../kinesis/recordPages.ts';
import { type AwsOptions, awsClientConfig, isMissing } from '../outbox/awsClient.ts';
import { type Consumer, readerName, readerShard } from './consumer.ts';
import { LOOK_MS, MISSING_LOOK_MS } from './limits.ts';
import { ShardReader } from './shardReader.ts';

export interface ReadersOptions {
  readonly kinesis: AwsOptions;
  readonly consumer: Consumer;
  readonly checkpoints: Pick<CheckpointTable, 'claim' | 'save' | 'isEnded'>;
  readonly deadLetters: Pick<DeadLetterTable, 'add'>;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** A reader was refused: another owner of this shard of the cluster has a newer epoch. */
  readonly onFenced?: (shard: number, epoch: number) => void;
  /** What the streams got before this is passed over, Unix milliseconds; absent: nothing is. */
  readonly sinceMs?: number;
  readonly pollMs?: number;
  /** Default LOOK_MS. */
  readonly lookMs?: number;
}

interface Reading {
  readonly epoch: number;
  readonly reader: ShardReader;
}

export class Readers {
  readonly #options: ReadersOptions;
  readonly #client: KinesisClient;
  readonly #pages: RecordPages;
  readonly #reading = new Map<string, Reading>();
  /** Readers that end; a shard is read anew only after the one before is gone. */
  readonly #ending = new Map<string, Promise<unknown>>();
  readonly #ended = new Set<string>();
  /** Epochs that turned out to be old, by shard of the cluster. */
  readonly #old = new Map<number, number>();
  readonly #closing = new AbortController();
  #owned: ReadonlyMap<number, number> = new Map();
  #looking: Promise<void> | null = null;
  #again = false;
  /** A stream is not there yet. */
  #missing = false;
  #cancel = () => {};

  constructor(options: ReadersOptions) {
    this.#options = options;
    const config = awsClientConfig(options.kinesis);
    this.#client = new KinesisClient(config);
    this.#pages = new RecordPages(this.#client, config);
  }

  /** Shards of the cluster that this node owns from now on, with their epochs. */
  own(owned: ReadonlyMap<number, number>): void {
    this.#owned = owned;
    this.look();
  }

  /** Readers that are at it, by name. */
  get names(): readonly string[] {
    return [...this.#reading.keys()];
  }

  /** Looks at once, what there is to read, and again from time to time. */
  look(): void {
    if (this.#closing.signal.aborted) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#cancel();
    this.#looking = this.#lookAll().finally(() => {
      this.#looking = null;
      if (this.#closing.signal.aborted) return;
      const again = this.#again;
      this.#again = false;
      if (again) this.look();
      else this.#cancel = this.#options.scheduler.after(this.#lookMs, () => this.look());
    });
  }

  get #lookMs(): number {
    const { lookMs = LOOK_MS } = this.#options;
    return this.#missing ? Math.min(lookMs, MISSING_LOOK_MS) : lookMs;
  }

  /** Ends after what is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancel();
    await this.#looking;
    await Promise.all([...this.#reading.values()].map(({ reader }) => reader.stop()));
    await Promise.all(this.#ending.values());
    this.#client.destroy();
  }

  async #lookAll(): Promise<void> {
    const { consumer, log } = this.#options;
    this.#letGo();
    this.#missing = false;
    if (this.#owned.size === 0) return;
    for (const stream of consumer.streams) {
      try {
        await this.#lookAt(stream);
      } catch (error) {
        this.#missing ||= isMissing(error);
        if (this.#closing.signal.aborted || isMissing(error)) continue;
        log.warn({ stream, error: String(error) }, 'the shards of a stream cannot be listed, trying again');
      }
    }
  }

  /** Readers whose shard is another node's by now, or was lost and taken again. */
  #letGo(): void {
    for (const [name, { epoch, reader }] of this.#reading) {
      const [stream = '', shard = ''] = name.split('/').slice(-2);
      if (this.#epochOf(stream, shard) === epoch) continue;
      this.#reading.delete(name);
      const gone = reader.stop().finally(() => this.#ending.delete(name));
      this.#ending.set(name, gone);
    }
  }

  async #lookAt(stream: string): Promise<void> {
    const { consumer } = this.#options;
    const shards = await listShards(this.#client, stream, this.#closing.signal);
    const there = new Set(shards.map(one => one.ShardId ?? ''));
    for (const shard of shards) {
      const id = shard.ShardId ?? '';
      const name = readerName(consumer.name, stream, id);
      const epoch = this.#epochOf(stream, id);
      if (epoch === null || this.#reading.has(name) || this.#ending.has(name) || this.#ended.has(name))
        continue;
      if (!(await this.#mayBegin(stream, shard, there))) continue;
      if (this.#closing.signal.aborted || this.#epochOf(stream, id) !== epoch) continue;
      this.#begin(name, stream, id, epoch);
    }
  }

  #begin(name: string, stream: string, shard: string, epoch: number): void {
    const { kinesis: _, onFenced, ...parts } = this.#options;
    const reader = new ShardReader({
      ...parts,
      kinesis: this.#client,
      pages: this.#pages,
      stream,
      shard,
      epoch,
    });
    this.#reading.set(name, { epoch, reader });
    parts.log.debug({ reader: name, epoch }, 'a shard is read here');
    void reader.done.then(end => {
      if (this.#reading.get(name)?.reader === reader) this.#reading.delete(name);
      if (end === 'ended') this.#ended.add(name);
      if (end === 'fenced') {
        const of = readerShard(parts.consumer.name, stream, shard);
        this.#old.set(of, Math.max(epoch, this.#old.get(of) ?? 0));
        onFenced?.(of, epoch);
      }
      if (end !== 'stopped') this.look();
    });
  }

  async #mayBegin(
    stream: string,
    { ParentShardId, AdjacentParentShardId }: Shard,
    there: ReadonlySet<string>,
  ): Promise<boolean> {
    for (const parent of [ParentShardId, AdjacentParentShardId]) {
      if (parent === undefined || !there.has(parent)) continue;
      const name = readerName(this.#options.consumer.name, stream, parent);
      if (this.#ended.has(name)) continue;
      if (!(await this.#options.checkpoints.isEnded(name, this.#closing.signal))) return false;
      this.#ended.add(name);
    }
    return true;
  }

  #epochOf(stream: string, shard: string): number | null {
    const of = readerShard(this.#options.consumer.name, stream, shard);
    const epoch = this.#owned.get(of);
    return epoch === undefined || epoch <= (this.#old.get(of) ?? 0) ? null : epoch;
  }
}
