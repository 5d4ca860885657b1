/** A table that is made before its first use, with items that expire, and again when somebody removed it. */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { isMissing } from '../outbox/awsClient.ts';
import { ensureTable, type KeyPart } from './ensureTable.ts';
import { askTimeToLive } from './tableFeatures.ts';

export class PreparedTable {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #keys: readonly [hash: KeyPart, range?: KeyPart];
  #ready: Promise<void> | null = null;

  constructor(client: DynamoDBClient, table: string, keys: readonly [hash: KeyPart, range?: KeyPart]) {
    this.#client = client;
    this.#table = table;
    this.#keys = keys;
  }

  /** Runs what needs the table. A table that is gone is made again by the next call. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    this.#ready ??= this.#prepare(signal).catch(error => {
      this.#ready = null;
      throw error;
    });
    await this.#ready;
    try {
      return await work();
    } catch (error) {
      if (isMissing(error)) this.#ready = null;
      throw error;
    }
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    await ensureTable(this.#client, this.#table, this.#keys, signal);
    await askTimeToLive(this.#client, this.#table, signal);
  }
}
