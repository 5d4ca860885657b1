/** Everything that a town has written, piece by piece, for whoever searches it. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DynamoDBClient, paginateListTables, ScanCommand } from '@aws-sdk/client-dynamodb';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  ListStreamsCommand,
} from '@aws-sdk/client-kinesis';
import pg from 'pg';
import { TRACKING_TABLE } from '../../infra/dynamodb/trackingTable.ts';
import { awsClientConfig } from '../../infra/outbox/awsClient.ts';

export interface Piece {
  readonly where: string;
  readonly written: string | Uint8Array;
}

/** All files under a folder. */
export function files(folder: string): Piece[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => join(folder, name))
    .filter(path => statSync(path).isFile())
    .map(path => ({ where: `file ${path.slice(folder.length + 1)}`, written: readFileSync(path) }));
}

/** All rows of all tables of a database, bytes as hex; and what it says of its own work. */
export async function rows(databaseUrl: string): Promise<Piece[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `select format('%I.%I', n.nspname, c.relname) as name
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'm', 'v') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')`,
    );
    const pieces: Piece[] = [];
    for (const { name } of tables) {
      const { rows: all } = await client.query<{ row: string }>(
        `select row_to_json(t)::text as row from ${name} t`,
      );
      pieces.push({
        where: `table ${name}, ${all.length} rows`,
        written: all.map(one => one.row).join('\n'),
      });
    }
    const { rows: said } = await client.query<{ query: string }>('select query from pg_stat_activity');
    pieces.push({ where: 'statements of the database', written: said.map(one => one.query).join('\n') });
    return pieces;
  } finally {
    await client.end();
  }
}

interface AwsPlace {
  readonly endpoint: string;
  readonly env: Readonly<Record<string, string>>;
}

const configOf = ({ endpoint, env }: AwsPlace) =>
  awsClientConfig({
    endpoint,
    region: env.AWS_REGION ?? 'us-east-1',
    credentials: {
      accessKeyId: env.AWS_ACCESS_KEY_ID ?? '',
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '',
    },
  });

/** Null for what somebody else, who uses the same servers, deleted between the list and this. */
const unlessGone = <T>(asked: Promise<T>): Promise<T | null> =>
  asked.catch((error: Error) => {
    if (error.name === 'ResourceNotFoundException') return null;
    throw error;
  });

/** All items of all tables but the sampled history, which is what positions are kept in. */
export async function items(place: AwsPlace): Promise<Piece[]> {
  const client = new DynamoDBClient(configOf(place));
  try {
    const names: string[] = [];
    for await (const { TableNames = [] } of paginateListTables({ client }, {})) names.push(...TableNames);
    const pieces: Piece[] = [];
    for (const TableName of names.filter(name => !name.startsWith(TRACKING_TABLE))) {
      let from: Record<string, never> | undefined;
      do {
        const page = await unlessGone(client.send(new ScanCommand({ TableName, ExclusiveStartKey: from })));
        if (page === null) break;
        const plain = JSON.stringify(page.Items ?? [], (_, value) =>
          value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
        );
        pieces.push({ where: `DynamoDB ${TableName}`, written: plain });
        from = page.LastEvaluatedKey as Record<string, never> | undefined;
      } while (from !== undefined);
    }
    return pieces;
  } finally {
    client.destroy();
  }
}

/** By the name of the last one and not by `NextToken`: not every server that stands in for the service knows that. */
async function streamNames(client: KinesisClient): Promise<string[]> {
  const names: string[] = [];
  for (let more = true; more; ) {
    const from = { ExclusiveStartStreamName: names.at(-1) };
    const { StreamNames = [], HasMoreStreams = false } = await client.send(new ListStreamsCommand(from));
    names.push(...StreamNames);
    more = HasMoreStreams;
  }
  return names;
}

/** All records of all streams. */
export async function records(place: AwsPlace): Promise<Piece[]> {
  const client = new KinesisClient(configOf(place));
  try {
    const pieces: Piece[] = [];
    for (const StreamName of await streamNames(client)) {
      const shards = await unlessGone(client.send(new ListShardsCommand({ StreamName })));
      for (const { ShardId } of shards?.Shards ?? []) {
        const from = { StreamName, ShardId: ShardId!, ShardIteratorType: 'TRIM_HORIZON' } as const;
        let iterator = (await unlessGone(client.send(new GetShardIteratorCommand(from))))?.ShardIterator;
        while (iterator) {
          const page = await unlessGone(client.send(new GetRecordsCommand({ ShardIterator: iterator })));
          // A page may be empty although more come after it.
          if (page === null || (!page.Records?.length && !page.MillisBehindLatest)) break;
          for (const { Data, PartitionKey } of page.Records ?? []) {
            pieces.push({ where: `stream ${StreamName}`, written: Data! });
            pieces.push({ where: `key in stream ${StreamName}`, written: PartitionKey! });
          }
          iterator = page.NextShardIterator;
        }
      }
    }
    return pieces;
  } finally {
    client.destroy();
  }
}
