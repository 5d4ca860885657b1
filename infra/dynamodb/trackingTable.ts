/**
 * The DynamoDB table `tracking`: where somebody was, for a while.
 *
 * An item is `{pk, sk, at, lat, lng, acc, exp}`: `pk` the pseudonym of a day (infra/location/pseudonym.ts), `sk` the
 * minute, so two nodes that sample the same person in one minute leave one item. `exp` (seconds) is the attribute by
 * which DynamoDB removes items; it does so hours late, so what has expired is not read either. The embedded DynamoDB
 * has no expiry: there {@link TrackingTable.prune} removes.
 *
 * Errors of this file may hold what was sent; callers keep their texts to themselves.
 */
import {
  type BatchWriteItemCommandOutput,
  DynamoDBClient,
  QueryCommand,
  type QueryCommandInput,
  type QueryCommandOutput,
  ScanCommand,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import type { SampledPosition } from '../../nodes/locationPort.ts';
import { type AwsOptions, awsClientConfig, isMissing } from '../outbox/awsClient.ts';
import { type SignedCall, signedCallOf } from '../outbox/signedCall.ts';
import { ensureTable } from './ensureTable.ts';
import { askTimeToLive } from './tableFeatures.ts';

export const TRACKING_TABLE = 'tracking';
/** Items of one BatchWriteItem. */
export const WRITE_MAX = 25;
const MINUTE_MS = 60_000;

export interface TrackedItem extends SampledPosition {
  /** Whose, as a pseudonym. */
  readonly device: string;
  /** Unix milliseconds after which it is gone. */
  readonly expiresAtMs: number;
}

/** The key of an item. */
interface ItemKey {
  readonly device: string;
  readonly sk: string;
}

const minuteOf = (ms: number): number => Math.floor(ms / MINUTE_MS) * MINUTE_MS;

export class TrackingTable {
  readonly #client: DynamoDBClient;
  /** Batches, which are nearly all that is said here. */
  readonly #batches: SignedCall;
  readonly #table: string;
  #ready: Promise<void> | null = null;
  /** False where the store does not remove what has expired. */
  #expires = true;

  constructor(options: AwsOptions, table = TRACKING_TABLE) {
    const config = awsClientConfig(options);
    this.#client = new DynamoDBClient(config);
    this.#batches = signedCallOf('dynamodb', this.#client, config);
    this.#table = table;
  }

  /** Writes at most {@link WRITE_MAX} items with different keys; those that the service had no room for. */
  async write(items: readonly TrackedItem[], signal: AbortSignal): Promise<readonly TrackedItem[]> {
    const bySort = new Map(items.map(item => [`${item.device}|${minuteOf(item.takenAtMs)}`, item]));
    const requests = [...bySort.values()].map(item => ({ PutRequest: { Item: written(item) } }));
    const left = await this.#batch(requests, signal);
    return left.map(({ PutRequest }) => bySort.get(`${PutRequest?.Item?.pk?.S}|${PutRequest?.Item?.sk?.N}`)!);
  }

  /** Removes at most {@link WRITE_MAX} items; keys of those that the service had no room for. */
  async remove(keys: readonly ItemKey[], signal: AbortSignal): Promise<readonly ItemKey[]> {
    const requests = keys.map(({ device, sk }) => ({
      DeleteRequest: { Key: { pk: { S: device }, sk: { N: sk } } },
    }));
    const left = await this.#batch(requests, signal);
    return left.map(({ DeleteRequest }) => ({
      device: DeleteRequest?.Key?.pk?.S ?? '',
      sk: DeleteRequest?.Key?.sk?.N ?? '',
    }));
  }

  /** What is kept under a pseudonym and has not expired at `nowMs`, oldest first, from `fromMs` until before `untilMs`. */
  async read(
    device: string,
    fromMs: number,
    untilMs: number,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<SampledPosition[]> {
    const found: SampledPosition[] = [];
    const query = {
      KeyConditionExpression: 'pk = :pk AND sk BETWEEN :from AND :until',
      ExpressionAttributeValues: {
        ':pk': { S: device },
        ':from': { N: String(minuteOf(fromMs)) },
        ':until': { N: String(untilMs) },
      },
    };
    for await (const page of this.#pages(query, signal)) {
      for (const { at, lat, lng, acc, exp } of page.Items ?? []) {
        const takenAtMs = Number(at?.N);
        if (takenAtMs < fromMs || takenAtMs >= untilMs || Number(exp?.N) * 1_000 <= nowMs) continue;
        found.push({
          takenAtMs,
          latE7: Number(lat?.N),
          lngE7: Number(lng?.N),
          accuracyDm: Number(acc?.N),
        });
      }
    }
    return found;
  }

  /** Keys of everything that is kept under a pseudonym. */
  async keysOf(device: string, signal: AbortSignal): Promise<ItemKey[]> {
    const keys: ItemKey[] = [];
    const query = {
      KeyConditionExpression: 'pk = :pk',
      ExpressionAttributeValues: { ':pk': { S: device } },
      ProjectionExpression: 'sk',
      ConsistentRead: true,
    };
    for await (const page of this.#pages(query, signal)) {
      for (const { sk } of page.Items ?? []) keys.push({ device, sk: sk?.N ?? '' });
    }
    return keys;
  }

  async *#pages(
    query: Omit<QueryCommandInput, 'TableName' | 'ExclusiveStartKey'>,
    signal: AbortSignal,
  ): AsyncGenerator<QueryCommandOutput> {
    const TableName = this.#table;
    let ExclusiveStartKey: QueryCommandOutput['LastEvaluatedKey'];
    await this.#prepared(signal);
    do {
      const command = new QueryCommand({
        ...query,
        TableName,
        ...(ExclusiveStartKey && { ExclusiveStartKey }),
      });
      const page = await this.#noting(this.#client.send(command, { abortSignal: signal }));
      yield page;
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey);
  }

  /** Removes what has expired at `nowMs`, where the store does not do so itself. How many it removed. */
  async prune(nowMs: number, signal: AbortSignal): Promise<number> {
    await this.#prepared(signal);
    if (this.#expires) return 0;
    let removed = 0;
    let ExclusiveStartKey: ScanCommand['input']['ExclusiveStartKey'];
    do {
      const page = await this.#noting(
        this.#client.send(
          new ScanCommand({
            TableName: this.#table,
            FilterExpression: 'exp <= :now',
            ExpressionAttributeValues: { ':now': { N: String(Math.floor(nowMs / 1_000)) } },
            ProjectionExpression: 'pk, sk',
            ...(ExclusiveStartKey && { ExclusiveStartKey }),
          }),
          { abortSignal: signal },
        ),
      );
      const keys = (page.Items ?? []).map(({ pk, sk }) => ({ device: pk?.S ?? '', sk: sk?.N ?? '' }));
      for (let i = 0; i < keys.length; i += WRITE_MAX) {
        const some = keys.slice(i, i + WRITE_MAX);
        removed += some.length - (await this.remove(some, signal)).length;
      }
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey);
    return removed;
  }

  close(): void {
    this.#client.destroy();
  }

  async #batch(requests: readonly WriteRequest[], signal: AbortSignal): Promise<readonly WriteRequest[]> {
    if (requests.length === 0) return [];
    await this.#prepared(signal);
    const body = JSON.stringify({ RequestItems: { [this.#table]: requests } });
    const answer = (await this.#noting(
      this.#batches.call('BatchWriteItem', body, signal),
    )) as BatchWriteItemCommandOutput;
    return answer.UnprocessedItems?.[this.#table] ?? [];
  }

  /** A table that is gone is made again by the next call. */
  async #noting<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (isMissing(error)) this.#ready = null;
      throw error;
    }
  }

  #prepared(signal: AbortSignal): Promise<void> {
    this.#ready ??= this.#prepare(signal).catch(error => {
      this.#ready = null;
      throw error;
    });
    return this.#ready;
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    const keys = [
      { name: 'pk', type: 'S' },
      { name: 'sk', type: 'N' },
    ] as const;
    await ensureTable(this.#client, this.#table, keys, signal);
    this.#expires = await askTimeToLive(this.#client, this.#table, signal);
  }
}

const written = (item: TrackedItem) => ({
  pk: { S: item.device },
  sk: { N: String(minuteOf(item.takenAtMs)) },
  at: { N: String(item.takenAtMs) },
  lat: { N: String(item.latE7) },
  lng: { N: String(item.lngE7) },
  acc: { N: String(item.accuracyDm) },
  exp: { N: String(Math.floor(item.expiresAtMs / 1_000)) },
});
