/** Everything of a node that reads streams: the users domain, kept as the cluster's shards say. */
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { CheckpointTable } from '../dynamodb/checkpointTable.ts';
import { DeadLetterTable } from '../dynamodb/deadLetterTable.ts';
import type { OutboxAddresses } from '../outbox/index.ts';
import { PgUsersDomain } from '../postgres/usersDomain.ts';
import { CLOCKS_MS, MODEL_RETRY_MS, PRUNE_MS } from './limits.ts';
import { Readers } from './readers.ts';
import { UsersProjection } from './usersProjection.ts';

export type { Batch, Consumer, Poison, StreamRecord, Taken } from './consumer.ts';

export interface StreamsOptions extends OutboxAddresses {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly scheduler: Scheduler;
}

export interface Streams {
  /** A reader was refused: another owner of this shard of the cluster has a newer epoch. */
  onFenced: ((shard: number, epoch: number) => void) | null;
  /** Shards of the cluster that this node owns, with their epochs. */
  own(owned: ReadonlyMap<number, number>): void;
  /** Ends after what is under way, within the budget. */
  close(budgetMs: number): Promise<void>;
}

export function openStreams(options: StreamsOptions): Streams {
  const { url, region, credentials, log, metrics, scheduler } = options;
  const dynamodb = { endpoint: options.dynamodbEndpoint, region, credentials };
  const deadLetters = new DeadLetterTable(dynamodb, Date.now);
  const store = new PgUsersDomain({ url, log, name: 'projection' });
  let checkpoints: CheckpointTable | null = null;
  let readers: Readers | null = null;
  let owned: ReadonlyMap<number, number> = new Map();
  let closed = false;
  const cancels = new Map<string, () => void>();
  const later = (name: string, ms: number, work: () => Promise<unknown>): void => {
    const run = () => void work().catch(error => log.warn({ error: String(error) }, `${name} failed`));
    if (!closed) cancels.set(name, scheduler.after(ms, run));
  };
  const prune = (): void =>
    later('forgetting old events', PRUNE_MS, () => store.prune().finally(() => prune()));
  const begin = async (): Promise<void> => {
    try {
      const model = await store.model();
      if (closed) return;
      checkpoints = new CheckpointTable(dynamodb, Date.now, model.id);
      readers = new Readers({
        kinesis: { endpoint: options.kinesisEndpoint, region, credentials },
        consumer: new UsersProjection({ store, metrics, wallMs: Date.now }),
        checkpoints,
        deadLetters,
        scheduler,
        log,
        metrics,
        nowMs: () => performance.now(),
        sinceMs: model.sinceMs - CLOCKS_MS,
        onFenced: (shard, epoch) => streams.onFenced?.(shard, epoch),
      });
      readers.own(owned);
    } catch (error) {
      later('the read model', MODEL_RETRY_MS, begin);
      log.debug({ error: String(error) }, 'the database does not say yet which read model it has');
    }
  };
  const streams: Streams = {
    onFenced: null,
    own(shards) {
      owned = shards;
      readers?.own(shards);
    },
    async close(budgetMs) {
      closed = true;
      for (const cancel of cancels.values()) cancel();
      let stop = (): void => {};
      const over = new Promise<void>(resolve => {
        stop = scheduler.after(budgetMs, resolve);
      });
      await Promise.race([readers?.close(), over]);
      stop();
      checkpoints?.close();
      deadLetters.close();
      await store.close();
    },
  };
  void begin();
  prune();
  return streams;
}
