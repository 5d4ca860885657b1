/**
 * A Kinesis stream as the target of a publisher.
 *
 * PutRecords promises no order inside a request and may refuse some records of it. So a request carries at most one
 * record of a key, and the next one of that key leaves only after it arrived: order per key holds through throttling,
 * partial failures and repeats.
 */
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  KinesisClient,
  PutRecordsCommand,
} from '@aws-sdk/client-kinesis';
import { type AwsOptions, awsClientConfig, isMissing, wordsOf } from '../outbox/awsClient.ts';
import { ensureActive } from '../outbox/ensureActive.ts';
import { PUT_RECORDS_BYTES_MAX, PUT_RECORDS_MAX, STREAM_SHARDS } from '../outbox/limits.ts';
import { Missing, type OutboxRow, type Published, type Target } from '../outbox/target.ts';

interface Wave {
  readonly send: OutboxRow[];
  readonly data: Uint8Array[];
  /** What has to wait, in order. */
  readonly hold: OutboxRow[];
}

export class StreamTarget implements Target {
  readonly #client: KinesisClient;
  readonly #stream: string;

  constructor(stream: string, options: AwsOptions) {
    this.#stream = stream;
    this.#client = new KinesisClient(awsClientConfig(options));
  }

  prepare(signal: AbortSignal): Promise<void> {
    const stream = { StreamName: this.#stream };
    const sending = { abortSignal: signal };
    return ensureActive(
      {
        name: `the stream ${this.#stream}`,
        describe: async () => {
          const found = await this.#client.send(new DescribeStreamSummaryCommand(stream), sending);
          return found.StreamDescriptionSummary?.StreamStatus;
        },
        create: () =>
          this.#client.send(new CreateStreamCommand({ ...stream, ShardCount: STREAM_SHARDS }), sending),
      },
      signal,
    );
  }

  async publish(rows: readonly OutboxRow[], signal: AbortSignal): Promise<Published> {
    const done: string[] = [];
    let rest = rows;
    while (rest.length > 0) {
      const wave = nextWave(rest);
      try {
        const failure = await this.#send(wave, done, signal);
        if (failure !== null) return { done, failure };
      } catch (error) {
        if (isMissing(error)) throw new Missing(wordsOf(error));
        return { done, failure: wordsOf(error) };
      }
      rest = wave.hold;
    }
    return { done, failure: null };
  }

  close(): void {
    this.#client.destroy();
  }

  /** One request; ids of what arrived go to `done`. Returns why some did not. */
  async #send(wave: Wave, done: string[], signal: AbortSignal): Promise<string | null> {
    const answer = await this.#client.send(
      new PutRecordsCommand({
        StreamName: this.#stream,
        Records: wave.send.map((row, i) => ({ PartitionKey: row.key, Data: wave.data[i]! })),
      }),
      { abortSignal: signal },
    );
    let failure: string | null = null;
    for (let i = 0; i < wave.send.length; i++) {
      const one = answer.Records?.[i];
      if (one?.SequenceNumber && !one.ErrorCode) done.push(wave.send[i]!.id);
      else failure = one?.ErrorCode ?? 'a record was not answered';
    }
    return failure;
  }
}

const encoder = new TextEncoder();

/** The oldest row of each key, as many as fit into one request. */
export function nextWave(rows: readonly OutboxRow[]): Wave {
  const keys = new Set<string>();
  const wave: Wave = { send: [], data: [], hold: [] };
  let bytes = 0;
  for (const row of rows) {
    const fresh = !keys.has(row.key);
    keys.add(row.key);
    const data = fresh && wave.send.length < PUT_RECORDS_MAX ? encoder.encode(row.body) : null;
    const size = data === null ? 0 : data.length + row.key.length;
    if (data === null || (bytes + size > PUT_RECORDS_BYTES_MAX && wave.send.length > 0)) {
      wave.hold.push(row);
      continue;
    }
    bytes += size;
    wave.send.push(row);
    wave.data.push(data);
  }
  return wave;
}
