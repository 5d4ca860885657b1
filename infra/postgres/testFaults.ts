/** What the tests of the stores do to a commit that is under way. */
import pg from 'pg';
import { expect } from 'vitest';
import type { CommitEntry, CommitStore } from '../../nodes/ports.ts';
import type { TcpProxy } from './tcpProxy.ts';
import type { TestDatabase } from './testDatabase.ts';

export const PATIENCE = { timeout: 15_000, interval: 10 };

/** How a commit or a look-up failed, in its own word. */
export const fault = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no fault',
    error => (error as { fault?: string }).fault ?? String(error),
  );

/**
 * The server ends the connection of a group that waits for what the blocker has locked, as a restart does in the middle of a
 * commit. What the group has written by then is never there.
 */
export async function endedInTheMiddle(
  { sql, ownerUrl }: TestDatabase,
  lock: (blocker: pg.Client) => Promise<unknown>,
  commit: () => Promise<unknown>,
): Promise<void> {
  const blocker = new pg.Client({ connectionString: ownerUrl });
  await blocker.connect();
  try {
    await blocker.query('begin');
    await lock(blocker);
    const committing = fault(commit());
    const waits = `select pid from pg_stat_activity where datname = current_database()
      and application_name like 'heyblue %' and wait_event_type = 'Lock'`;
    await expect.poll(async () => (await sql(waits)).length, { ...PATIENCE, interval: 2 }).toBe(1);
    await sql(`select pg_terminate_backend(pid) from (${waits}) w`);
    expect(await committing).toBe('unknown');
    await blocker.query('rollback');
  } finally {
    await blocker.end();
  }
}

/** The request of an entry is still on its way when its client is gone and the look-up says no; then it is delivered. */
export async function arrivesTooLate(proxy: TcpProxy, store: CommitStore, entry: CommitEntry): Promise<void> {
  proxy.holdRequests = true;
  const sent = new Promise<void>(resolve => {
    proxy.onRequest = () => resolve();
  });
  const committing = fault(store.commit([entry]));
  await sent;
  // the client is gone, what it sent is not: the server has not even read it
  proxy.cut(false);
  proxy.holdRequests = false;
  expect(await committing).toBe('unknown');
  await expect.poll(() => fault(store.lookup([entry.op])), PATIENCE).toBe('no fault');
  expect(await store.lookup([entry.op])).toEqual([null]);
  proxy.release();
}
