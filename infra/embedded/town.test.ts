import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { CreateStreamCommand, KinesisClient, ListStreamsCommand } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import pg from 'pg';
import { afterAll, expect, inject, test, vi } from 'vitest';
import { processIdentity } from '../launch/process-identity.mjs';
import { StartFailure, startTown, type Town, temporaryDatabase } from './index.ts';
import { startPostgres } from './postgres.ts';
import { gone, signal } from './processes.ts';

vi.setConfig({ testTimeout: 60_000 }); // each test starts servers, and the machine may be busy
const folder = mkdtempSync(join(tmpdir(), 'heyblue-town-'));
const towns: Town[] = [];

afterAll(async () => {
  for (const town of towns) await town.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function begin(dataDir: string): Promise<Town> {
  const town = await startTown({ dataDir });
  towns.push(town);
  return town;
}

async function query(url: string, text: string): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query({ text, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

function aws(town: Town) {
  const credentials = { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' };
  return {
    dynamodb: new DynamoDBClient({ endpoint: town.dynamodbEndpoint, region: 'us-east-1', credentials }),
    // the Kinesis client speaks HTTP/2 unless told otherwise, kinesalite does not
    kinesis: new KinesisClient({
      endpoint: town.kinesisEndpoint,
      region: 'us-east-1',
      credentials,
      requestHandler: new NodeHttpHandler(),
    }),
  };
}

test('what is written to the three servers is there after kill -9 of all of them, on the same ports', async () => {
  const dataDir = join(folder, 'killed');
  const before = await begin(dataDir);
  const clients = aws(before);
  await query(before.databaseUrl, 'create table remembered as select 42 as answer');
  await clients.dynamodb.send(
    new CreateTableCommand({
      TableName: 'balances',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    }),
  );
  await clients.kinesis.send(new CreateStreamCommand({ StreamName: 'user-events', ShardCount: 1 }));
  const pids = before.processes().map(one => one.pid);
  const stopped = before.stop(); // nobody starts them again once we are stopping
  for (const pid of pids) signal(pid, 'SIGKILL');
  await stopped;

  const after = await begin(dataDir);
  expect(after.env).toEqual(before.env);
  expect(await query(after.databaseUrl, 'select answer from remembered')).toEqual([[42]]);
  const again = aws(after);
  expect((await again.dynamodb.send(new ListTablesCommand({}))).TableNames).toEqual(['balances']);
  expect((await again.kinesis.send(new ListStreamsCommand({}))).StreamNames).toEqual(['user-events']);
});

test('PostgreSQL keeps fsync on, listens on loopback only and wants its password', async () => {
  const { databaseUrl } = await begin(join(folder, 'settings'));
  const settings = 'select name, setting from pg_settings where name = any($$';
  const rows = await query(
    databaseUrl,
    `${settings}{fsync,listen_addresses,unix_socket_directories,synchronous_commit}$$) order by name`,
  );
  expect(rows).toEqual([
    ['fsync', 'on'],
    ['listen_addresses', '127.0.0.1'],
    ['synchronous_commit', 'on'],
    ['unix_socket_directories', ''],
  ]);
  const wrong = new URL(databaseUrl);
  wrong.password = 'wrong';
  await expect(query(wrong.href, 'select 1')).rejects.toThrow(/password/);
});

test('a server that dies is started again on its port, and a second town in the folder is refused meanwhile', async () => {
  const dataDir = join(folder, 'reborn');
  const town = await begin(dataDir);
  await expect(startTown({ dataDir })).rejects.toThrow(/Another town \(pid \d+\) already runs/);
  const victims = town.processes();
  for (const { pid } of victims) signal(pid, 'SIGKILL');
  await expect
    .poll(() => query(town.databaseUrl, 'select 1').catch(() => []), { timeout: 20_000 })
    .toEqual([[1]]);
  await expect
    .poll(
      () =>
        aws(town)
          .kinesis.send(new ListStreamsCommand({}))
          .then(answer => answer.StreamNames)
          .catch(() => null),
      {
        timeout: 20_000,
      },
    )
    .toEqual([]);
  expect(town.processes().some(({ pid }) => victims.some(victim => victim.pid === pid))).toBe(false);
});

test('an orphaned PostgreSQL is stopped, and what an interrupted initdb left is cleared', async () => {
  const dataDir = join(folder, 'orphan');
  mkdirSync(join(dataDir, 'postgres.new-half', 'cluster'), { recursive: true });
  writeFileSync(join(dataDir, 'postgres.new-half', 'cluster', 'PG_VERSION'), '18\n');
  const orphan = await startPostgres(dataDir, () => {});
  expect(existsSync(join(dataDir, 'postgres.new-half'))).toBe(false);
  const lines: string[] = [];
  const next = await startPostgres(dataDir, line => lines.push(line));
  expect(lines).toEqual([`Stopping the PostgreSQL (pid ${orphan.pid}) that an earlier start left behind`]);
  expect(processIdentity(orphan.pid)).toBe(null);
  expect(next.port).toBe(orphan.port);
  // a pid file that names a living stranger does not keep the next one from starting
  await next.stop();
  writeFileSync(
    join(dataDir, 'postgres', 'postmaster.pid'),
    `${process.pid}\n/elsewhere\n0\n1\n\n127.0.0.1\n0 0\nready\n`,
  );
  const last = await startPostgres(dataDir, () => {});
  await last.stop();
  expect(await gone(last.pid, 1000)).toBe(true);
});

test('half-written files of an earlier start are no hindrance', async () => {
  const dataDir = join(folder, 'torn');
  mkdirSync(dataDir);
  const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
  await (await startPostgres(dataDir, () => {})).stop();
  for (const torn of ['', '\0garbage\n', '12']) {
    writeFileSync(pidFile, torn);
    for (const ports of ['null', '{"postgres":99999}', '{"postgres":8}', '{"post'])
      writeFileSync(join(dataDir, 'ports.json'), ports);
    const next = await startPostgres(dataDir, () => {});
    await next.stop();
  }
  // an orphan is found although its pid file says nothing
  const orphan = await startPostgres(dataDir, () => {});
  writeFileSync(pidFile, '');
  const lines: string[] = [];
  const next = await startPostgres(dataDir, line => lines.push(line));
  expect(lines).toEqual([`Stopping the PostgreSQL (pid ${orphan.pid}) that an earlier start left behind`]);
  expect(processIdentity(orphan.pid)).toBe(null);
  await next.stop();
  // without its password there is no way in; that is a sentence
  writeFileSync(join(dataDir, 'postgres', 'heyblue-secrets.json'), '{"pass');
  await expect(startPostgres(dataDir, () => {})).rejects.toThrow(
    /^The password of PostgreSQL cannot be read/,
  );
});

test('a folder that cannot be made, and files of another PostgreSQL, are one sentence', async () => {
  writeFileSync(join(folder, 'a-file'), '');
  const refused = startTown({ dataDir: join(folder, 'a-file', 'data') });
  await expect(refused).rejects.toThrow(
    /^The data folder .* cannot be written \(ENOTDIR\): set HEYBLUE_DATA_DIR/,
  );
  await expect(refused).rejects.toBeInstanceOf(StartFailure);
  if (process.platform === 'linux')
    await expect(startTown({ dataDir: '/proc/none/data' })).rejects.toThrow(/cannot be written \(ENOENT\)/);
  const old = join(folder, 'old');
  mkdirSync(join(old, 'postgres'), { recursive: true });
  writeFileSync(join(old, 'postgres', 'PG_VERSION'), '16\n');
  await expect(startTown({ dataDir: old })).rejects.toThrow(/was made by PostgreSQL 16, this is 18/);
});

test('an orphan is found although its folder was moved', async () => {
  mkdirSync(join(folder, 'here'));
  const orphan = await startPostgres(join(folder, 'here'), () => {});
  renameSync(join(folder, 'here'), join(folder, 'there'));
  const next = await startPostgres(join(folder, 'there'), () => {});
  expect(processIdentity(orphan.pid)).toBe(null);
  await next.stop();
});

test('a fresh town has forgotten streams, tables and databases of tests', async () => {
  const dataDir = join(folder, 'fresh');
  const before = await begin(dataDir);
  await aws(before).kinesis.send(new CreateStreamCommand({ StreamName: 'left', ShardCount: 1 }));
  await temporaryDatabase(before.databaseUrl);
  await before.stop();
  const after = await startTown({ dataDir, fresh: true });
  towns.push(after);
  expect((await aws(after).kinesis.send(new ListStreamsCommand({}))).StreamNames).toEqual([]);
  expect(await query(after.databaseUrl, "select datname from pg_database where datname ~ '^test_'")).toEqual(
    [],
  );
});

test('every test file gets an empty database of its own', async () => {
  const one = await temporaryDatabase(inject('databaseUrl'));
  const two = await temporaryDatabase(inject('databaseUrl'));
  await query(one.url, 'create table only_here ()');
  expect(await query(two.url, "select to_regclass('only_here')::text")).toEqual([[null]]);
  await one.drop();
  await two.drop();
});
