/** The thread of the auditor; see `thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { ensureAuditor } from '../postgres/auditorRole.ts';
import { stepBack } from '../stepBack.ts';
import { audit } from './audit.ts';
import { sealDays } from './sealer.ts';
import type { ThreadAnswer, ThreadOrder } from './thread.ts';

const say = (): void => {};

async function work(order: ThreadOrder): Promise<ThreadAnswer> {
  if (order.type === 'seal') return { type: 'sealed', days: await sealDays({ url: order.url, say }) };
  const began = performance.now();
  const { ownerUrl, auditUrl } = order;
  // without the owner's URL, `npm run migrate` gave the auditor its rights
  const databaseUrl = ownerUrl === '' ? auditUrl : await ensureAuditor(ownerUrl, auditUrl);
  const report = await audit({ ...order.options, stores: { ...order.stores, databaseUrl }, say });
  return { type: 'audited', report, ms: performance.now() - began };
}

stepBack();
const answer = await work(workerData as ThreadOrder).catch(
  (error): ThreadAnswer => ({ type: 'failed', why: error?.message || error?.code || String(error) }),
);
parentPort!.postMessage(answer);
