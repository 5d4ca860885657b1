/**
 * The tables of DynamoDB that nothing else knows: business rules with what they said, and records that were put aside. Balances
 * and catalogues follow from PostgreSQL; places in streams are of streams that are gone; sampled positions are let go with
 * purpose: a backup would keep them longer than anybody was promised.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline as piped, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { createGunzip, createGzip } from 'node:zlib';
import {
  type AttributeValue,
  BatchWriteItemCommand,
  DynamoDBClient,
  paginateScan,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import { ensureTable } from '../dynamodb/ensureTable.ts';
import { type AwsOptions, awsClientConfig, isMissing } from '../outbox/awsClient.ts';
import { BackupFailure } from './failure.ts';
import { ITEMS_PER_WRITE, TABLE_MS_MAX, WRITE_ATTEMPTS_MAX, WRITE_PAUSE_MS } from './limits.ts';
import { digestOf, type Manifest } from './manifest.ts';

export const KEPT_TABLES = ['rules', 'dead_letters'] as const;

type Item = Record<string, AttributeValue>;
/** Bytes become text, told apart from text by their name. */
const BYTES = 'B64';
const toJson = (item: Item): string =>
  JSON.stringify(item, function replace(key, value) {
    const given = (this as Record<string, unknown>)[key];
    return given instanceof Uint8Array ? { [BYTES]: Buffer.from(given).toString('base64') } : value;
  });
const fromJson = (line: string): Item =>
  JSON.parse(line, (_key, value) =>
    typeof value?.[BYTES] === 'string' ? new Uint8Array(Buffer.from(value[BYTES], 'base64')) : value,
  ) as Item;

const withClient = async <T>(aws: AwsOptions, work: (client: DynamoDBClient) => Promise<T>): Promise<T> => {
  const client = new DynamoDBClient({ ...awsClientConfig(aws), maxAttempts: WRITE_ATTEMPTS_MAX });
  try {
    return await work(client);
  } catch (error) {
    if (error instanceof BackupFailure) throw error;
    throw new BackupFailure(`DynamoDB cannot be used: ${(error as Error).message}.`);
  } finally {
    client.destroy();
  }
};

async function* itemsOf(client: DynamoDBClient, table: string): AsyncGenerator<Item> {
  try {
    const pages = paginateScan({ client }, { TableName: table, ConsistentRead: true });
    for await (const { Items = [] } of pages) yield* Items;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** @param folder has a folder `dynamodb` */
export const dumpItems = (
  aws: AwsOptions,
  folder: string,
  tables: readonly string[],
): Promise<Manifest['items']> =>
  withClient(aws, async client => {
    const done: Manifest['items'][number][] = [];
    for (const table of tables) {
      const path = `dynamodb/${table}.jsonl.gz`;
      let count = 0;
      async function* lines(): AsyncGenerator<string> {
        for await (const item of itemsOf(client, table)) {
          count++;
          yield `${toJson(item)}\n`;
        }
      }
      const file = createWriteStream(join(folder, path), { mode: 0o600 });
      await pipeline(Readable.from(lines()), createGzip(), file);
      done.push({ table, count, file: { path, ...(await digestOf(join(folder, path))) } });
    }
    return done;
  });

/** Throws a sentence when one of these tables has anything in it. */
export const checkNoItems = (aws: AwsOptions, tables: readonly string[]): Promise<void> =>
  withClient(aws, async client => {
    for (const table of tables) {
      for await (const _ of itemsOf(client, table))
        throw new BackupFailure(
          `The table ${table} of DynamoDB is not empty: restore into an account, region or folder of its own.`,
        );
    }
  });

/** @param named the table that takes what was in one, when it is another; for tests */
export const loadItems = (
  aws: AwsOptions,
  folder: string,
  items: Manifest['items'],
  named: (table: string) => string = table => table,
): Promise<void> =>
  withClient(aws, async client => {
    const key = [{ name: 'pk', type: 'S' } as const, { name: 'sk', type: 'S' } as const] as const;
    for (const { table, file } of items) {
      const into = named(table);
      await ensureTable(client, into, key, AbortSignal.timeout(TABLE_MS_MAX));
      const unzipped = piped(createReadStream(join(folder, file.path)), createGunzip(), () => {});
      let batch: Item[] = [];
      for await (const line of createInterface({ input: unzipped })) {
        batch.push(fromJson(line));
        if (batch.length < ITEMS_PER_WRITE) continue;
        await putAll(client, into, batch);
        batch = [];
      }
      await putAll(client, into, batch);
    }
  });

const putAll = async (client: DynamoDBClient, table: string, items: readonly Item[]): Promise<void> => {
  let left: WriteRequest[] = items.map(Item => ({ PutRequest: { Item } }));
  for (let attempt = 0; left.length > 0; attempt++) {
    if (attempt === WRITE_ATTEMPTS_MAX) throw new Error(`the table ${table} takes nothing`);
    if (attempt > 0) await pause(WRITE_PAUSE_MS * 2 ** attempt);
    const answer = await client.send(new BatchWriteItemCommand({ RequestItems: { [table]: left } }));
    left = answer.UnprocessedItems?.[table] ?? [];
  }
};
