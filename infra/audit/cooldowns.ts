/**
 * How long the two of an encounter had to wait for the next one: the rule says so that decided the encounter, in the version
 * that stands with its transfer. What counts now is no measure of what was paid then.
 */
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { RULES_TABLE } from './limits.ts';
import type { Snapshot } from './snapshot.ts';
import { type AwsAt, clientConfig, isMissing, Unreadable } from './stores.ts';

/** Of one version of a rule; those that are not listed say nothing about it. */
export interface Cooldown {
  readonly id: string;
  readonly version: number;
  readonly s: number;
}

const DECIDED = `select distinct rule_id as id, rule_version as version from ledger.transfer where reason = 'encounter'`;

/** @throws Unreadable when the rules cannot be read */
export async function cooldownsOf(
  snapshot: Snapshot,
  dynamodb: AwsAt | null,
  table = RULES_TABLE,
): Promise<Cooldown[]> {
  if (dynamodb === null) return [];
  const client = new DynamoDBClient(clientConfig(dynamodb));
  const found: Cooldown[] = [];
  try {
    for (const { id, version } of await snapshot.rows<{ id: string; version: number }>(DECIDED)) {
      const s = await cooldownOf(client, table, id, version);
      if (s !== null) found.push({ id, version, s });
    }
    return found;
  } finally {
    client.destroy();
  }
}

async function cooldownOf(
  client: DynamoDBClient,
  table: string,
  id: string,
  version: number,
): Promise<number | null> {
  const Key = { pk: { S: `RULE#${id}` }, sk: { S: `V#${String(version).padStart(5, '0')}` } };
  try {
    const { Item } = await client.send(new GetItemCommand({ TableName: table, Key }));
    const { limits } = JSON.parse(Item?.body?.S ?? '{}') as { limits?: { cooldownS?: number } };
    return limits?.cooldownS ?? null;
  } catch (error) {
    if (isMissing(error)) return null;
    throw new Unreadable('dynamodb', error);
  }
}
