/** The shards of a Kinesis stream, and their records from a place on. */
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import { type AwsOptions, awsClientConfig, isMissing } from '../outbox/awsClient.ts';
import { PAGE_RECORDS } from './limits.ts';
import type { Page, ShardReader } from './shardLoop.ts';

export class KinesisShards {
  readonly #client: KinesisClient;

  constructor(options: AwsOptions) {
    this.#client = new KinesisClient(awsClientConfig(options));
  }

  /** Ids of all shards that still hold records, open or closed; none when the stream is not there yet. */
  async list(stream: string): Promise<string[]> {
    const ids: string[] = [];
    try {
      for (let next: string | undefined; ; ) {
        const page = await this.#client.send(
          new ListShardsCommand(next === undefined ? { StreamName: stream } : { NextToken: next }),
        );
        for (const { ShardId } of page.Shards ?? []) if (ShardId !== undefined) ids.push(ShardId);
        next = page.NextToken;
        if (next === undefined) return ids;
      }
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  /** @param after the last record that is done; null begins with the oldest that the stream still has */
  reader(stream: string, shard: string, after: string | null): ShardReader {
    let last = after;
    let iterator: string | undefined;
    const locate = async (): Promise<string | undefined> => {
      const from =
        last === null
          ? ({ ShardIteratorType: 'TRIM_HORIZON' } as const)
          : ({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: last } as const);
      try {
        const asked = new GetShardIteratorCommand({ StreamName: stream, ShardId: shard, ...from });
        return (await this.#client.send(asked)).ShardIterator;
      } catch (error) {
        // the place is of another stream, which had this name before: this one is read from its beginning
        if (last === null || (error as Error).name !== 'InvalidArgumentException') throw error;
        last = null;
        return locate();
      }
    };
    return {
      read: async (): Promise<Page> => {
        iterator ??= await locate();
        // iterators last five minutes, and an answer that was lost may have been one: any failure asks for a new one
        const at = iterator;
        iterator = undefined;
        const page = await this.#client.send(
          new GetRecordsCommand({ ShardIterator: at, Limit: PAGE_RECORDS }),
        );
        iterator = page.NextShardIterator;
        const records = (page.Records ?? []).map(({ SequenceNumber = '', PartitionKey = '', Data }) => ({
          seq: SequenceNumber,
          key: PartitionKey,
          data: Data ?? new Uint8Array(),
        }));
        last = records.at(-1)?.seq ?? last;
        const behind = records.length === PAGE_RECORDS || (page.MillisBehindLatest ?? 0) > 0;
        return { records, behind, ended: iterator === undefined };
      },
    };
  }

  close(): void {
    this.#client.destroy();
  }
}
