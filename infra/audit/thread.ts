/** One piece of work of the auditor on a thread of its own, which ends with it: hashes and comparisons take their time. */
import { Worker } from 'node:worker_threads';
import type { AuditOptions } from './audit.ts';
import type { Report } from './report.ts';
import type { AuditedStores } from './stores.ts';

export type ThreadOrder =
  | {
      readonly type: 'audit';
      readonly options: Omit<AuditOptions, 'say' | 'stores'>;
      readonly stores: Omit<AuditedStores, 'databaseUrl'>;
      /** Of the role that owns the tables: it makes that of the auditor. */
      readonly ownerUrl: string;
      /** Of a role that may only read; empty: the one that the owner makes. */
      readonly auditUrl: string;
    }
  /** As the role that serves. */
  | { readonly type: 'seal'; readonly url: string };

export type ThreadAnswer =
  | { readonly type: 'audited'; readonly report: Report; readonly ms: number }
  | { readonly type: 'sealed'; readonly days: readonly string[] }
  | { readonly type: 'failed'; readonly why: string };

/** Never rejects: what goes wrong is an answer. */
export const onThread = (order: ThreadOrder): { answer: Promise<ThreadAnswer>; stop(): void } => {
  const worker = new Worker(new URL('./threadMain.ts', import.meta.url), { workerData: order });
  const answer = new Promise<ThreadAnswer>(resolve => {
    worker.on('message', resolve);
    worker.once('error', error => resolve({ type: 'failed', why: String(error) }));
    worker.once('exit', () => resolve({ type: 'failed', why: 'the thread ended' }));
  });
  return { answer, stop: () => void worker.terminate() };
};
