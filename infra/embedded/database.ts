/**
 * Making and dropping databases on a server: the town's own at the first start, and one per test file in the tests.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** The database of the town. */
export const DATABASE = 'heyblue';

/** The same server and role, another database. */
export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: withDatabase(url, 'postgres') });
  client.on('error', () => {}); // a dying server is told by the query that fails
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Creates the database that `url` names when it is missing. */
export function ensureDatabase(url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  return onServer(url, async client => {
    const found = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (found.rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`);
  });
}

const TEMPORARY = 'test_';

/** Drops the databases of tests that were killed before they could. */
export async function dropTemporaryDatabases(serverUrl: string): Promise<void> {
  await onServer(serverUrl, async client => {
    const left = await client.query<{ datname: string }>(
      'select datname from pg_database where datname ~ $1',
      [`^${TEMPORARY}[0-9a-f]{12}$`],
    );
    for (const { datname } of left.rows)
      await client.query(`drop database if exists ${datname} with (force)`);
  });
}

/**
 * An empty database of its own for one test file.
 *
 * @param serverUrl any database on the server; its role must be allowed to create databases
 */
export async function temporaryDatabase(serverUrl: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `${TEMPORARY}${randomBytes(6).toString('hex')}`;
  await onServer(serverUrl, client => client.query(`create database ${name}`));
  return {
    url: withDatabase(serverUrl, name),
    drop: async () => {
      await onServer(serverUrl, client => client.query(`drop database if exists ${name} with (force)`));
    },
  };
}
