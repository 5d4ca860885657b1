/**
 * Reads one Kinesis shard for one consumer, from its checkpoint to its end.
 *
 * At least once: the checkpoint moves behind what the consumer says is durable, never before it. What is read twice is the
 * consumer's to know (events have ids). A record that can never be taken goes to the dead letters, durably, before the
 * checkpoint passes it, so that one bad record stops nobody. When the world is in the way the same records come again.
 *
 * It reads under the epoch of an ownership (`consumer.ts`): whoever owns the shard of the cluster next claims the checkpoint,
 * and from then on this reader's are refused and it ends.
 */
import { GetShardIteratorCommand, type KinesisClient } from '@aws-sdk/client-kinesis';
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import type { Checkpoint, CheckpointTable } from '../dynamodb/checkpointTable.ts';
import type { DeadLetterTable } from '../dynamodb/deadLetterTable.ts';
import type { RecordPages } from '../kinesis/recordPages.ts';
import { type Consumer, readerName } from './consumer.ts';
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, CHECKPOINT_MS, GAP_MS, POLL_MS, RECORDS_MAX } from './limits.ts';

export interface ShardReaderOptions {
  readonly kinesis: KinesisClient;
  readonly pages: Pick<RecordPages, 'read'>;
  readonly stream: string;
  readonly shard: string;
  readonly epoch: number;
  readonly consumer: Consumer;
  readonly checkpoints: Pick<CheckpointTable, 'claim' | 'save'>;
  readonly deadLetters: Pick<DeadLetterTable, 'add'>;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** What the stream got before this is passed over, Unix milliseconds; absent: nothing is. */
  readonly sinceMs?: number;
  /** Default POLL_MS. */
  readonly pollMs?: number;
}

/** `ended`: the shard has no more; `fenced`: another owner reads it; `stopped`: it was told to stop. */
export type ReaderEnd = 'ended' | 'fenced' | 'stopped';

/** Names of errors after which reading begins anew from where it was. */
const BEGIN_ANEW = new Set(['ExpiredIteratorException']);
/** The stream of that name is another one by now: what stands in the checkpoint is not of it. */
const NOT_OF_IT = 'InvalidArgumentException';

export class ShardReader {
  readonly #options: ShardReaderOptions;
  readonly #name: string;
  readonly #stopping = new AbortController();
  /** Given to the consumer so far. */
  #position: string | null = null;
  /** Durable so far, and whether the checkpoint says so. */
  #through: string | null = null;
  #saved: string | null = null;
  #savedAtMs = Number.NEGATIVE_INFINITY;
  #iterator: string | null = null;
  #backoffMs = BACKOFF_MS_MIN;
  /** How it ended. */
  readonly done: Promise<ReaderEnd>;

  constructor(options: ShardReaderOptions) {
    this.#options = options;
    this.#name = readerName(options.consumer.name, options.stream, options.shard);
    this.done = this.#run();
  }

  /** Ends after what is under way; what is durable stands in the checkpoint, if that can be written. */
  stop(): Promise<ReaderEnd> {
    this.#stopping.abort();
    return this.done;
  }

  async #run(): Promise<ReaderEnd> {
    const { consumer, stream, shard, log } = this.#options;
    let end: ReaderEnd | null = null;
    let claimed = false;
    while (end === null) {
      if (this.#stopping.signal.aborted) {
        end = 'stopped';
        break;
      }
      try {
        if (!claimed) {
          const checkpoint = await this.#claim();
          claimed = checkpoint !== null;
          if (checkpoint === null) end = 'fenced';
          else if (checkpoint.ended) end = 'ended';
        } else end = await this.#round();
        this.#backoffMs = BACKOFF_MS_MIN;
      } catch (error) {
        if (this.#stopping.signal.aborted) continue;
        const { name = '', message = String(error) } = error as { name?: string; message?: string };
        if (!this.#beginsAnew(name)) {
          log.warn({ reader: this.#name, error: `${name}: ${message}` }, 'reading failed, trying again');
          await this.#pause(this.#backoffMs);
          this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MS_MAX);
        }
        // the records that nobody took come again
        this.#iterator = null;
      }
    }
    if (end === 'stopped' && claimed) await this.#save(false).catch(() => {});
    consumer.forget?.(stream, shard);
    return end;
  }

  async #claim(): Promise<Checkpoint | null> {
    const { checkpoints, epoch } = this.#options;
    const checkpoint = await checkpoints.claim(this.#name, epoch, this.#stopping.signal);
    this.#position = this.#through = this.#saved = checkpoint?.sequence ?? null;
    return checkpoint;
  }

  #beginsAnew(error: string): boolean {
    if (error !== NOT_OF_IT || this.#iterator !== null || this.#position === null)
      return BEGIN_ANEW.has(error);
    this.#options.log.warn({ reader: this.#name }, 'the stream is a new one: read from its beginning');
    this.#position = this.#through = null;
    return true;
  }

  /** Asks once. Null: go on. */
  async #round(): Promise<ReaderEnd | null> {
    const { pages, consumer, stream, shard, deadLetters, metrics, nowMs } = this.#options;
    const signal = this.#stopping.signal;
    const startedMs = nowMs();
    this.#iterator ??= await this.#begin();
    const { records, next, behindMs } = await pages.read(this.#iterator, RECORDS_MAX, signal);
    const { sinceMs = 0 } = this.#options;
    const news = records.filter(record => record.arrivedAtMs >= sinceMs);
    const ended = next === null;
    if (news.length > 0 || ended) {
      const { through, poison } = await consumer.take({ stream, shard, records: news, ended }, signal);
      for (const one of poison) await deadLetters.add(consumer.name, stream, shard, one, signal);
      const labels = { consumer: consumer.name, stream };
      if (poison.length > 0) metrics.count('heyblue_dead_letters_total', labels, poison.length);
      metrics.count('heyblue_stream_records_total', labels, news.length);
      if (through !== null) this.#through = through;
    }
    this.#position = records.at(-1)?.sequence ?? this.#position;
    if (ended) this.#through = this.#position;
    metrics.gauge('heyblue_reader_behind_seconds', behindMs / 1_000, {
      consumer: consumer.name,
      stream,
      shard,
    });
    if (ended || nowMs() - this.#savedAtMs >= CHECKPOINT_MS) {
      if (!(await this.#save(ended))) return 'fenced';
    }
    if (ended) return 'ended';
    this.#iterator = next;
    const restMs = records.length > 0 ? GAP_MS : (this.#options.pollMs ?? POLL_MS);
    await this.#pause(Math.max(0, restMs - (nowMs() - startedMs)));
    return null;
  }

  async #begin(): Promise<string> {
    const { kinesis, stream, shard } = this.#options;
    const from =
      this.#position === null
        ? ({ ShardIteratorType: 'TRIM_HORIZON' } as const)
        : ({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: this.#position } as const);
    const asked = new GetShardIteratorCommand({ StreamName: stream, ShardId: shard, ...from });
    return (await kinesis.send(asked, { abortSignal: this.#stopping.signal })).ShardIterator ?? '';
  }

  /** False when another owner reads the shard. */
  async #save(ended: boolean): Promise<boolean> {
    if (this.#through === this.#saved && !ended) return true;
    const { checkpoints, epoch, nowMs } = this.#options;
    const checkpoint = { sequence: this.#through, ended };
    // a reader that is told to stop still says how far it came
    const ours = await checkpoints.save(this.#name, epoch, checkpoint, new AbortController().signal);
    this.#saved = checkpoint.sequence;
    this.#savedAtMs = nowMs();
    return ours;
  }

  /** Sleeps, until it is told to stop. */
  #pause(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise(resolve => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        cancel();
        resolve();
      };
      const cancel = this.#options.scheduler.after(ms, done);
      if (signal.aborted) done();
      else signal.addEventListener('abort', done);
    });
  }
}
