/**
 * Load of the slow benchmark: phones that take events and volatile frames, some of which stop reading for a while. They
 * count what came late, twice or not at all, and go on where they were once they are let go.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { inParallel } from '../swarm/crowd.ts';
import { Histogram, type HistogramData } from '../swarm/histogram.ts';
import { Phone, type PhoneIdentity } from '../swarm/phone.ts';
import type { Load } from '../swarm/saturation.ts';
import type { Job } from '../swarm/worker.ts';
import { msSince } from './peers/stamp.ts';

export interface SlowArgs {
  readonly url: string;
  readonly people: readonly PhoneIdentity[];
  /** So many of them, from the first, stop reading. */
  readonly slow: number;
}

export interface Heard {
  readonly latency: HistogramData;
  readonly load: Load;
}

export interface SlowResult {
  /** Close codes of the phones that had stopped reading, and of the others. */
  readonly slowCodes: Readonly<Record<string, number>>;
  readonly otherCodes: Readonly<Record<string, number>>;
  readonly resumed: number;
  /** Told to start from a snapshot instead. */
  readonly reset: number;
  readonly lost: number;
  readonly doubled: number;
}

const RETRY_MS = 200;
const LATE_MS = 20_000;
const LOOK_MS = 20;

export const run = async (job: Job<SlowArgs>): Promise<SlowResult> => {
  const { url, people, slow } = job.args;
  let latency = new Histogram();
  let lost = 0;
  let doubled = 0;
  let resumed = 0;
  let reset = 0;
  let ending = false;
  const slowCodes: Record<string, number> = {};
  const otherCodes: Record<string, number> = {};
  const offsets = new Float64Array(people.length);
  const comeBack = async (phone: Phone): Promise<void> => {
    for (;;) {
      try {
        const welcome = await phone.connect(true);
        if (welcome.resumed) resumed++;
        else reset++;
        return;
      } catch {
        await pause(RETRY_MS);
      }
    }
  };
  const returns: Promise<void>[] = [];
  const phones: Phone[] = people.map(
    (identity, i) =>
      new Phone({
        url,
        identity,
        onEvent: (event, { offset }) => {
          if (event.name !== 'points.changed') return;
          if (offset <= offsets[i]!) doubled++;
          else lost += offset - offsets[i]! - 1;
          offsets[i] = Math.max(offsets[i]!, offset);
          if (i >= slow || slow === people.length) latency.record(Math.max(0, msSince(event.body.balance)));
        },
        onClose: code => {
          if (ending) return;
          const codes = i < slow ? slowCodes : otherCodes;
          codes[code] = (codes[code] ?? 0) + 1;
          returns.push(comeBack(phones[i]!));
        },
      }),
  );
  const opened = await inParallel(phones, async phone => {
    await phone.connect();
  });
  if (opened.failed > 0) throw new Error(`${opened.failed} phones did not come up: ${opened.first}`);
  await job.barrier('connected');

  const begin = (): void => {
    latency = new Histogram();
    job.watch.begin();
  };
  const heard = (): Heard => ({ latency: latency.data(), load: job.watch.end() });
  await job.barrier('warm');
  begin();
  await job.barrier('all read');
  const before = heard();
  await job.barrier('some do not', before);
  for (const phone of phones.slice(0, slow)) phone.pause();
  begin();
  await job.barrier('let go');
  const during = heard();
  await job.barrier('read again', during);
  for (const phone of phones.slice(0, slow)) phone.resume();
  job.watch.begin();
  const told = await job.barrier<readonly number[]>('told');
  const until = performance.now() + LATE_MS;
  const missing = (): number => told.reduce((sum, n, i) => sum + Math.max(0, n - offsets[i]!), 0);
  while (missing() > 0 && performance.now() < until) await pause(LOOK_MS);
  ending = true;
  for (const phone of phones) phone.drop();
  return { slowCodes, otherCodes, resumed, reset, lost: lost + missing(), doubled };
};
