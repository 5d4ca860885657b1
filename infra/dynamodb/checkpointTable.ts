/**
 * The DynamoDB table `kinesis_checkpoints`: how far each shard of a stream was read, by whom, for which copy of what is made
 * of it (`scope`): another copy begins anew.
 *
 * An item is `{pk, sequence?, ended, epoch, at}`. The epoch is that of the ownership under which its reader reads. Who begins
 * claims the item with its own; from then on what an older owner writes is refused, so a reader that was paused cannot set
 * back what its successor has read.
 */
import { DynamoDBClient, GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { type AwsOptions, awsClientConfig } from '../outbox/awsClient.ts';
import { ENDED_KEPT_MS } from '../streams/limits.ts';
import { PreparedTable } from './preparedTable.ts';
import { EXPIRES } from './tableFeatures.ts';

const CHECKPOINTS_TABLE = 'kinesis_checkpoints';

export interface Checkpoint {
  /** The last record that need not be read again; null: none was read. */
  readonly sequence: string | null;
  /** The shard has no more. */
  readonly ended: boolean;
}

export class CheckpointTable {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #wallMs: () => number;
  readonly #scope: string;
  readonly #prepared: PreparedTable;

  constructor(options: AwsOptions, wallMs: () => number, scope: string, table = CHECKPOINTS_TABLE) {
    this.#scope = scope;
    this.#client = new DynamoDBClient(awsClientConfig(options));
    this.#wallMs = wallMs;
    this.#table = table;
    this.#prepared = new PreparedTable(this.#client, table, [{ name: 'pk', type: 'S' }]);
  }

  /** How far it was read, for whoever reads it from now on; null when an owner with a newer epoch does. */
  claim(name: string, epoch: number, signal: AbortSignal): Promise<Checkpoint | null> {
    return this.#update(name, epoch, null, signal);
  }

  /** False when somebody else reads it by now. */
  async save(name: string, epoch: number, checkpoint: Checkpoint, signal: AbortSignal): Promise<boolean> {
    return (await this.#update(name, epoch, checkpoint, signal)) !== null;
  }

  async isEnded(name: string, signal: AbortSignal): Promise<boolean> {
    const asked = new GetItemCommand({
      TableName: this.#table,
      Key: this.#key(name),
      ConsistentRead: true,
    });
    const { Item } = await this.#prepared.run(signal, () =>
      this.#client.send(asked, { abortSignal: signal }),
    );
    return Item?.ended?.BOOL === true;
  }

  close(): void {
    this.#client.destroy();
  }

  #key(name: string) {
    return { pk: { S: `${this.#scope}/${name}` } };
  }

  async #update(
    name: string,
    epoch: number,
    to: Checkpoint | null,
    signal: AbortSignal,
  ): Promise<Checkpoint | null> {
    const sets = ['epoch = :epoch', '#at = :at'];
    if (to) sets.push('ended = :ended');
    if (to && to.sequence !== null) sets.push('#sequence = :sequence');
    if (to?.ended) sets.push(`${EXPIRES} = :exp`);
    const nowMs = this.#wallMs();
    const update = new UpdateItemCommand({
      TableName: this.#table,
      Key: this.#key(name),
      UpdateExpression: `SET ${sets.join(', ')}`,
      ConditionExpression: 'attribute_not_exists(pk) OR epoch <= :epoch',
      ExpressionAttributeNames: {
        '#at': 'at',
        ...(to && to.sequence !== null && { '#sequence': 'sequence' }),
      },
      ExpressionAttributeValues: {
        ':epoch': { N: String(epoch) },
        ':at': { N: String(nowMs) },
        ...(to && { ':ended': { BOOL: to.ended } }),
        ...(to && to.sequence !== null && { ':sequence': { S: to.sequence } }),
        ...(to?.ended && { ':exp': { N: String(Math.floor((nowMs + ENDED_KEPT_MS) / 1_000)) } }),
      },
      ReturnValues: 'ALL_NEW',
    });
    try {
      const { Attributes } = await this.#prepared.run(signal, () =>
        this.#client.send(update, { abortSignal: signal }),
      );
      return { sequence: Attributes?.sequence?.S ?? null, ended: Attributes?.ended?.BOOL === true };
    } catch (error) {
      if ((error as { name?: string }).name === 'ConditionalCheckFailedException') return null;
      throw error;
    }
  }
}
