/** The publishers of a node: users' events and transactions to Kinesis, balances to DynamoDB. */

import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { BalanceTarget } from '../dynamodb/balanceTarget.ts';
import { StreamTarget } from '../kinesis/streamTarget.ts';
import {
  OUTBOX_CONNECTIONS,
  QUERY_SILENCE_MS_MAX,
  QUERY_STATEMENT_MS_MAX,
  REMEMBERED_HOURS,
} from '../postgres/limits.ts';
import { Lines } from '../postgres/lines.ts';
import { PRUNE_MS, PRUNE_ROWS } from './limits.ts';
import { Publisher } from './publisher.ts';
import { PgOutboxSource } from './source.ts';

/** Where the rows wait and where they go; plain values, so that they can be handed to a thread. */
export interface OutboxAddresses {
  readonly url: string;
  readonly dynamodbEndpoint: string;
  readonly kinesisEndpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export interface OutboxOptions extends OutboxAddresses {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly scheduler: Scheduler;
}

export class Outbox {
  readonly #lines: Lines;
  readonly #publishers: Publisher[];
  readonly #targets: { close(): void }[];
  readonly #scheduler: Scheduler;
  #cancelPrune: () => void = () => {};
  #closed = false;

  constructor(options: OutboxOptions) {
    const { url, log, metrics, scheduler, region, credentials } = options;
    this.#scheduler = scheduler;
    this.#lines = new Lines(OUTBOX_CONNECTIONS, {
      url,
      log,
      name: 'outbox',
      settings: { statement_timeout: `${QUERY_STATEMENT_MS_MAX}`, enable_seqscan: 'off', jit: 'off' },
      silenceMsMax: QUERY_SILENCE_MS_MAX,
    });
    const kinesis = { endpoint: options.kinesisEndpoint, region, credentials };
    const userEvents = new StreamTarget('user-events', kinesis);
    const transactions = new StreamTarget('transactions', kinesis);
    const balances = new BalanceTarget({ endpoint: options.dynamodbEndpoint, region, credentials });
    const common = { scheduler, log, metrics };
    const from = (target: 'userEvents' | 'transactions' | 'balances') =>
      new PgOutboxSource(this.#lines, target);
    this.#targets = [userEvents, transactions, balances];
    this.#publishers = [
      new Publisher({ ...common, name: 'user-events', source: from('userEvents'), target: userEvents }),
      new Publisher({ ...common, name: 'transactions', source: from('transactions'), target: transactions }),
      new Publisher({ ...common, name: 'balances', source: from('balances'), target: balances }),
    ];
    this.#prune(log);
  }

  /** Something was committed: there may be new rows. */
  poke(): void {
    for (const publisher of this.#publishers) publisher.poke();
  }

  /** Publishes what waits within the budget, then lets go. */
  async close(budgetMs: number): Promise<void> {
    this.#closed = true;
    this.#cancelPrune();
    await Promise.all(this.#publishers.map(publisher => publisher.stop(budgetMs)));
    for (const target of this.#targets) target.close();
    await this.#lines.close();
  }

  /** Idempotency keys are remembered for a day; the ids that they led to stay. */
  #prune(log: Log): void {
    this.#cancelPrune = this.#scheduler.after(PRUNE_MS, () => {
      this.#lines
        .run({
          name: 'prune',
          text: `delete from ops.idempotency where ctid = any (array(select ctid from ops.idempotency
            where created_at < now() - interval '${REMEMBERED_HOURS} hours' limit $1))`,
          values: [PRUNE_ROWS],
        })
        .catch(error => log.warn({ error: String(error) }, 'old idempotency keys could not be pruned'))
        .finally(() => {
          if (!this.#closed) this.#prune(log);
        });
    });
  }
}
