/**
 * PostgreSQL out into files and back: one snapshot of every table, while the town goes on; and into a database in which there
 * is nothing yet.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline as piped } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import pg from 'pg';
import { migrate } from '../postgres/migrate.ts';
import { MIGRATIONS } from '../postgres/migrations/index.ts';
import { copyIn, copyOut } from './copy.ts';
import { BackupFailure } from './failure.ts';
import { CONNECT_MS_MAX, LOCK_MS_MAX } from './limits.ts';
import { digestOf, type Manifest } from './manifest.ts';
import { migrationsIn, sequencesIn, type Table, tablesIn } from './schema.ts';

export const connected = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS_MAX });
  client.on('error', () => {}); // the query that is lost tells
  try {
    await client.connect();
  } catch (error) {
    throw new BackupFailure(`PostgreSQL cannot be used: ${(error as Error).message || 'no answer'}.`);
  }
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
};

const fileOf = ({ name }: Table): string => `postgres/${name.replaceAll('"', '')}.copy.gz`;
const copyOf = ({ name, columns }: Table): string => `copy ${name} (${columns.join(', ')})`;

type Dumped = Pick<Manifest, 'at' | 'migrations' | 'tables' | 'sequences'>;

/** @param folder has a folder `postgres` */
export const dumpDatabase = (url: string, folder: string, say: (line: string) => void): Promise<Dumped> =>
  connected(url, async client => {
    await client.query(`set lock_timeout = ${LOCK_MS_MAX}`);
    await client.query('begin isolation level repeatable read read only');
    const { rows } = await client.query<{ at: Date }>('select clock_timestamp() as at');
    const migrations = await migrationsIn(client);
    if (migrations.length === 0) throw new BackupFailure('There is no town in this database.');
    const tables: Manifest['tables'][number][] = [];
    for (const table of await tablesIn(client)) {
      const path = fileOf(table);
      const { out, rows: counted } = copyOut(client, `${copyOf(table)} to stdout`);
      await pipeline(out, createGzip(), createWriteStream(join(folder, path), { mode: 0o600 }));
      const count = await counted;
      tables.push({ ...table, rows: count, file: { path, ...(await digestOf(join(folder, path))) } });
      say(`${table.name}: ${count} rows`);
    }
    // numbers are taken outside of snapshots: later is safe, earlier would give one of them twice
    const sequences = await sequencesIn(client);
    await client.query('commit');
    return { at: rows[0]!.at.toISOString(), migrations, tables, sequences };
  });

/** Throws a sentence when there is something in the database already, or the backup is newer than this release. */
export const checkTarget = async (
  url: string,
  { migrations }: Pick<Manifest, 'migrations'>,
): Promise<void> => {
  const known = MIGRATIONS.map(({ name }) => name);
  const unknown = migrations.filter(name => !known.includes(name));
  if (unknown.length > 0)
    throw new BackupFailure(
      `The backup is of a newer release: this one does not know ${unknown.join(', ')}.`,
    );
  await connected(url, async client => {
    const tables = await tablesIn(client);
    if (tables.length > 0 || (await migrationsIn(client)).length > 0)
      throw new BackupFailure(
        `The database is not empty (${tables[0]?.name ?? 'it was migrated'}): restore into a new one.`,
      );
  });
};

const TRIGGERED = 'select distinct tgrelid::regclass::text as name from pg_trigger where not tgisinternal';

/** The schema as it was, the rows, then whatever the schema has become since. `beforeCommit` may add to the rows. */
export const loadDatabase = async (
  url: string,
  folder: string,
  manifest: Pick<Manifest, 'migrations' | 'tables' | 'sequences'>,
  beforeCommit: (client: pg.Client) => Promise<void>,
  say: (line: string) => void,
): Promise<void> => {
  await migrate(url, null, manifest.migrations.at(-1));
  await connected(url, async client => {
    await client.query('begin');
    // migrations put rows of their own into some
    await client.query(`truncate ${manifest.tables.map(({ name }) => name).join(', ')}`);
    // rows come as they were written: what a trigger would make of them is in them already
    const triggered = (await client.query<{ name: string }>(TRIGGERED)).rows;
    for (const { name } of triggered) await client.query(`alter table ${name} disable trigger user`);
    for (const table of manifest.tables) {
      // what goes wrong with the file is told by whoever reads
      const file = piped(createReadStream(join(folder, table.file.path)), createGunzip(), () => {});
      const rows = await copyIn(client, `${copyOf(table)} from stdin`, file);
      if (rows !== table.rows)
        throw new BackupFailure(`${table.name} has ${rows} rows instead of ${table.rows}.`);
      say(`${table.name}: ${rows} rows`);
    }
    for (const { name } of triggered) await client.query(`alter table ${name} enable trigger user`);
    for (const { name, last } of manifest.sequences)
      if (last !== null) await client.query('select setval($1::regclass, $2::bigint)', [name, last]);
    await beforeCommit(client);
    await client.query('commit');
    await client.query('analyze');
  });
  await migrate(url);
};
