/**
 * A town in which everything has happened to points is backed up while it runs, lost, and put back into empty stores: the
 * auditor, who believes nobody, finds nothing wrong. And what is no backup, or no empty store, is a sentence.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { FolderStore } from '../archive/folderStore.ts';
import type { ArchivePlace } from '../archive/place.ts';
import { ShardArchiver } from '../archive/shardArchiver.ts';
import { audit } from '../audit/audit.ts';
import { type AuditedTown, auditedTown, publish, wrongIn } from '../audit/testTown.ts';
import { ensureTable } from '../dynamodb/ensureTable.ts';
import { temporaryDatabase } from '../embedded/index.ts';
import { awsClientConfig } from '../outbox/awsClient.ts';
import { ensureAuditor } from '../postgres/auditorRole.ts';
import { migrate } from '../postgres/migrate.ts';
import { type BackupOptions, backUp } from './backup.ts';
import { BackupFailure } from './failure.ts';
import { readArguments } from './main.ts';
import { readManifest } from './manifest.ts';
import { type RestoreOptions, restore } from './restore.ts';

const say = (): void => {};
const run = randomBytes(4).toString('hex');
const RULES = `rules-${run}`;
const named = (table: string): string => `again-${run}-${table}`;

let aws: { endpoint: string; region: string; credentials: { accessKeyId: string; secretAccessKey: string } };
let town: AuditedTown;
let source: Awaited<ReturnType<AuditedTown['copy']>>;
let folder: string;
let options: BackupOptions;
let client: DynamoDBClient;

const placeOf = (name: string): ArchivePlace => ({
  folder: join(folder, name),
  bucket: '',
  endpoint: '',
  region: 'us-east-1',
  credentials: aws.credentials,
});

beforeAll(async () => {
  const credentials = { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' };
  aws = { endpoint: inject('dynamodbEndpoint'), region: 'us-east-1', credentials };
  folder = mkdtempSync(join(tmpdir(), 'heyblue-backup-'));
  town = await auditedTown();
  source = await town.copy();
  // half of what happened is archived already
  const store = new FolderStore(join(folder, 'archive'));
  const archiver = new ShardArchiver({ store, stream: 'transactions', shard: 'shardId-000000000000' });
  const records = await town.records();
  archiver.take(
    records.slice(0, records.length >> 1).map(({ key, event }, at) => {
      return { seq: String(at + 1), key, data: Buffer.from(JSON.stringify(event)) };
    }),
  );
  await archiver.flush();
  // and what only DynamoDB knows
  client = new DynamoDBClient(awsClientConfig(aws));
  const key = [
    { name: 'pk', type: 'S' },
    { name: 'sk', type: 'S' },
  ] as const;
  await ensureTable(client, RULES, key, AbortSignal.timeout(30_000));
  for (let n = 0; n < 30; n++) {
    const Item = { pk: { S: 'RULE#a' }, sk: { S: `V#${n}` }, bytes: { B: new Uint8Array([n, 255]) } };
    await client.send(new PutItemCommand({ TableName: RULES, Item }));
  }
  const dataDir = join(folder, 'data');
  mkdirSync(join(dataDir, 'keys'), { recursive: true });
  writeFileSync(join(dataDir, 'keys/keys.json'), '{"secret":1}', { mode: 0o600 });
  options = {
    databaseUrl: source.ownerUrl,
    dynamodb: aws,
    archive: placeOf('archive'),
    dataDir,
    version: '0.1.0',
    tables: [RULES],
    say,
  };
  await backUp(options, join(folder, 'backup'));
});
afterAll(async () => {
  client.destroy();
  await source.drop();
  await town.close();
  rmSync(folder, { recursive: true, force: true });
});

const rowsOf = async (url: string, text: string): Promise<unknown[]> => {
  const one = new pg.Client({ connectionString: url });
  await one.connect();
  try {
    return (await one.query(text)).rows;
  } finally {
    await one.end();
  }
};

it('a town out of a backup is the town that it was: the audit of ledger, stream, balances and archive is clean', async () => {
  const database = await temporaryDatabase(inject('databaseUrl'));
  const into: RestoreOptions = {
    databaseUrl: database.url,
    dynamodb: aws,
    archive: placeOf('archive-again'),
    dataDir: join(folder, 'data-again'),
    named,
    say,
  };
  const { objects } = await restore(into, join(folder, 'backup'));
  expect(objects?.length).toBeGreaterThan(0);
  const names = {
    transactions: `backup-${run}`,
    userEvents: `backup-users-${run}`,
    balances: named('balances'),
    catalogs: named('catalogs'),
  };
  const { appUrl, applied } = await migrate(database.url);
  expect(applied).toEqual([]);
  await publish(appUrl, names);

  const report = await audit({
    only: null,
    shared: false,
    hours: null,
    cooldownS: 86_400,
    boundS: 3_600,
    archiveBoundS: 600,
    say,
    stores: {
      databaseUrl: await ensureAuditor(database.url),
      dynamodb: aws,
      kinesis: { ...aws, endpoint: inject('kinesisEndpoint') },
      archive: { kind: 'folder', path: join(folder, 'archive-again') },
      names,
    },
  });
  expect(wrongIn(report)).toEqual([]);
  expect(report.unreachable).toEqual([]);
  expect(report.ok).toBe(true);

  const facts = `select (select count(*) from ledger.transfer) as transfers, (select count(*) from ledger.posting) as postings,
    (select sum(balance) from ledger.account where balance > 0) as points, (select count(*) from market.offer) as offers`;
  expect(await rowsOf(database.url, facts)).toEqual(await rowsOf(source.ownerUrl, facts));
  const name = 'select id from ops.town';
  expect(await rowsOf(database.url, name)).not.toEqual(await rowsOf(source.ownerUrl, name));
  const Key = { pk: { S: 'RULE#a' }, sk: { S: 'V#29' } };
  const { Item } = await client.send(new GetItemCommand({ TableName: named(RULES), Key }));
  expect([...(Item?.bytes?.B ?? [])]).toEqual([29, 255]);
  expect(readFileSync(join(folder, 'data-again/keys/keys.json'), 'utf8')).toBe('{"secret":1}');
  // numbers go on behind those that were given
  const { sequences } = await readManifest(join(folder, 'backup'));
  const used = sequences.filter(({ last }) => last !== null);
  expect(used.length).toBeGreaterThan(0);
  for (const { name, last } of used)
    expect(await rowsOf(database.url, `select nextval('${name}') > ${last} as behind`)).toEqual([
      { behind: true },
    ]);

  await expect(restore(into, join(folder, 'backup'))).rejects.toThrow(/database is not empty/);
  await database.drop();
});

it('a backup is for nobody else to read', () => {
  for (const path of ['', 'postgres', 'backup.json', 'files/keys/keys.json'])
    expect(statSync(join(folder, 'backup', path)).mode & 0o077, path).toBe(0);
});

it('what is no whole backup, or was changed since, is a sentence before anything is written', async () => {
  const database = await temporaryDatabase(inject('databaseUrl'));
  const into: RestoreOptions = {
    databaseUrl: database.url,
    dynamodb: aws,
    archive: placeOf('nowhere'),
    dataDir: null,
    named: table => `none-${run}-${table}`,
    say,
  };
  await expect(restore(into, folder)).rejects.toThrow(/is no whole backup: it has no backup.json/);
  const broken = join(folder, 'broken');
  await backUp({ ...options, archive: null, dataDir: null }, broken);
  const [file] = readdirSync(join(broken, 'postgres'));
  const path = join(broken, 'postgres', file!);
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = bytes[bytes.length - 1]! ^ 1;
  writeFileSync(path, bytes);
  await expect(restore(into, broken)).rejects.toThrow(`postgres/${file} is not what was written`);
  rmSync(path);
  await expect(restore(into, broken)).rejects.toThrow(`postgres/${file} is missing`);
  const manifest = await readManifest(broken);
  writeFileSync(join(broken, 'backup.json'), JSON.stringify({ ...manifest, format: 2 }));
  await expect(restore(into, broken)).rejects.toThrow(/of format 2; this reads 1/);
  expect(await rowsOf(database.url, `select from pg_namespace where nspname = 'ledger'`)).toEqual([]);
  await expect(backUp(options, broken)).rejects.toThrow(/is not empty/);
  await expect(backUp({ ...options, databaseUrl: database.url }, join(folder, 'x'))).rejects.toThrow(
    'There is no town in this database.',
  );
  await database.drop();
});

it.each([
  [['backup'], 'npm run backup takes --to DIR. Try --help.'],
  [['restore', '--to', 'x'], 'npm run restore takes --from DIR. Try --help.'],
  [['steal', '--to', 'x'], 'Nobody knows "steal". Try --help.'],
  [['backup', '--to', 'x', '--fast'], "Unknown option '--fast'. Try --help."],
])('%j is a sentence', (args, sentence) => {
  expect(() => readArguments(args)).toThrow(new BackupFailure(sentence));
});
