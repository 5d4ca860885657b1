/**
 * Are charities and families in DynamoDB what the catalogues say? An entry whose change waits in the outbox may be behind; every
 * other one stands there as in the snapshot, or newer: then it must be what the catalogue says by now.
 */
import { DynamoDBClient, paginateScan } from '@aws-sdk/client-dynamodb';
import { CATALOGS_TABLE, TARGET, UNKNOWN_MAX } from './limits.ts';
import { Finds } from './report.ts';
import type { Snapshot } from './snapshot.ts';
import { type AwsAt, clientConfig, isMissing } from './stores.ts';

export interface CatalogOptions {
  readonly dynamodb: AwsAt;
  readonly table?: string | undefined;
  /** The table has entries of other towns, too. */
  readonly shared: boolean;
  readonly say: (line: string) => void;
}

/** An entry as everybody may read it, in one text, beside its version. */
interface Entry {
  readonly key: string;
  readonly id: string;
  readonly version: number;
  readonly said: string;
}

interface Row extends Omit<Entry, 'said' | 'version'> {
  readonly version: string;
  readonly said: readonly unknown[];
}

const ENTRIES = `select id, 'CAT#' || kind || '#' || id as key, version,
  json_build_array(id, kind, name, account, zip, status) as said from giving.catalog`;

const entryOf = ({ key, id, version, said }: Row): Entry => ({
  ...{ key, id, version: Number(version) },
  said: JSON.stringify(said),
});

/** Catalogues are some thousand entries: they are read whole. */
export const checkCatalogs = async (
  snapshot: Snapshot,
  { dynamodb, table = CATALOGS_TABLE, shared, say }: CatalogOptions,
): Promise<{ looked: number; finds: Finds } | { skipped: string }> => {
  if (!(await snapshot.has('giving.catalog'))) return { skipped: 'there is no giving.catalog' };
  const missing = new Map((await snapshot.rows<Row>(ENTRIES)).map(row => [row.key, entryOf(row)]));
  const waiting = await waitingEntries(snapshot);
  const finds = new Finds();
  const newer: Entry[] = [];
  let looked = 0;
  for await (const items of itemsIn(dynamodb, table)) {
    looked += items.length;
    say(`${table}: ${looked} items`);
    for (const item of items) {
      const entry = missing.get(item.key);
      missing.delete(item.key);
      if (entry === undefined || item.version > entry.version) newer.push(item);
      else if (item.version < entry.version) {
        if (!waiting.has(entry.id))
          finds.add(entry.id, `is at version ${entry.version}, DynamoDB still at ${item.version}`);
      } else if (item.said !== entry.said)
        finds.add(entry.id, `is ${entry.said}, DynamoDB says ${item.said}`);
    }
  }
  for (const { id } of missing.values())
    if (!waiting.has(id)) finds.add(id, 'is in the catalogues and not in DynamoDB');
  await checkNewer(snapshot, newer.slice(0, UNKNOWN_MAX), shared, finds);
  return { looked, finds };
};

/** Newer than the snapshot: the catalogue has moved on meanwhile, or somebody made it up. */
const checkNewer = async (
  snapshot: Snapshot,
  newer: readonly Entry[],
  shared: boolean,
  finds: Finds,
): Promise<void> => {
  if (newer.length === 0) return;
  const rows = await snapshot.now<Row>(`${ENTRIES} where 'CAT#' || kind || '#' || id = any ($1)`, [
    newer.map(({ key }) => key),
  ]);
  const now = new Map(rows.map(row => [row.key, entryOf(row)]));
  for (const { key, id, version, said } of newer) {
    const entry = now.get(key);
    if (entry === undefined) {
      if (!shared) finds.add(id, 'is in DynamoDB and in no catalogue');
    } else if (version > entry.version)
      finds.add(id, `is at version ${entry.version}, DynamoDB at ${version} already`);
    else if (version === entry.version && said !== entry.said)
      finds.add(id, `is ${entry.said}, DynamoDB says ${said}`);
  }
};

const waitingEntries = async (snapshot: Snapshot): Promise<ReadonlySet<string>> => {
  const rows = await snapshot.rows<{ id: string | null }>(
    `select unnest(keys) as id from ops.outbox where target = ${TARGET.catalogs}`,
  );
  return new Set(rows.flatMap(({ id }) => id ?? []));
};

async function* itemsIn(dynamodb: AwsAt, TableName: string): AsyncGenerator<Entry[]> {
  const client = new DynamoDBClient(clientConfig(dynamodb));
  try {
    for await (const { Items = [] } of paginateScan({ client }, { TableName, ConsistentRead: true })) {
      yield Items.map(({ pk, id, kind, name, account, zip, status, version }) => ({
        key: pk?.S ?? '',
        id: id?.S ?? pk?.S ?? '',
        version: Number(version?.N ?? 0),
        said: JSON.stringify([id, kind, name, account, zip, status].map(one => one?.S ?? null)),
      }));
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  } finally {
    client.destroy();
  }
}
