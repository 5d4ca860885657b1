/** Sessions of the nodes with PostgreSQL, as its administrator sees them. */
import { Client } from 'pg';
import type { Hit } from './target.ts';

/** Ends all of them; the server goes on. */
export const terminateBackends = async (databaseUrl: string): Promise<Hit> => {
  const client = new Client({ connectionString: databaseUrl, application_name: 'chaos' });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name like 'heyblue%'`,
    );
    return { targets: ['PostgreSQL'], what: 'its backends are terminated', counts: { ended: rowCount ?? 0 } };
  } finally {
    await client.end().catch(() => {});
  }
};
