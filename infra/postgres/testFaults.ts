/** What the tests of the stores do to a commit that is under way. */
import { expect } from 'vitest';
import type { CommitEntry, CommitStore } from '../../nodes/ports.ts';
import type { TcpProxy } from './tcpProxy.ts';

export const PATIENCE = { timeout: 15_000, interval: 10 };

/** How a commit or a look-up failed, in its own word. */
export const fault = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no fault',
    error => (error as { fault?: string }).fault ?? String(error),
  );

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
