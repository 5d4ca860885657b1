/** Tables are made where they are missing, so that a town of its own needs nobody to prepare it. */
import { CreateTableCommand, DescribeTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ensureActive } from '../outbox/ensureActive.ts';
import { askRecovery } from './tableFeatures.ts';

/** One attribute of a table's key: text or a number. */
export interface KeyPart {
  readonly name: string;
  readonly type: 'S' | 'N';
}

/**
 * Resolves when the table can be used. `range` is absent where the hash alone is the key. Recovery to a point in time is
 * asked for.
 */
export const ensureTable = async (
  client: DynamoDBClient,
  table: string,
  [hash, range]: readonly [hash: KeyPart, range?: KeyPart],
  signal: AbortSignal,
): Promise<void> => {
  const sending = { abortSignal: signal };
  const parts = range === undefined ? [hash] : [hash, range];
  await ensureActive(
    {
      name: `the table ${table}`,
      describe: async () => {
        const found = await client.send(new DescribeTableCommand({ TableName: table }), sending);
        return found.Table?.TableStatus;
      },
      create: () =>
        client.send(
          new CreateTableCommand({
            TableName: table,
            AttributeDefinitions: parts.map(({ name, type }) => ({
              AttributeName: name,
              AttributeType: type,
            })),
            KeySchema: parts.map(({ name }, i) => ({
              AttributeName: name,
              KeyType: i === 0 ? 'HASH' : 'RANGE',
            })),
            BillingMode: 'PAY_PER_REQUEST',
          }),
          sending,
        ),
    },
    signal,
  );
  await askRecovery(client, table, signal);
};
