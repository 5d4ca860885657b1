/** Dead letters for operators: what there is, and once more through the consumer that refused it. */
import type { DeadLetter, DeadLetters, Replayed } from '../../nodes/deadLetterPort.ts';
import type { Metrics } from '../../nodes/ports.ts';
import { DeadLetterTable } from '../dynamodb/deadLetterTable.ts';
import type { AwsOptions } from '../outbox/awsClient.ts';
import { REQUEST_MS_MAX } from '../outbox/limits.ts';
import type { Consumer } from './consumer.ts';
import type { Facts } from './facts.ts';
import { UsersProjection } from './usersProjection.ts';

export interface DeadLettersOptions extends Omit<AwsOptions, 'endpoint'> {
  readonly dynamodbEndpoint: string;
  readonly metrics: Metrics;
  readonly store: { project(facts: Facts): Promise<void> };
}

/** What a consumer that is not known here has: nothing. */
const NONE: readonly DeadLetter[] = [];
const deadline = (): AbortSignal => AbortSignal.timeout(2 * REQUEST_MS_MAX);

class Letters implements DeadLetters {
  readonly #table: DeadLetterTable;
  readonly #consumers: ReadonlyMap<string, Consumer>;

  constructor(table: DeadLetterTable, consumers: readonly Consumer[]) {
    this.#table = table;
    this.#consumers = new Map(consumers.map(one => [one.name, one]));
  }

  async list(consumer: string, after: string | null): Promise<readonly DeadLetter[]> {
    return this.#consumers.has(consumer) ? this.#table.list(consumer, after, deadline()) : NONE;
  }

  async replay(consumer: string, id: string): Promise<Replayed> {
    const taker = this.#consumers.get(consumer);
    const signal = deadline();
    const letter = taker ? await this.#table.read(consumer, id, signal) : null;
    if (!taker || letter === null) return 'unknown';
    const { record, ...where } = letter;
    const { poison } = await taker.take({ ...where, records: [record], ended: false }, signal);
    if (poison.length > 0) return 'poison';
    await this.#table.remove(consumer, id, signal);
    return 'taken';
  }

  close(): void {
    this.#table.close();
  }
}

/** The letters of the projection of users. */
export function openDeadLetters(options: DeadLettersOptions): DeadLetters & { close(): void } {
  const { dynamodbEndpoint: endpoint, region, credentials, store, metrics } = options;
  const table = new DeadLetterTable({ endpoint, region, credentials }, Date.now);
  return new Letters(table, [new UsersProjection({ store, metrics, wallMs: Date.now })]);
}
