/** The publishers of a node: users' events and transactions to Kinesis, balances and the catalogue to DynamoDB. */

import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { BalanceTarget } from '../dynamodb/balanceTarget.ts';
import { CatalogTarget } from '../dynamodb/catalogTarget.ts';
import { StreamTarget } from '../kinesis/streamTarget.ts';
import { OUTBOX_CONNECTIONS, QUERY_SILENCE_MS_MAX, QUERY_STATEMENT_MS_MAX } from '../postgres/limits.ts';
import { Lines } from '../postgres/lines.ts';
import type { OutboxTarget } from '../postgres/outboxTargets.ts';
import type { Led } from './lead.ts';
import { Publisher } from './publisher.ts';
import { PgOutboxSource } from './source.ts';
import type { Target } from './target.ts';

/** Where the rows wait and where they go; plain values, so that they can be handed to a thread. */
export interface OutboxAddresses {
  readonly url: string;
  /** HEYBLUE_SECRETS_DIR, where the URL may be read again; empty or absent: it stays. */
  readonly secretsDir?: string;
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

export { type Following, followShards, OUTBOX_SHARD } from './lead.ts';

/** Stands by until it is told what to lead. */
export class Outbox implements Led {
  onFenced: Led['onFenced'] = null;
  readonly #lines: Lines;
  readonly #publishers: Readonly<Record<OutboxTarget, Publisher>>;
  readonly #targets: { close(): void }[];

  constructor(options: OutboxOptions) {
    const { url, log, metrics, scheduler, region, credentials } = options;
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
    const publisher = (name: string, from: OutboxTarget, target: Target): Publisher =>
      new Publisher({
        name,
        source: new PgOutboxSource(this.#lines, from),
        target,
        scheduler,
        log,
        metrics,
        wallMs: Date.now,
        onFenced: epoch => this.onFenced?.(from, epoch),
      });
    const catalogs = new CatalogTarget({ endpoint: options.dynamodbEndpoint, region, credentials });
    this.#targets = [userEvents, transactions, balances, catalogs];
    this.#publishers = {
      userEvents: publisher('user-events', 'userEvents', userEvents),
      transactions: publisher('transactions', 'transactions', transactions),
      balances: publisher('balances', 'balances', balances),
      catalogs: publisher('catalogs', 'catalogs', catalogs),
    };
  }

  /** Something was committed: there may be new rows. */
  poke(): void {
    for (const publisher of Object.values(this.#publishers)) publisher.poke();
  }

  lead(target: OutboxTarget, epoch: number | null): void {
    this.#publishers[target].lead(epoch);
  }

  /** Publishes what waits within the budget, then lets go. */
  async close(budgetMs: number): Promise<void> {
    await Promise.all(Object.values(this.#publishers).map(publisher => publisher.stop(budgetMs)));
    for (const target of this.#targets) target.close();
    await this.#lines.close();
  }
}
