/**
 * How many statements the nodes send to PostgreSQL, by the server's own count (pg_stat_statements): each execution of a
 * statement of the nodes' role counts one, however many rows it reads. BEGIN, COMMIT and the like are not counted: they
 * carry no question.
 *
 * The extension must be loaded when the server starts, so the server of the run is restarted once before anything is
 * measured.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { APP_ROLE } from '../../infra/postgres/limits.ts';
import type { Cluster } from './clusterTown.ts';
import { withClient } from './postgres.ts';

/** Executions since the counting began, by statement. */
export type Statements = ReadonlyMap<string, number>;

const RESTART_MS_MAX = 30_000;
const POLL_MS = 200;
const CONTROL =
  /^\s*(begin|commit|rollback|start transaction|savepoint|release|set|reset|deallocate|discard)\b/i;

/** Begins to count. Restarts PostgreSQL, which the nodes survive; false where the server has no such extension. */
export const countStatements = async (cluster: Cluster): Promise<boolean> => {
  const { databaseUrl } = cluster.town;
  const available = await withClient(databaseUrl, async client => {
    const { rowCount } = await client.query(
      `select 1 from pg_available_extensions where name = 'pg_stat_statements'`,
    );
    if (rowCount === 0) return false;
    await client.query(`alter system set shared_preload_libraries = 'pg_stat_statements'`);
    await client.query(`alter system set pg_stat_statements.max = 5000`).catch(() => {});
    return true;
  });
  if (!available) return false;
  const pid = cluster.pidOf('PostgreSQL');
  cluster.signalServer('PostgreSQL', 'SIGQUIT');
  const end = performance.now() + RESTART_MS_MAX;
  for (;;) {
    await pause(POLL_MS);
    try {
      if (cluster.pidOf('PostgreSQL') === pid) throw new Error('PostgreSQL was not restarted');
      await withClient(databaseUrl, client =>
        client.query('create extension if not exists pg_stat_statements'),
      );
      return true;
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
};

/** Executions up to now. */
export const readStatements = (databaseUrl: string): Promise<Statements> =>
  withClient(databaseUrl, async client => {
    const { rows } = await client.query<{ query: string; calls: number }>(
      `select s.query, sum(s.calls)::float8 as calls
         from pg_stat_statements s join pg_roles r on r.oid = s.userid
        where r.rolname = $1 and s.toplevel group by 1`,
      [APP_ROLE],
    );
    return new Map(rows.filter(row => !CONTROL.test(row.query)).map(row => [row.query, row.calls]));
  });

/** What was executed between two readings. */
export const statementsSince = (before: Statements, after: Statements): Statements => {
  const since = new Map<string, number>();
  for (const [query, calls] of after) {
    const more = calls - (before.get(query) ?? 0);
    if (more > 0) since.set(query, more);
  }
  return since;
};

export const sumOf = (statements: Statements): number => {
  let sum = 0;
  for (const calls of statements.values()) sum += calls;
  return sum;
};
