/** What the tests of readers share: a stream of its own, a consumer that remembers, and readers that do not wait long. */
import { randomBytes } from 'node:crypto';
import {
  CreateStreamCommand,
  DeleteStreamCommand,
  DescribeStreamSummaryCommand,
  KinesisClient,
  ListShardsCommand,
  PutRecordCommand,
} from '@aws-sdk/client-kinesis';
import { expect, inject } from 'vitest';
import type { Metrics } from '../../nodes/ports.ts';
import { systemScheduler } from '../clock.ts';
import { CheckpointTable } from '../dynamodb/checkpointTable.ts';
import { DeadLetterTable } from '../dynamodb/deadLetterTable.ts';
import { awsClientConfig } from '../outbox/awsClient.ts';
import { awsAt, PATIENCE } from '../outbox/testOutbox.ts';
import { silent } from '../postgres/testTown.ts';
import { type Batch, type Consumer, readerShard, type Taken } from './consumer.ts';
import { Readers, type ReadersOptions } from './readers.ts';

export const noMetrics: Metrics = { count() {}, observe() {}, gauge() {} };
const decoder = new TextDecoder();

/** Remembers what it took, by shard; texts that begin with `poison` it refuses for ever. */
export class Remembering implements Consumer {
  readonly name: string;
  readonly streams: readonly string[];
  readonly taken: { readonly shard: string; readonly text: string }[] = [];
  /** Waited for with every batch. */
  before: (batch: Batch) => Promise<void> = async () => {};

  constructor(stream: string, name = `c-${randomBytes(4).toString('hex')}`) {
    this.name = name;
    this.streams = [stream];
  }

  get texts(): string[] {
    return this.taken.map(one => one.text);
  }

  async take(batch: Batch): Promise<Taken> {
    await this.before(batch);
    const texts = batch.records.map(record => decoder.decode(record.bytes));
    const bad = batch.records.filter((_, i) => texts[i]!.startsWith('poison'));
    for (const text of texts) if (!text.startsWith('poison')) this.taken.push({ shard: batch.shard, text });
    return {
      through: batch.records.at(-1)?.sequence ?? null,
      poison: bad.map(record => ({ record, why: 'a test says so' })),
    };
  }
}

export type TestStream = Awaited<ReturnType<typeof testStream>>;

export async function testStream(shards = 2) {
  const name = `s-${randomBytes(4).toString('hex')}`;
  const client = new KinesisClient(awsClientConfig(awsAt(inject('kinesisEndpoint'))));
  const checkpoints = new CheckpointTable(awsAt(inject('dynamodbEndpoint')), Date.now, name);
  const deadLetters = new DeadLetterTable(awsAt(inject('dynamodbEndpoint')), Date.now);
  await client.send(new CreateStreamCommand({ StreamName: name, ShardCount: shards }));
  const active = () =>
    expect
      .poll(async () => {
        const asked = new DescribeStreamSummaryCommand({ StreamName: name });
        return (await client.send(asked)).StreamDescriptionSummary?.StreamStatus;
      }, PATIENCE)
      .toBe('ACTIVE');
  await active();
  const open: Readers[] = [];
  return {
    name,
    client,
    checkpoints,
    deadLetters,
    active,
    async shards(): Promise<string[]> {
      const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName: name }));
      return Shards.map(one => one.ShardId ?? '');
    },
    /** One after the other; the key is the part before the first space. */
    async put(...texts: string[]): Promise<void> {
      for (const text of texts) {
        const [PartitionKey = ''] = text.split(' ');
        await client.send(new PutRecordCommand({ StreamName: name, PartitionKey, Data: Buffer.from(text) }));
      }
    },
    /** Readers that own nothing yet. */
    readers(consumer: Consumer, more: Partial<ReadersOptions> = {}): Readers {
      const readers = new Readers({
        kinesis: awsAt(inject('kinesisEndpoint')),
        consumer,
        checkpoints,
        deadLetters,
        scheduler: systemScheduler,
        log: silent,
        metrics: noMetrics,
        nowMs: () => performance.now(),
        pollMs: 20,
        lookMs: 50,
        ...more,
      });
      open.push(readers);
      return readers;
    },
    async close(): Promise<void> {
      await Promise.all(open.splice(0).map(one => one.close()));
      checkpoints.close();
      deadLetters.close();
      await client.send(new DeleteStreamCommand({ StreamName: name })).catch(() => {});
      client.destroy();
    },
  };
}

/** The shards of the cluster that these shards of the stream are read under. */
export const owning = (
  consumer: Consumer,
  stream: string,
  shards: readonly string[],
  epoch = 1,
): Map<number, number> =>
  new Map(shards.map(shard => [readerShard(consumer.name, stream, shard), epoch] as const));

/** Every shard of the cluster. */
export const owningAll = (epoch = 1): Map<number, number> =>
  new Map(Array.from({ length: 512 }, (_, shard) => [shard, epoch] as const));
