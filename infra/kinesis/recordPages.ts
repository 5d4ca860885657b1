/** What the shards of a stream hold, page by page and past the middleware of the client: it is asked some times a second. */
import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { awsClientConfig } from '../outbox/awsClient.ts';
import { type SignedCall, signedCallOf } from '../outbox/signedCall.ts';

export interface StreamRecord {
  /** Of the shard; rises. */
  readonly sequence: string;
  readonly key: string;
  /** When the stream got it, Unix milliseconds. */
  readonly arrivedAtMs: number;
  readonly bytes: Uint8Array;
}

export interface RecordPage {
  readonly records: readonly StreamRecord[];
  /** Where the next page begins; null: the shard ended. */
  readonly next: string | null;
  /** By how much the end of this page is behind the newest record. */
  readonly behindMs: number;
}

/** What the service answers: times in seconds, bytes in base 64. */
interface GetRecordsAnswer {
  readonly Records?: readonly {
    readonly SequenceNumber: string;
    readonly PartitionKey: string;
    readonly ApproximateArrivalTimestamp?: number;
    readonly Data: string;
  }[];
  readonly NextShardIterator?: string | null;
  readonly MillisBehindLatest?: number;
}

export class RecordPages {
  readonly #call: SignedCall;

  constructor(client: KinesisClient, config: ReturnType<typeof awsClientConfig>) {
    this.#call = signedCallOf('kinesis', client, config);
  }

  /**
   * @param iterator from GetShardIterator, or `next` of the page before
   * @throws what the client of AWS throws, by its name
   */
  async read(iterator: string, limit: number, signal: AbortSignal): Promise<RecordPage> {
    const asked = JSON.stringify({ ShardIterator: iterator, Limit: limit });
    const answer = (await this.#call.call('GetRecords', asked, signal)) as GetRecordsAnswer;
    return {
      records: (answer.Records ?? []).map(record => ({
        sequence: record.SequenceNumber,
        key: record.PartitionKey,
        arrivedAtMs: Math.round((record.ApproximateArrivalTimestamp ?? 0) * 1_000),
        bytes: Buffer.from(record.Data, 'base64'),
      })),
      next: answer.NextShardIterator ?? null,
      behindMs: answer.MillisBehindLatest ?? 0,
    };
  }
}
