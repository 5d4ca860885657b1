/**
 * Load of the redeem benchmark, open loop: every reservation has its moment, and its latency runs from there to the answer on
 * the phone. As soon as phone and till show it, the till confirms by its code, and that latency runs until the till has its
 * answer and the phone has its event.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { OpenedDurable } from '../../protocol/index.ts';
import { inParallel } from '../swarm/crowd.ts';
import { Histogram, type HistogramData } from '../swarm/histogram.ts';
import { Phone, type PhoneIdentity } from '../swarm/phone.ts';
import type { Job } from '../swarm/worker.ts';

export interface LoadedShop {
  readonly offerId: string;
  readonly tills: readonly PhoneIdentity[];
}

export interface RedeemArgs {
  readonly url: string;
  readonly customers: readonly PhoneIdentity[];
  readonly shops: readonly LoadedShop[];
  /** Redemptions per second of this worker. */
  readonly perS: number;
  /** So long at the same rate before the part that is measured: a server compiles what it runs often, once. */
  readonly warmS: number;
  readonly seconds: number;
}

export interface RedeemResult {
  /** From the moment at which it was due to the answer on the phone, and to the screen of the till. */
  readonly reserve: HistogramData;
  readonly shown: HistogramData;
  /** From the confirm to both screens. */
  readonly confirm: HistogramData;
  /** Of the part that is measured, as are all latencies. */
  readonly asked: number;
  readonly done: number;
  /** Of both parts: ids that a till was told are paid. */
  readonly confirmed: readonly string[];
  /** Why redemptions came to nothing, with counts. */
  readonly failures: readonly string[];
  /** Milliseconds from the first measured one that was due to the last screen. */
  readonly spanMs: number;
}

/** What is not done so long after the last one was due never will be. */
const DRAIN_MS = 30_000;
const LOOK_MS = 100;

/** One redemption on its way: what is waited for, by the screen on which it appears. */
class Flow {
  readonly shown = Promise.withResolvers<string>();
  readonly paid = Promise.withResolvers<void>();
}

export const run = async (job: Job<RedeemArgs>): Promise<RedeemResult> => {
  const { url, customers, shops, perS, warmS, seconds } = job.args;
  const [reserve, shown, confirm] = [new Histogram(), new Histogram(), new Histogram()];
  const flows = new Map<string, Flow>();
  const failures = new Map<string, number>();
  const confirmed: string[] = [];
  let paid = 0;
  let done = 0;
  let measuredFrom = 0;
  let lastAt = 0;
  const failed = (why: string): void => void failures.set(why, (failures.get(why) ?? 0) + 1);
  const flowOf = (id: string): Flow => {
    const known = flows.get(id) ?? new Flow();
    flows.set(id, known);
    return known;
  };
  const heard = (event: OpenedDurable): void => {
    if (event.name === 'redemption.changed' && event.body.state === 'confirmed')
      flowOf(event.body.redemptionId).paid.resolve();
    if (event.name === 'till.redemption' && event.body.state === 'reserved')
      flowOf(event.body.redemptionId).shown.resolve(event.body.code);
  };
  const onClose = (code: number, reason: string): void => {
    if (!ending) failed(`a connection was closed: ${code} ${reason}`);
  };
  let ending = false;
  const phones = customers.map(identity => new Phone({ url, identity, onEvent: heard, onClose }));
  const counters = shops.map(({ tills, offerId }) => ({
    offerId,
    tills: tills.map(identity => new Phone({ url, identity, onEvent: heard, onClose })),
  }));
  const tills = counters.flatMap(one => one.tills);
  const connected = await inParallel([...phones, ...tills], async phone => void (await phone.connect()));
  if (connected.failed > 0) throw connected.first;
  await inParallel(tills, async (till, i) => {
    const opened = await till.command('till.open', { till: `till ${i}` });
    if (!opened.ok) throw new Error(`a till was not opened: ${opened.message}`);
  });

  const redeem = async (n: number, dueAt: number): Promise<void> => {
    const phone = phones[n % phones.length]!;
    const counter = counters[n % counters.length]!;
    const till = counter.tills[Math.floor(n / counters.length) % counter.tills.length]!;
    const body = { offerId: counter.offerId, quantity: 1 };
    const reserved = await phone.command('redeem.reserve', body, crypto.randomUUID());
    if (!reserved.ok) return failed(`redeem.reserve: ${reserved.code} ${reserved.message}`);
    const isMeasured = dueAt >= measuredFrom;
    if (isMeasured) reserve.record(performance.now() - dueAt);
    const flow = flowOf(reserved.value.redemptionId);
    const code = await flow.shown.promise;
    if (isMeasured) shown.record(performance.now() - dueAt);
    const atMs = performance.now();
    const sold = till.command(
      'till.confirm',
      { redemptionId: null, code, quantity: null },
      crypto.randomUUID(),
    );
    const answer = await sold;
    if (!answer.ok) return failed(`till.confirm: ${answer.code} ${answer.message}`);
    confirmed.push(answer.value.redemptionId);
    await flow.paid.promise;
    lastAt = performance.now();
    paid++;
    if (isMeasured) {
      confirm.record(lastAt - atMs);
      done++;
    }
    flows.delete(reserved.value.redemptionId);
  };

  await job.barrier('connected');
  const firstAt = performance.now() + 500;
  measuredFrom = firstAt + warmS * 1_000;
  const asked = Math.round(perS * seconds);
  const all = asked + Math.round(perS * warmS);
  const under: Promise<void>[] = [];
  job.watch.begin();
  for (let n = 0; n < all; n++) {
    const dueAt = firstAt + (n * 1_000) / perS;
    const waitMs = dueAt - performance.now();
    if (waitMs > 1) await pause(waitMs);
    under.push(redeem(n, dueAt));
  }
  await Promise.race([Promise.all(under), pause(DRAIN_MS)]);
  // every screen is told in the end; what is only late is not lost
  for (let waited = 0; waited < DRAIN_MS && confirmed.length > paid; waited += LOOK_MS) await pause(LOOK_MS);
  await job.barrier('done');
  ending = true;
  for (const phone of [...phones, ...tills]) phone.drop();
  return {
    reserve: reserve.data(),
    shown: shown.data(),
    confirm: confirm.data(),
    asked,
    done,
    confirmed,
    failures: [...failures].map(([why, count]) => `${count} x ${why}`),
    spanMs: lastAt - measuredFrom,
  };
};
