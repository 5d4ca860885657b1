/**
 * The DynamoDB table `rules`: every version of every rule, which one counts, and what was evaluated.
 *
 * | pk           | sk        | what |
 * |--------------|-----------|------|
 * | `RULE#id`    | `V#00001` | a version: written once, under the condition that there is none |
 * | `ACTIVE`     | id        | the pointer of a rule with its `revision`: written under the condition that it is the one seen |
 * | `TRACE#hash` | `E`       | what an evaluation was given and said: written once |
 *
 * The pointers share one partition, so that a node reads all of them with one query. The table is made when the first call
 * finds none. Everything is read consistently: who published reads what was published.
 */
import {
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandOutput,
} from '@aws-sdk/client-dynamodb';
import type { RulePointer, RuleVersion } from '../../nodes/rules/envelope.ts';
import type { Evaluated } from '../../nodes/rules/ruleBook.ts';
import type { RuleStore } from '../../nodes/rules/store.ts';
import { ensureTable } from '../dynamodb/ensureTable.ts';
import { type AwsOptions, awsClientConfig, isMissing } from '../outbox/awsClient.ts';
import { CALL_MS_MAX, TABLE_MS_MAX } from './limits.ts';

export const RULES_TABLE = 'rules';

const POINTERS = 'ACTIVE';
const ruleKey = (id: string): string => `RULE#${id}`;
/** Sorted as text in their order. */
const versionKey = (version: number): string => `V#${String(version).padStart(5, '0')}`;
const traceKey = (trace: string): string => `TRACE#${trace}`;
const EVALUATION = 'E';

interface Written {
  readonly pk: string;
  readonly sk: string;
  readonly body: object;
  readonly revision?: number;
}

export class DynamoRules implements RuleStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  #made: Promise<void> | null = null;

  constructor(options: AwsOptions, table = RULES_TABLE) {
    this.#client = new DynamoDBClient(awsClientConfig({ ...options, requestMsMax: CALL_MS_MAX }));
    this.#table = table;
  }

  async pointers(): Promise<readonly RulePointer[]> {
    return this.#all<RulePointer>(POINTERS);
  }

  pointer(id: string): Promise<RulePointer | null> {
    return this.#get<RulePointer>(POINTERS, id);
  }

  point(pointer: RulePointer, from: number): Promise<boolean> {
    const { id, revision } = pointer;
    return this.#put({ pk: POINTERS, sk: id, body: pointer, revision }, from);
  }

  version(id: string, version: number): Promise<RuleVersion | null> {
    return this.#get<RuleVersion>(ruleKey(id), versionKey(version));
  }

  versions(id: string): Promise<readonly RuleVersion[]> {
    return this.#all<RuleVersion>(ruleKey(id));
  }

  add(version: RuleVersion): Promise<boolean> {
    return this.#put({ pk: ruleKey(version.id), sk: versionKey(version.version), body: version }, 0);
  }

  async keep(evaluated: Evaluated): Promise<void> {
    await this.#put({ pk: traceKey(evaluated.trace), sk: EVALUATION, body: evaluated }, 0);
  }

  evaluated(trace: string): Promise<Evaluated | null> {
    return this.#get<Evaluated>(traceKey(trace), EVALUATION);
  }

  close(): void {
    this.#client.destroy();
  }

  #put({ pk, sk, body, revision }: Written, from: number): Promise<boolean> {
    const put = new PutItemCommand({
      TableName: this.#table,
      Item: {
        pk: { S: pk },
        sk: { S: sk },
        body: { S: JSON.stringify(body) },
        ...(revision !== undefined && { revision: { N: String(revision) } }),
      },
      ...(from === 0
        ? { ConditionExpression: 'attribute_not_exists(pk)' }
        : {
            ConditionExpression: 'revision = :from',
            ExpressionAttributeValues: { ':from': { N: String(from) } },
          }),
    });
    return this.#try(async abortSignal => {
      try {
        await this.#client.send(put, { abortSignal });
        return true;
      } catch (error) {
        if ((error as { name?: string }).name === 'ConditionalCheckFailedException') return false;
        throw error;
      }
    });
  }

  async #get<T>(pk: string, sk: string): Promise<T | null> {
    const get = new GetItemCommand({
      TableName: this.#table,
      Key: { pk: { S: pk }, sk: { S: sk } },
      ConsistentRead: true,
    });
    const { Item } = await this.#try(abortSignal => this.#client.send(get, { abortSignal }));
    return Item?.body?.S === undefined ? null : (JSON.parse(Item.body.S) as T);
  }

  /** Everything of one partition, in the order of its keys. */
  async #all<T>(pk: string): Promise<T[]> {
    const found: T[] = [];
    for (let from: QueryCommandOutput['LastEvaluatedKey']; ; ) {
      const query = new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': { S: pk } },
        ConsistentRead: true,
        ...(from && { ExclusiveStartKey: from }),
      });
      const page = await this.#try(abortSignal => this.#client.send(query, { abortSignal }));
      for (const { body } of page.Items ?? []) found.push(JSON.parse(body?.S ?? 'null') as T);
      from = page.LastEvaluatedKey;
      if (!from) return found;
    }
  }

  /** Makes the table first when it is not there, whether nobody ever made it or somebody took it away. */
  async #try<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = AbortSignal.timeout(CALL_MS_MAX);
    try {
      return await call(signal);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    this.#made ??= this.#make().finally(() => {
      this.#made = null;
    });
    await this.#made;
    return call(AbortSignal.timeout(CALL_MS_MAX));
  }

  #make(): Promise<void> {
    const key = [
      { name: 'pk', type: 'S' },
      { name: 'sk', type: 'S' },
    ] as const;
    return ensureTable(this.#client, this.#table, key, AbortSignal.timeout(TABLE_MS_MAX));
  }
}
