/**
 * Load of the flash sale: everybody asks at the same moment for one of the few. A phone that loses its connection comes back
 * at another node and asks again under the same key, until it has an answer that is final.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { ERROR } from '../../protocol/index.ts';
import { inParallel } from '../swarm/crowd.ts';
import { Phone, type PhoneIdentity } from '../swarm/phone.ts';
import type { Job } from '../swarm/worker.ts';

export interface FlashArgs {
  readonly urls: readonly string[];
  readonly customers: readonly PhoneIdentity[];
  readonly offerId: string;
}

export interface FlashResult {
  /** Who got one, and its id. */
  readonly got: readonly { readonly userId: string; readonly redemptionId: string }[];
  /** Answered that nothing is left. */
  readonly soldOut: number;
  /** Final answers of another kind, with counts; must be empty. */
  readonly others: readonly string[];
  readonly reconnects: number;
  /** Until the last phone had its answer. */
  readonly tookMs: number;
}

const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2_000;
const PATIENCE_MS = 60_000;
/** The parent kills a node when so many of its phones were answered. */
const ANSWERED_SHARE = 0.2;

export const run = async (job: Job<FlashArgs>): Promise<FlashResult> => {
  const { urls, customers, offerId } = job.args;
  const { random } = job;
  const got: { userId: string; redemptionId: string }[] = [];
  const others = new Map<string, number>();
  let soldOut = 0;
  let reconnects = 0;
  let answered = 0;
  const phones = customers.map((identity, i) => {
    let next = i;
    return new Phone({ url: () => urls[next++ % urls.length]!, identity });
  });
  const opened = await inParallel(phones, async phone => void (await phone.connect()));
  if (opened.failed > 0) throw opened.first;

  const backOff = (attempt: number): Promise<void> => {
    const most = Math.min(RETRY_MS_MIN * 2 ** attempt, RETRY_MS_MAX);
    return pause(most / 2 + (random.unit() * most) / 2);
  };
  const connected = async (phone: Phone): Promise<boolean> => {
    if (phone.isConnected) return true;
    reconnects++;
    return phone.connect(true).then(
      () => true,
      () => false,
    );
  };
  const buy = async (phone: Phone, until: number): Promise<void> => {
    const key = crypto.randomUUID();
    let last = 'no connection';
    for (let attempt = 0; performance.now() < until; attempt++) {
      if (attempt > 0) await backOff(attempt);
      if (!(await connected(phone))) continue;
      const answer = await phone.command('redeem.reserve', { offerId, quantity: 1 }, key);
      if (!answer.ok) last = `${answer.code} ${answer.message}`;
      if (!answer.ok && answer.retryable) continue;
      answered++;
      if (answered === Math.ceil(phones.length * ANSWERED_SHARE)) job.progress('in the middle');
      if (answer.ok) got.push({ userId: phone.userId, redemptionId: answer.value.redemptionId });
      else if (answer.code === ERROR.conflict && answer.message.startsWith('sold out')) soldOut++;
      else {
        others.set(last, (others.get(last) ?? 0) + 1);
      }
      return;
    }
    const why = `no answer; the last was ${last}`;
    others.set(why, (others.get(why) ?? 0) + 1);
  };

  await job.barrier('connected');
  job.watch.begin();
  const began = performance.now();
  await Promise.all(phones.map(phone => buy(phone, began + PATIENCE_MS)));
  const tookMs = performance.now() - began;
  for (const phone of phones) phone.drop();
  return { got, soldOut, others: [...others].map(([why, n]) => `${n} x ${why}`), reconnects, tookMs };
};
