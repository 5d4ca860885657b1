/**
 * A Kinesis stream as the target of a publisher.
 *
 * PutRecords promises no order inside a request and may refuse some records of it. So a request carries at most one
 * record of a key, and the next one of that key leaves only after it arrived: order per key holds through throttling,
 * partial failures and repeats. What a shard does not take yet waits here, with everything later of its key, and not there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  KinesisClient,
  type PutRecordsResultEntry,
} from '@aws-sdk/client-kinesis';
import { type AwsOptions, awsClientConfig, isMissing, wordsOf } from '../outbox/awsClient.ts';
import { ensureActive } from '../outbox/ensureActive.ts';
import { PUT_RECORDS_BYTES_MAX, PUT_RECORDS_MAX, STREAM_SHARDS } from '../outbox/limits.ts';
import { type SignedCall, signedCallOf } from '../outbox/signedCall.ts';
import { Missing, type OutboxRow, type Published, type Target } from '../outbox/target.ts';
import { listShards } from './listShards.ts';
import { ShardBudget } from './shardBudget.ts';

interface Wave {
  readonly send: OutboxRow[];
  readonly data: Buffer[];
  /** What has to wait, in order. */
  readonly hold: OutboxRow[];
  /** The first of those that wait for their shard may go so soon; infinite when none does. */
  waitMs: number;
}

/** Whose record was refused, and why the last one was. */
interface Refusals {
  readonly keys: ReadonlySet<string>;
  readonly why: string | null;
}

interface PutRecordsAnswer {
  readonly Records?: readonly PutRecordsResultEntry[];
}

/** Throttled: by this the service says that a shard has enough. */
const ENOUGH = 'ProvisionedThroughputExceededException';

export class StreamTarget implements Target {
  readonly #client: KinesisClient;
  /** The records, some calls a second. */
  readonly #puts: SignedCall;
  readonly #stream: string;
  readonly #budget: ShardBudget;
  /** The stream has other shards than those that we know. */
  #resharded = false;

  /** @param nowMs monotonic */
  constructor(stream: string, options: AwsOptions, nowMs: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#budget = new ShardBudget(nowMs);
    const config = awsClientConfig(options);
    this.#client = new KinesisClient(config);
    this.#puts = signedCallOf('kinesis', this.#client, config);
  }

  async prepare(signal: AbortSignal): Promise<void> {
    const stream = { StreamName: this.#stream };
    const sending = { abortSignal: signal };
    await ensureActive(
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
    await this.#look(signal);
  }

  async publish(rows: readonly OutboxRow[], signal: AbortSignal): Promise<Published> {
    const done: string[] = [];
    let rest = rows;
    let failure: string | null = null;
    while (rest.length > 0) {
      const wave = nextWave(rest, (row, size) => this.#budget.take(row.key, size));
      try {
        if (wave.send.length === 0) await sleep(Math.ceil(wave.waitMs), undefined, { signal });
        if (this.#resharded) await this.#look(signal);
        const refused = await this.#send(wave, done, signal);
        failure = refused.why ?? failure;
        // the later rows of a key wait for the one that was refused; other keys go on
        rest = refused.keys.size === 0 ? wave.hold : wave.hold.filter(row => !refused.keys.has(row.key));
      } catch (error) {
        if (isMissing(error)) throw new Missing(wordsOf(error));
        return { done, failure: wordsOf(error) };
      }
    }
    return { done, failure, partial: failure !== null };
  }

  close(): void {
    this.#client.destroy();
  }

  async #look(signal: AbortSignal): Promise<void> {
    this.#budget.learn(await listShards(this.#client, this.#stream, signal));
    this.#resharded = false;
  }

  /** One request; ids of what arrived go to `done`. Returns what did not. */
  async #send(wave: Wave, done: string[], signal: AbortSignal): Promise<Refusals> {
    const keys = new Set<string>();
    if (wave.send.length === 0) return { keys, why: null };
    const records = wave.send.map(({ key }, i) => ({
      PartitionKey: key,
      Data: wave.data[i]!.toString('base64'),
    }));
    const put = JSON.stringify({ StreamName: this.#stream, Records: records });
    const answer = (await this.#puts.call('PutRecords', put, signal)) as PutRecordsAnswer;
    let why: string | null = null;
    for (let i = 0; i < wave.send.length; i++) {
      const row = wave.send[i]!;
      const one = answer.Records?.[i];
      if (one?.SequenceNumber && !one.ErrorCode) done.push(row.id);
      else {
        why = one?.ErrorCode ?? 'a record was not answered';
        keys.add(row.key);
      }
      this.#note(row, one);
    }
    return { keys, why };
  }

  #note({ key }: OutboxRow, { ErrorCode, ShardId }: PutRecordsResultEntry = {}): void {
    if (ErrorCode === ENOUGH) this.#budget.refused(key);
    if (ShardId !== undefined && !this.#budget.knows(ShardId)) this.#resharded = true;
  }
}

/**
 * The oldest row of each key, as many as fit into one request.
 *
 * @param take milliseconds until the row may go; 0: now, and it is counted
 */
export function nextWave(
  rows: readonly OutboxRow[],
  take: (row: OutboxRow, bytes: number) => number = () => 0,
): Wave {
  const keys = new Set<string>();
  const wave: Wave = { send: [], data: [], hold: [], waitMs: Number.POSITIVE_INFINITY };
  let bytes = 0;
  for (const row of rows) {
    const fresh = !keys.has(row.key);
    keys.add(row.key);
    const data = fresh && wave.send.length < PUT_RECORDS_MAX ? Buffer.from(row.body) : null;
    const size = data === null ? 0 : data.length + row.key.length;
    const fits = data !== null && (bytes + size <= PUT_RECORDS_BYTES_MAX || wave.send.length === 0);
    const waitMs = fits ? take(row, size) : 0;
    if (!fits || waitMs > 0) {
      if (waitMs > 0) wave.waitMs = Math.min(wave.waitMs, waitMs);
      wave.hold.push(row);
      continue;
    }
    bytes += size;
    wave.send.push(row);
    wave.data.push(data);
  }
  return wave;
}
