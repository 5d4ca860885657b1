/**
 * The DynamoDB table `dead_letters`: records of a stream that can never be taken, until an operator replays them.
 *
 * An item is `{pk, sk, ...}`: `pk` the consumer, `sk` where the record stood (stream, shard, sequence), so the same record is
 * one item however often it is read. Its bytes are kept as they came.
 */
import {
  type AttributeValue,
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import type { DeadLetter } from '../../nodes/deadLetterPort.ts';
import { type AwsOptions, awsClientConfig } from '../outbox/awsClient.ts';
import type { Poison, StreamRecord } from '../streams/consumer.ts';
import { DEAD_BYTES_MAX, DEAD_KEPT_MS, DEAD_SHOWN_MAX } from '../streams/limits.ts';
import { PreparedTable } from './preparedTable.ts';
import { EXPIRES } from './tableFeatures.ts';

const DEAD_LETTERS_TABLE = 'dead_letters';

type Item = Record<string, AttributeValue>;

const idOf = (stream: string, shard: string, { sequence }: StreamRecord): string =>
  `${stream}/${shard}/${sequence}`;

export class DeadLetterTable {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #wallMs: () => number;
  readonly #prepared: PreparedTable;

  constructor(options: AwsOptions, wallMs: () => number, table = DEAD_LETTERS_TABLE) {
    this.#client = new DynamoDBClient(awsClientConfig(options));
    this.#wallMs = wallMs;
    this.#table = table;
    this.#prepared = new PreparedTable(this.#client, table, [
      { name: 'pk', type: 'S' },
      { name: 'sk', type: 'S' },
    ]);
  }

  /** Durable when it resolves. */
  async add(
    consumer: string,
    stream: string,
    shard: string,
    { record, why }: Poison,
    signal: AbortSignal,
  ): Promise<void> {
    const nowMs = this.#wallMs();
    const cut = record.bytes.length > DEAD_BYTES_MAX;
    const item: Item = {
      pk: { S: consumer },
      sk: { S: idOf(stream, shard, record) },
      stream: { S: stream },
      shard: { S: shard },
      sequence: { S: record.sequence },
      key: { S: record.key },
      arrived: { N: String(record.arrivedAtMs) },
      at: { N: String(nowMs) },
      why: { S: why },
      cut: { BOOL: cut },
      body: { B: record.bytes.subarray(0, DEAD_BYTES_MAX) },
      [EXPIRES]: { N: String(Math.floor((nowMs + DEAD_KEPT_MS) / 1_000)) },
    };
    const put = new PutItemCommand({ TableName: this.#table, Item: item });
    await this.#prepared.run(signal, () => this.#client.send(put, { abortSignal: signal }));
  }

  /** The first ones of a consumer, by where they stood; behind `after` when it is given. */
  async list(consumer: string, after: string | null, signal: AbortSignal): Promise<readonly DeadLetter[]> {
    const query = new QueryCommand({
      TableName: this.#table,
      KeyConditionExpression: after === null ? 'pk = :pk' : 'pk = :pk AND sk > :after',
      ExpressionAttributeValues: {
        ':pk': { S: consumer },
        ...(after !== null && { ':after': { S: after } }),
      },
      Limit: DEAD_SHOWN_MAX,
    });
    const found = await this.#prepared.run(signal, () => this.#client.send(query, { abortSignal: signal }));
    return (found.Items ?? []).map(letterOf);
  }

  /** The record as it came; null when there is none, or when it was too long to be kept whole. */
  async read(
    consumer: string,
    id: string,
    signal: AbortSignal,
  ): Promise<{ readonly stream: string; readonly shard: string; readonly record: StreamRecord } | null> {
    const Key = { pk: { S: consumer }, sk: { S: id } };
    const get = new GetItemCommand({ TableName: this.#table, Key, ConsistentRead: true });
    const { Item } = await this.#prepared.run(signal, () => this.#client.send(get, { abortSignal: signal }));
    if (!Item || Item.cut?.BOOL === true) return null;
    const record = {
      sequence: Item.sequence?.S ?? '',
      key: Item.key?.S ?? '',
      arrivedAtMs: Number(Item.arrived?.N),
      bytes: Item.body?.B ?? new Uint8Array(),
    };
    return { stream: Item.stream?.S ?? '', shard: Item.shard?.S ?? '', record };
  }

  async remove(consumer: string, id: string, signal: AbortSignal): Promise<void> {
    const Key = { pk: { S: consumer }, sk: { S: id } };
    const gone = new DeleteItemCommand({ TableName: this.#table, Key });
    await this.#prepared.run(signal, () => this.#client.send(gone, { abortSignal: signal }));
  }

  close(): void {
    this.#client.destroy();
  }
}

const letterOf = (item: Item): DeadLetter => ({
  id: item.sk?.S ?? '',
  stream: item.stream?.S ?? '',
  shard: item.shard?.S ?? '',
  why: item.why?.S ?? '',
  atMs: Number(item.at?.N),
  bytes: item.body?.B?.length ?? 0,
  whole: item.cut?.BOOL !== true,
});
