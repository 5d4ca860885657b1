/**
 * The DynamoDB table `balances` as the target of a publisher: what other systems read.
 *
 * Each account is one item `{pk, balance, version}`. A put carries the condition that the version rises, so a late,
 * repeated or overtaken put changes nothing; many changes of an account in one batch become one put of the newest.
 *
 * The version is the fence here, and a better one than the epoch of the publisher: it rises with every posting, whichever
 * shard's owner made it, and is read in PostgreSQL together with the balance. Whatever a publisher puts was true when it
 * read it, also one that leads no more; it can only be late, and then the condition refuses it.
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { type AwsOptions, awsClientConfig, isMissing, wordsOf } from '../outbox/awsClient.ts';
import { PUTS_IN_FLIGHT } from '../outbox/limits.ts';
import { type SignedCall, signedCallOf } from '../outbox/signedCall.ts';
import { Missing, type OutboxRow, type Published, type Target } from '../outbox/target.ts';
import { ensureTable } from './ensureTable.ts';

const BALANCES_TABLE = 'balances';

/** What stands in the body of a row. */
interface State {
  readonly balance: string;
  readonly version: string;
}

export class BalanceTarget implements Target {
  readonly #client: DynamoDBClient;
  /** The puts, hundreds a second. */
  readonly #puts: SignedCall;
  readonly #table: string;

  constructor(options: AwsOptions, table = BALANCES_TABLE) {
    const config = awsClientConfig(options);
    this.#client = new DynamoDBClient(config);
    this.#puts = signedCallOf('dynamodb', this.#client, config);
    this.#table = table;
  }

  prepare(signal: AbortSignal): Promise<void> {
    return ensureTable(this.#client, this.#table, [{ name: 'pk', type: 'S' }], signal);
  }

  async publish(rows: readonly OutboxRow[], signal: AbortSignal): Promise<Published> {
    const newest = new Map<string, { state: State; ids: string[] }>();
    for (const row of rows) {
      const state = JSON.parse(row.body) as State;
      const known = newest.get(row.key);
      if (!known) newest.set(row.key, { state, ids: [row.id] });
      else {
        known.ids.push(row.id);
        if (BigInt(state.version) > BigInt(known.state.version)) known.state = state;
      }
    }
    const done: string[] = [];
    let failure: string | null = null;
    let failed = 0;
    let missing = false;
    const work = newest.entries();
    const worker = async (): Promise<void> => {
      for (const [account, { state, ids }] of work) {
        // one account that is refused keeps no other waiting; a table that is away is not asked for each
        if (missing || failed >= PUTS_IN_FLIGHT) return;
        try {
          await this.#put(account, state, signal);
          done.push(...ids);
        } catch (error) {
          missing ||= isMissing(error);
          failure = wordsOf(error);
          failed++;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(PUTS_IN_FLIGHT, newest.size) }, worker));
    if (missing) throw new Missing(failure ?? '');
    return { done, failure, partial: done.length > 0 };
  }

  close(): void {
    this.#client.destroy();
  }

  async #put(account: string, state: State, signal: AbortSignal): Promise<void> {
    try {
      const put = {
        TableName: this.#table,
        Item: { pk: { S: account }, balance: { N: state.balance }, version: { N: state.version } },
        ConditionExpression: 'attribute_not_exists(pk) OR version < :v',
        ExpressionAttributeValues: { ':v': { N: state.version } },
      };
      await this.#puts.call('PutItem', JSON.stringify(put), signal);
    } catch (error) {
      // what stands there is as new or newer
      if ((error as { name?: string }).name !== 'ConditionalCheckFailedException') throw error;
    }
  }
}
