/**
 * Load of the location benchmark: each phone keeps one position under way and sends the next when `report.next` answers
 * it, so the server is given all it takes and nothing is coalesced away: every answer is one position handled.
 */
import { performance } from 'node:perf_hooks';
import { inParallel, type Point, Walker } from '../swarm/crowd.ts';
import { Histogram, type HistogramData } from '../swarm/histogram.ts';
import { Phone, type PhoneIdentity } from '../swarm/phone.ts';
import type { Job } from '../swarm/worker.ts';

export interface LocationArgs {
  readonly url: string;
  readonly people: readonly PhoneIdentity[];
  readonly centre: Point;
  readonly sideM: number;
}

export interface LocationResult {
  readonly latency: HistogramData;
  readonly refused: number;
  readonly closed: number;
}

/** A position without an answer for so long was coalesced or lost: the phone goes on with the next. */
const STALLED_MS = 2_000;

export const run = async (job: Job<LocationArgs>): Promise<LocationResult> => {
  const { url, people, centre, sideM } = job.args;
  const latency = new Histogram();
  let answered = 0;
  let refused = 0;
  let closed = 0;
  let running = false;

  const walkers = people.map(() => new Walker(centre, sideM, job.random, Date.now()));
  const sentAt = new Float64Array(people.length);
  const send = (i: number): void => {
    sentAt[i] = performance.now();
    phones[i]!.position(walkers[i]!.at(Date.now()));
  };
  const phones: Phone[] = people.map(
    (identity, i) =>
      new Phone({
        url,
        identity,
        onVolatile: (frame, raw) => {
          if (frame.name !== 'report.next' || raw.version !== phones[i]!.seq) return;
          answered++;
          latency.record(performance.now() - sentAt[i]!);
          if (running) send(i);
        },
        onRefusal: () => {
          refused++;
        },
        onClose: () => {
          closed++;
        },
      }),
  );
  const opened = await inParallel(phones, async phone => {
    await phone.connect();
    const shared = await phone.command('location.share', {}, crypto.randomUUID());
    if (!shared.ok) throw new Error(`location.share: ${shared.code} ${shared.message}`);
  });
  if (opened.failed > 0) throw new Error(`${opened.failed} phones did not come up: ${opened.first}`);

  await job.barrier('connected');
  running = true;
  for (let i = 0; i < phones.length; i++) send(i);
  const sweeper = setInterval(() => {
    const before = performance.now() - STALLED_MS;
    for (let i = 0; i < phones.length; i++) if (sentAt[i]! < before) send(i);
  }, STALLED_MS / 4);
  await job.barrier('warm');
  job.watch.begin();
  await job.barrier('begun', answered);
  await job.barrier('ended', answered);
  running = false;
  clearInterval(sweeper);
  const result = { latency: latency.data(), refused, closed };
  for (const phone of phones) phone.drop();
  return result;
};
