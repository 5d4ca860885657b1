/**
 * Load of the encounter benchmark, open loop: every accept has its moment, and its latency runs from that moment to the
 * event on both phones, however late the generator or the server was. A pair's hey is said ahead of its accept. Phones
 * that lose their connection come back, share again, and repeat what was not answered under the same idempotency key.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { ERROR, type OpenedDurable } from '../../protocol/index.ts';
import { inParallel, offset, type Point, positionAt } from '../swarm/crowd.ts';
import { Histogram, type HistogramData } from '../swarm/histogram.ts';
import { Phone, type Welcome } from '../swarm/phone.ts';
import type { Random } from '../swarm/random.ts';
import type { SeededPerson } from '../swarm/seed.ts';
import type { Job } from '../swarm/worker.ts';
import { planMeetings, type Seen } from './meeting.ts';

/** A place where some officers and some civilians stand together. */
export interface MeetingCell {
  readonly centre: Point;
  readonly officers: readonly SeededPerson[];
  readonly civilians: readonly SeededPerson[];
}

export interface EncounterArgs {
  readonly url: string;
  readonly cells: readonly MeetingCell[];
  /** Accepts per second of this worker. */
  readonly perS: number;
  readonly seconds: number;
}

export interface EncounterResult {
  readonly latency: HistogramData;
  readonly seen: Seen[];
  readonly reconnects: number;
  /** Milliseconds from the first scheduled accept to the last event. */
  readonly spanMs: number;
}

/** How long before its accept a hey is said; less than it lives (60 s). */
const HEY_AHEAD_MS = 2_000;
/** What is not settled so long after the last accept never will be. */
const DRAIN_MS = 60_000;
/** A position is sent at least this often, whatever the server asks for: a hey needs one of the last 60 s. */
const POSITION_MS = 20_000;
/** Pause before a retry: doubled each time up to the maximum, and somewhere below it (full jitter). */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 4_000;
const LOOK_MS = 100;
const HEY_TRIES = 8;

const backOff = (random: Random, attempt: number): Promise<void> => {
  const most = Math.min(RETRY_MS_MIN * 2 ** attempt, RETRY_MS_MAX);
  return pause(most / 2 + (random.unit() * most) / 2);
};

/** A phone that comes back by itself. */
class Lasting {
  readonly person: SeededPerson;
  readonly phone: Phone;
  readonly #point: Point;
  readonly #job: Job;
  readonly #onWelcome: () => void;
  #ready = Promise.withResolvers<void>();
  #isReady = false;
  #ending = false;
  nextPositionAt = 0;
  /** What it is doing, for people who wonder why nothing came. */
  doing = 'connecting';

  constructor(
    job: Job,
    url: string,
    person: SeededPerson,
    point: Point,
    onEvent: (event: OpenedDurable) => void,
    onReconnect: () => void,
  ) {
    this.person = person;
    this.#point = point;
    this.#job = job;
    this.#onWelcome = onReconnect;
    this.phone = new Phone({
      url,
      identity: person,
      onEvent,
      onVolatile: frame => {
        if (frame.name !== 'report.next' || frame.body === null) return;
        this.nextPositionAt = performance.now() + Math.min(frame.body.periodS * 1000, POSITION_MS);
      },
      onClose: () => this.#closed(),
    });
  }

  #closed(): void {
    if (this.#isReady) this.#ready = Promise.withResolvers<void>();
    const wasReady = this.#isReady;
    this.#isReady = false;
    if (this.#ending || !wasReady) return;
    this.#onWelcome();
    void this.open(true);
  }

  /** Connects until it works, then shares and sends a position. */
  async open(resume: boolean): Promise<void> {
    for (let attempt = 0; !this.#ending; attempt++) {
      try {
        this.doing = 'connecting';
        const welcome: Welcome = await this.phone.connect(resume);
        this.doing = 'sharing';
        if (!welcome.resumed && !(await this.#share())) {
          this.phone.drop();
          continue;
        }
        this.#isReady = true;
        this.doing = 'ready';
        this.report();
        this.#ready.resolve();
        return;
      } catch (error) {
        this.doing = (error as Error).message;
        await backOff(this.#job.random, attempt);
      }
    }
  }

  async #share(): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      const shared = await this.phone.command('location.share', {}, crypto.randomUUID());
      if (shared.ok) return true;
      this.doing = `sharing: ${shared.code} ${shared.message}`;
      if (!this.phone.isConnected || !shared.retryable) return false;
      await backOff(this.#job.random, attempt);
    }
  }

  /** Resolves when the phone is connected and shares. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  report(): void {
    if (!this.#isReady) return;
    this.nextPositionAt = performance.now() + POSITION_MS;
    this.phone.position(positionAt(this.#point, Date.now()));
  }

  end(): void {
    this.#ending = true;
    this.phone.drop();
  }
}

interface Pair {
  readonly officer: Lasting;
  readonly civilian: Lasting;
  readonly seen: Seen;
  readonly dueAt: number;
  settled: boolean;
}

const nameOf = ({ officer, civilian }: Pair): string => `${officer.person.handle}|${civilian.person.handle}`;

const once = (list: string[], id: string): void => {
  if (!list.includes(id)) list.push(id);
};

export const run = async (job: Job<EncounterArgs>): Promise<EncounterResult> => {
  const { url, cells, perS, seconds } = job.args;
  const latency = new Histogram();
  let reconnects = 0;
  let lastEventAt = 0;
  /** By the handles of officer and civilian. */
  const pairs = new Map<string, Pair>();
  /** The newest hey of each pair that the officer's phone shows, by the handles of officer and civilian. */
  const shown = new Map<string, string>();

  const completed = (
    at: 'atOfficer' | 'atCivilian',
    me: string,
    other: string,
    id: string,
    live: boolean,
  ): void => {
    const key = at === 'atOfficer' ? `${me}|${other}` : `${other}|${me}`;
    const pair = pairs.get(key);
    if (pair === undefined) throw new Error(`an encounter of two who did not meet: ${key}`);
    once(pair.seen[at], id);
    if (pair.settled || pair.seen.atOfficer.length === 0 || pair.seen.atCivilian.length === 0) return;
    pair.settled = true;
    lastEventAt = performance.now();
    if (live) latency.record(lastEventAt - pair.dueAt);
  };
  const lasting = (person: SeededPerson, point: Point): Lasting => {
    const side = person.kind === 'officer' ? 'atOfficer' : 'atCivilian';
    return new Lasting(
      job,
      url,
      person,
      point,
      event => {
        if (event.name === 'encounter.completed') {
          completed(side, person.handle, event.body.otherHandle, event.body.encounterId, true);
        } else if (event.name === 'snapshot') {
          for (const one of event.body.encounters) {
            completed(side, person.handle, one.otherHandle, one.encounterId, false);
          }
        } else if (event.name === 'hey.received') {
          shown.set(`${person.handle}|${event.body.civilianHandle}`, event.body.heyId);
        }
      },
      () => {
        reconnects++;
      },
    );
  };

  const places = cells.map(cell => ({
    officers: cell.officers.map(p =>
      lasting(p, offset(cell.centre, job.random.between(-8, 8), job.random.between(-8, 8))),
    ),
    civilians: cell.civilians.map(p =>
      lasting(p, offset(cell.centre, job.random.between(-8, 8), job.random.between(-8, 8))),
    ),
  }));
  const everybody = places.flatMap(place => [...place.officers, ...place.civilians]);
  await inParallel(everybody, one => one.open(false));
  const reporter = setInterval(() => {
    const now = performance.now();
    for (const one of everybody) if (one.nextPositionAt <= now) one.report();
  }, 250);

  /** Says hey until it is certain; the hey, or null when it cannot be now. */
  const greet = async (pair: Pair): Promise<string | null> => {
    const key = crypto.randomUUID();
    for (let attempt = 0; attempt < HEY_TRIES; attempt++) {
      await Promise.all([pair.civilian.ready(), pair.officer.ready()]);
      const said = await pair.civilian.phone.command(
        'hey.say',
        { officerId: pair.officer.person.userId },
        key,
      );
      if (said.ok) return said.value.heyId;
      pair.seen.failure = `hey.say ${said.code} ${said.message}`;
      // An earlier one, of which only the answer was lost, waits on the officer's phone already.
      if (said.code === ERROR.conflict) return shown.get(nameOf(pair)) ?? null;
      if (!said.retryable) return null;
      await backOff(job.random, attempt);
    }
    return null;
  };

  const heyShown = async (pair: Pair, heyId: string): Promise<void> => {
    for (let waited = 0; waited < 1_000 && shown.get(nameOf(pair)) !== heyId; waited += LOOK_MS / 5) {
      await pause(LOOK_MS / 5);
    }
  };

  /** Accepts until the answer is certain. True: settled or refused for good; false: the hey is gone, greet again. */
  const accept = async (pair: Pair, heyId: string): Promise<boolean> => {
    const key = crypto.randomUUID();
    for (let attempt = 0; ; attempt++) {
      await pair.officer.ready();
      const accepted = await pair.officer.phone.command('hey.accept', { heyId }, key);
      if (accepted.ok) {
        once(pair.seen.acknowledged, accepted.value.encounterId);
        pair.seen.failure = null;
        return true;
      }
      pair.seen.failure = `hey.accept ${accepted.code} ${accepted.message}`;
      if (!accepted.retryable) return accepted.code !== ERROR.gone && accepted.code !== ERROR.notFound;
      await backOff(job.random, attempt);
    }
  };

  const meet = async (pair: Pair): Promise<void> => {
    for (let attempt = 0; attempt < HEY_TRIES; attempt++) {
      const heyId = await greet(pair);
      if (heyId !== null) {
        const waitMs = pair.dueAt - performance.now();
        if (waitMs > 0) await pause(waitMs);
        await heyShown(pair, heyId);
        if (await accept(pair, heyId)) return;
      }
      // After a restart of the server the hey is gone, or one of the two is not on the map yet.
      await backOff(job.random, attempt);
    }
  };

  await job.barrier('connected');
  const startedAt = performance.now();
  const firstAt = startedAt + HEY_AHEAD_MS + 500;
  const count = Math.round(perS * seconds);
  const under: Promise<void>[] = [];
  // The worker's accepts are dealt to its cells in turn, evenly spaced.
  for (let c = 0; c < cells.length; c++) {
    const place = places[c]!;
    const share = Math.floor(count / cells.length) + (c < count % cells.length ? 1 : 0);
    const plan = planMeetings(
      place.officers.length,
      place.civilians.length,
      share,
      (cells.length * 1000) / perS,
      (c * 1000) / perS,
      items => job.random.shuffled(items),
    );
    for (const meeting of plan) {
      const officer = place.officers[meeting.officer]!;
      const civilian = place.civilians[meeting.civilian]!;
      const pair: Pair = {
        officer,
        civilian,
        dueAt: firstAt + meeting.atMs,
        settled: false,
        seen: {
          officerId: officer.person.userId,
          civilianId: civilian.person.userId,
          acknowledged: [],
          atOfficer: [],
          atCivilian: [],
          failure: null,
        },
      };
      pairs.set(nameOf(pair), pair);
      const beginMs = pair.dueAt - HEY_AHEAD_MS - performance.now();
      under.push(pause(Math.max(0, beginMs)).then(() => meet(pair)));
    }
  }
  job.watch.begin();
  const lastDueMs = firstAt + (count * 1000) / perS - performance.now();
  await pause(Math.max(0, lastDueMs));
  await Promise.race([Promise.all(under), pause(DRAIN_MS)]);
  // Events of the last accepts, and snapshots of phones that are just coming back.
  for (let waited = 0; waited < DRAIN_MS && [...pairs.values()].some(needsEvent); waited += LOOK_MS) {
    await pause(LOOK_MS);
  }
  clearInterval(reporter);
  for (const pair of pairs.values()) {
    if (pair.settled) continue;
    pair.seen.failure ??= `no answer; officer ${pair.officer.doing}, civilian ${pair.civilian.doing}`;
  }
  await job.barrier('done');
  for (const one of everybody) one.end();
  return {
    latency: latency.data(),
    seen: [...pairs.values()].map(pair => pair.seen),
    reconnects,
    spanMs: lastEventAt - firstAt,
  };
};

const needsEvent = (pair: Pair): boolean => pair.seen.acknowledged.length > 0 && !pair.settled;
