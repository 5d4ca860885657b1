/**
 * The DynamoDB table `catalogs` as the target of a publisher: charities and families as other systems read them, one item
 * `CAT#charity#id` each. A put carries the condition that the version of the entry rises, as that of a balance does: a late
 * or repeated one changes nothing.
 */
import { type AttributeValue, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { type AwsOptions, awsClientConfig, isMissing, wordsOf } from '../outbox/awsClient.ts';
import { Missing, type OutboxRow, type Published, type Target } from '../outbox/target.ts';
import { ensureTable } from './ensureTable.ts';

export const CATALOGS_TABLE = 'catalogs';

/** What stands in the body of a row. */
interface Entry {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly account: string | null;
  readonly zip: string | null;
  readonly status: string;
  readonly version: string;
}

export const catalogKey = ({ kind, id }: Pick<Entry, 'kind' | 'id'>): string => `CAT#${kind}#${id}`;

export class CatalogTarget implements Target {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(options: AwsOptions, table = CATALOGS_TABLE) {
    this.#client = new DynamoDBClient(awsClientConfig(options));
    this.#table = table;
  }

  prepare(signal: AbortSignal): Promise<void> {
    return ensureTable(this.#client, this.#table, [{ name: 'pk', type: 'S' }], signal);
  }

  /** Operators write a few a day: one after the other. */
  async publish(rows: readonly OutboxRow[], signal: AbortSignal): Promise<Published> {
    const done: string[] = [];
    for (const { id, body } of rows) {
      try {
        await this.#put(JSON.parse(body) as Entry, signal);
        done.push(id);
      } catch (error) {
        if (isMissing(error)) throw new Missing(wordsOf(error));
        return { done, failure: wordsOf(error) };
      }
    }
    return { done, failure: null };
  }

  close(): void {
    this.#client.destroy();
  }

  async #put(entry: Entry, signal: AbortSignal): Promise<void> {
    const { id, kind, name, account, zip, status, version } = entry;
    const Item: Record<string, AttributeValue> = {
      pk: { S: catalogKey(entry) },
      id: { S: id },
      kind: { S: kind },
      name: { S: name },
      status: { S: status },
      version: { N: version },
      ...(account !== null && { account: { S: account } }),
      ...(zip !== null && { zip: { S: zip } }),
    };
    try {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.#table,
          Item,
          ConditionExpression: 'attribute_not_exists(pk) OR version < :v',
          ExpressionAttributeValues: { ':v': { N: version } },
        }),
        { abortSignal: signal },
      );
    } catch (error) {
      // what stands there is as new or newer
      if ((error as { name?: string }).name !== 'ConditionalCheckFailedException') throw error;
    }
  }
}
