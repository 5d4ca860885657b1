/** Sessions of the nodes with PostgreSQL, as its administrator sees them. */
import { withClient } from '../swarm/postgres.ts';
import type { Hit } from './target.ts';

const TERMINATE = `
  select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and application_name like 'heyblue%'`;

/** Ends all of them; the server goes on. */
export const terminateBackends = async (databaseUrl: string): Promise<Hit> => {
  const { rowCount } = await withClient(databaseUrl, client => client.query(TERMINATE), 'chaos');
  return { targets: ['PostgreSQL'], what: 'its backends are terminated', counts: { ended: rowCount ?? 0 } };
};
