/**
 * Load of the nation benchmark: everybody on a socket of his own, who reports where he is at a steady rate, while fresh
 * pairs meet by hey and by code, both open loop. A meeting has its moment: the officer accepts then, or the code is
 * scanned, and its latency runs from there to the event on both phones, however late the generator or the server was.
 *
 * Officers stand at posts all over a city; the civilians who will meet one walk about his block, so that the positions of
 * both agree. A civilian meets once.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { FIX_FLAG, FRAME, type OpenedDurable } from '../../protocol/index.ts';
import { encodeVolatile } from '../../protocol/messages.ts';
import { inParallel, offset, type Point, Walker } from '../swarm/crowd.ts';
import { Histogram, type HistogramData } from '../swarm/histogram.ts';
import { Phone } from '../swarm/phone.ts';
import type { SeededPerson } from '../swarm/seed.ts';
import type { Job } from '../swarm/worker.ts';
import type { Seen } from './meeting.ts';

export interface NationArgs {
  readonly url: string;
  readonly officers: readonly SeededPerson[];
  readonly civilians: readonly SeededPerson[];
  readonly centre: Point;
  /** Side of the square of the city, metres. */
  readonly sideM: number;
  /** Of this worker. */
  readonly positionsPerS: number;
  readonly encountersPerS: number;
  readonly localAddress: string;
  /** Phones want no answer to a position that changes nothing. */
  readonly quiet: boolean;
}

/** What a worker has counted so far. */
export interface NationCounts {
  readonly sent: number;
  /** Positions that the server has taken, as an answer to them or to a later one proves. */
  readonly taken: number;
}

export interface NationResult {
  /** From the moment to the event on both phones, of meetings whose moment was in the measured time. */
  readonly latency: HistogramData;
  readonly heys: HistogramData;
  readonly scans: HistogramData;
  readonly seen: Seen[];
  /** Measured meetings that were on both phones within the measured time. */
  readonly settled: number;
  readonly refused: number;
  readonly closed: number;
  /** Nobody was left who had not met. */
  readonly exhausted: boolean;
}

/** A civilian of the block is never further from the officer than half of its diagonal; a hey reaches 100 m. */
const BLOCK_M = 100;
const POST_M = 2;
const TICK_MS = 10;
/** How long before its moment a hey is said, and a code shown. */
const AHEAD_MS = 1_500;
const SHOWN_MS = 300;
/**
 * A phone that wants no answer while nothing changes asks for one all the same with one position in so many, so that what
 * the server has taken is proved and not supposed.
 */
const ANSWERED = 4;
/** What is not on both phones so long after the last moment never will be. */
const DRAIN_MS = 10_000;
const LOOK_MS = 50;

type Way = 'hey' | 'officer scans' | 'civilian scans';
/** As many heys as codes, and both kinds of codes. */
const WAYS: readonly Way[] = ['hey', 'officer scans', 'hey', 'civilian scans'];

interface Pair {
  readonly way: Way;
  readonly officer: number;
  readonly civilian: number;
  readonly dueAt: number;
  readonly seen: Seen;
  heyId: string | null;
  settledAt: number;
}

/** The first bytes of every answer to a position. */
const ANSWER = encodeVolatile('report.next', '', 0, { periodS: 1 }).slice(0, 4);
const isAnswer = (bytes: Uint8Array): boolean =>
  bytes[0] === ANSWER[0] && bytes[1] === ANSWER[1] && bytes[2] === ANSWER[2] && bytes[3] === ANSWER[3];

export const run = async (job: Job<NationArgs>): Promise<NationResult> => {
  const { url, officers, civilians, centre, sideM, positionsPerS, encountersPerS, localAddress, quiet } =
    job.args;
  const { random } = job;
  const people = [...officers, ...civilians];
  const pairOf = new Map<string, Pair>();
  const latency = new Histogram();
  const heys = new Histogram();
  const scans = new Histogram();
  let [sent, taken, refused, closed] = [0, 0, 0, 0];
  let measuredFrom = Number.POSITIVE_INFINITY;
  let measuredTo = Number.POSITIVE_INFINITY;
  let ending = false;

  const posts = officers.map(() =>
    offset(centre, random.between(-sideM / 2, sideM / 2), random.between(-sideM / 2, sideM / 2)),
  );
  const walkers = people.map((_, i) => {
    const isOfficer = i < officers.length;
    const post = posts[isOfficer ? i : (i - officers.length) % officers.length]!;
    return new Walker(post, isOfficer ? POST_M : BLOCK_M, random, Date.now());
  });

  const completed = (at: 'atOfficer' | 'atCivilian', civilian: string, encounterId: string): void => {
    const pair = pairOf.get(civilian);
    if (pair === undefined) throw new Error(`an encounter of ${civilian}, who has met nobody`);
    const { seen } = pair;
    if (seen[at].includes(encounterId)) return;
    seen[at].push(encounterId);
    if (pair.settledAt > 0 || seen.atOfficer.length === 0 || seen.atCivilian.length === 0) return;
    pair.settledAt = performance.now();
    if (pair.dueAt < measuredFrom || pair.dueAt >= measuredTo) return;
    const tookMs = pair.settledAt - pair.dueAt;
    latency.record(tookMs);
    (pair.way === 'hey' ? heys : scans).record(tookMs);
  };
  const heard = (person: SeededPerson, event: OpenedDurable): void => {
    if (event.name === 'encounter.completed') {
      const { encounterId, otherHandle } = event.body;
      if (person.kind === 'officer') completed('atOfficer', otherHandle, encounterId);
      else completed('atCivilian', person.handle, encounterId);
    } else if (event.name === 'hey.received') {
      const pair = pairOf.get(event.body.civilianHandle);
      if (pair) pair.heyId = event.body.heyId;
    }
  };

  /** Positions of each phone that no answer has proved yet: a quiet phone hears of one in {@link ANSWERED}. */
  const unproved = new Uint32Array(people.length);
  const answered = (i: number): void => {
    taken += unproved[i]!;
    unproved[i] = 0;
  };
  const phones = people.map(
    (identity, i) =>
      new Phone({
        url,
        identity,
        localAddress,
        onBytes: bytes => {
          if (bytes[1] !== FRAME.volatile) return false;
          if (isAnswer(bytes)) answered(i);
          return true;
        },
        onVolatile: frame => {
          if (frame.name === 'report.next') answered(i);
        },
        onEvent: event => heard(identity, event),
        onRefusal: () => {
          refused++;
        },
        onClose: () => {
          if (!ending) closed++;
        },
      }),
  );
  const opened = await inParallel(phones, async phone => {
    await phone.connect();
    const shared = await phone.command('location.share', {}, crypto.randomUUID());
    if (!shared.ok) throw new Error(`location.share: ${shared.code} ${shared.message}`);
  });
  if (opened.failed > 0) throw new Error(`${opened.failed} phones did not come up: ${opened.first}`);

  const until = (pair: Pair): Promise<void> => pause(Math.max(0, pair.dueAt - performance.now()));
  /** Says hey ahead of time, and accepts at the moment. */
  const greet = async (pair: Pair): Promise<string | null> => {
    const officer = phones[pair.officer]!;
    const said = await phones[pair.civilian]!.command(
      'hey.say',
      { officerId: pair.seen.officerId },
      crypto.randomUUID(),
    );
    if (!said.ok) return `hey.say ${said.code} ${said.message}`;
    await until(pair);
    if (pair.heyId === null) return 'the hey was not on the phone of the officer in time';
    const accepted = await officer.command('hey.accept', { heyId: pair.heyId }, crypto.randomUUID());
    if (!accepted.ok) return `hey.accept ${accepted.code} ${accepted.message}`;
    pair.seen.acknowledged.push(accepted.value.encounterId);
    return null;
  };
  const scan = async (pair: Pair): Promise<string | null> => {
    const [officer, civilian] = [phones[pair.officer]!, phones[pair.civilian]!];
    const [presenter, scanner] = pair.way === 'officer scans' ? [civilian, officer] : [officer, civilian];
    await pause(Math.max(0, pair.dueAt - SHOWN_MS - performance.now()));
    const shown = await presenter.command('qr.show', {});
    if (!shown.ok) return `qr.show ${shown.code} ${shown.message}`;
    await until(pair);
    const scanned = await scanner.command('qr.scan', { token: shown.value.token }, crypto.randomUUID());
    if (!scanned.ok) return `qr.scan ${scanned.code} ${scanned.message}`;
    pair.seen.acknowledged.push(scanned.value.encounterId);
    return null;
  };

  const pairs: Pair[] = [];
  const under = new Set<Promise<void>>();
  const meet = (n: number, dueAt: number): void => {
    // Civilian n belongs to the block of officer n, counted round and round: whoever meets next to each other in time is
    // somebody else, and so is the officer.
    const officer = n % officers.length;
    const civilian = officers.length + n;
    const pair: Pair = {
      way: WAYS[n % WAYS.length]!,
      officer,
      civilian,
      dueAt,
      heyId: null,
      settledAt: 0,
      seen: {
        officerId: people[officer]!.userId,
        civilianId: people[civilian]!.userId,
        acknowledged: [],
        atOfficer: [],
        atCivilian: [],
        failure: null,
      },
    };
    pairs.push(pair);
    pairOf.set(people[civilian]!.handle, pair);
    const meeting = (pair.way === 'hey' ? greet(pair) : scan(pair)).then(failure => {
      pair.seen.failure = failure;
    });
    under.add(meeting);
    void meeting.finally(() => under.delete(meeting));
  };

  const counts = (): NationCounts => ({ sent, taken });
  await job.barrier('connected');
  // What phones cost that say nothing.
  await job.barrier('quiet');
  await job.barrier('is quiet', counts());
  const order = random.shuffled(people.map((_, i) => i));
  const reportingFrom = performance.now();
  let meetingFrom = Number.POSITIVE_INFINITY;
  const ticker = setInterval(() => {
    const now = performance.now();
    const wall = Date.now();
    for (const due = ((now - reportingFrom) * positionsPerS) / 1_000; sent < due; sent++) {
      const i = order[sent % order.length]!;
      const asks = (Math.floor(sent / order.length) + i) % ANSWERED === 0;
      phones[i]!.position(walkers[i]!.at(wall), quiet && !asks ? FIX_FLAG.quiet : 0);
      unproved[i]!++;
    }
    const begun = ((now + AHEAD_MS - meetingFrom) * encountersPerS) / 1_000;
    while (pairs.length < begun && pairs.length < civilians.length && !ending) {
      const n = pairs.length;
      meet(n, meetingFrom + (n * 1_000) / encountersPerS);
    }
  }, TICK_MS);
  await job.barrier('reporting', counts());
  await job.barrier('alone', counts());
  await job.barrier('were alone', counts());
  meetingFrom = performance.now() + AHEAD_MS;
  await job.barrier('meeting');
  measuredFrom = performance.now();
  job.watch.begin();
  await job.barrier('begun', counts());
  measuredTo = performance.now();
  await job.barrier('ended', counts());
  const load = job.watch.end();
  const exhausted = pairs.length >= civilians.length;
  ending = true;
  const drainedBy = performance.now() + AHEAD_MS + DRAIN_MS;
  const isOpen = (pair: Pair): boolean => pair.settledAt === 0 && pair.seen.failure === null;
  while (performance.now() < drainedBy && (under.size > 0 || pairs.some(isOpen))) await pause(LOOK_MS);
  clearInterval(ticker);
  for (const pair of pairs) if (pair.settledAt === 0) pair.seen.failure ??= 'no event';
  await job.barrier('done', load);
  for (const phone of phones) phone.drop();
  const inTime = pairs.filter(
    ({ dueAt, settledAt }) => dueAt >= measuredFrom && settledAt > 0 && settledAt < measuredTo,
  );
  return {
    latency: latency.data(),
    heys: heys.data(),
    scans: scans.data(),
    seen: pairs.map(pair => pair.seen),
    settled: inTime.length,
    refused,
    closed,
    exhausted,
  };
};
