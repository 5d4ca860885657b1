/** Who makes something of a stream's records: a projection, the archive. What reads the shards knows nothing of it. */
import { shardOf } from '../../protocol/shard.ts';
import type { StreamRecord } from '../kinesis/recordPages.ts';

export type { StreamRecord };

export interface Batch {
  readonly stream: string;
  /** Kinesis' name of the shard. */
  readonly shard: string;
  /** In the order of the shard, perhaps none. */
  readonly records: readonly StreamRecord[];
  /** Nothing comes after these: everything must be durable when `take` resolves. */
  readonly ended: boolean;
}

export interface Poison {
  readonly record: StreamRecord;
  /** Why it can never be taken, in words without what it says. */
  readonly why: string;
}

export interface Taken {
  /** Everything up to this record is durable, and is never asked for again; null: nothing new is. */
  readonly through: string | null;
  readonly poison: readonly Poison[];
}

export interface Consumer {
  /** Its checkpoints and dead letters stand under this name. */
  readonly name: string;
  readonly streams: readonly string[];
  /**
   * Takes what comes next of a shard. The same records may come again: after a crash, from two nodes for a moment, or because
   * they were published twice. Rejects when the world is in the way (a store is away): the same batch comes again.
   */
  take(batch: Batch, signal: AbortSignal): Promise<Taken>;
  /** Another node reads the shard from now on: what was taken and is not durable yet comes again there. */
  forget?(stream: string, shard: string): void;
}

export const readerName = (consumer: string, stream: string, shard: string): string =>
  `${consumer}/${stream}/${shard}`;

/** Whoever owns this shard of the cluster reads that shard of the stream: its lease and its epoch are the reader's. */
export const readerShard = (consumer: string, stream: string, shard: string): number =>
  shardOf('reader', readerName(consumer, stream, shard));
