/** A migrated database of its own for a test file or a benchmark. */
import pg from 'pg';
import { temporaryDatabase } from '../embedded/index.ts';
import { migrate } from './migrate.ts';

export interface TestDatabase {
  readonly ownerUrl: string;
  readonly appUrl: string;
  /** Runs SQL as the owner. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  drop(): Promise<void>;
}

export async function testDatabase(serverUrl: string): Promise<TestDatabase> {
  const database = await temporaryDatabase(serverUrl);
  const { appUrl } = await migrate(database.url);
  const owner = new pg.Pool({ connectionString: database.url, max: 2 });
  owner.on('error', () => {});
  return {
    ownerUrl: database.url,
    appUrl,
    sql: async (text, values) => (await owner.query(text, values)).rows,
    async drop() {
      await owner.end();
      await database.drop();
    },
  };
}
