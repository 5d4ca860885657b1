/**
 * Load of a soak: people whose phones use the real client. They meet by code, ask their own actors, walk about and say
 * where they are; some lose their network, visitors leave and come back. Open loop: whatever is due has its moment.
 * Each `LOOK_S` it tells what became of all that ended since.
 */
import { performance } from 'node:perf_hooks';
import type { Op } from '../../nodes/simulation/history.ts';
import { ClientLoad } from '../swarm/clientLoad.ts';
import { ClientPhone } from '../swarm/clientPhone.ts';
import { clock } from '../swarm/clock.ts';
import { inParallel, offset, type Point, Walker } from '../swarm/crowd.ts';
import type { MeetOp } from '../swarm/meetings.ts';
import type { SeededPerson } from '../swarm/seed.ts';
import { tokenMaker } from '../swarm/tokens.ts';
import type { Job } from '../swarm/worker.ts';
import { BEAT_SOUTH_M, Shown, shownRightly } from './beat.ts';
import { loadedS } from './profiles.ts';
import { LOOK_S, type OpsSample } from './recording.ts';
import { Tail } from './tail.ts';

export interface SoakArgs {
  readonly urls: readonly string[];
  readonly officers: readonly SeededPerson[];
  readonly civilians: readonly SeededPerson[];
  readonly visitors: readonly SeededPerson[];
  /** Officers who share where they are, and of all of them, other workers' too, those who do to the end (beat.ts). */
  readonly beat: readonly SeededPerson[];
  readonly sharing: readonly string[];
  readonly positionsPerS: number;
  readonly meetingsPerS: number;
  readonly asksPerS: number;
  /** Phones of this worker that lose their connection or leave, each second. */
  readonly churnPerS: number;
  readonly days: number;
  readonly seconds: number;
  readonly centre: Point;
  readonly sideM: number;
  readonly localAddress: string;
  /** Where the keys are, and how long a token lives. */
  readonly dataDir: string;
  readonly tokenTtlS: number;
}

/** Of one worker, since its last word; the parent adds when. */
export type Told = Omit<OpsSample, 'kind' | 'tS' | 'worker'>;

export interface SoakResult {
  readonly history: MeetOp[];
  readonly ops: Op[];
  readonly told: [userId: string, encounterIds: string[]][];
  readonly problems: string[];
  readonly lost: number;
  readonly doubled: number;
  readonly resumed: number;
  readonly notResumed: number;
  readonly codes: Record<string, number>;
  /** Why commands did not succeed, with counts. */
  readonly reasons: Record<string, number>;
}

/** What an app gives a command before it tells its user: the default of the client. */
const DEADLINE_MS = 5_000;
const SERVED_MS_MAX = 30_000;
const TICK_MS = 50;
/** A visitor is away for so long: some leave memory meanwhile (90 s), some do not. */
const AWAY_S: readonly [number, number] = [2, 150];
/** A phone whose position was refused shares again, not more often than this. */
const SHARE_MS = 5_000;
/** Officers on the beat walk about in so many metres, and say where so often. */
const BEAT_SIDE_M = 200;
const BEAT_MS = 5_000;

/** Says where somebody walks, and shares that again when the server does not know it any more. */
class Walking {
  readonly phone: ClientPhone;
  readonly #walker: Walker;
  #sharedAt = Number.NEGATIVE_INFINITY;
  #isOver = false;

  constructor(phone: ClientPhone, walker: Walker) {
    this.phone = phone;
    this.#walker = walker;
    phone.client.on('resync', () => this.share());
    phone.client.on('problem', () => this.share());
  }

  share(): void {
    if (this.#isOver || performance.now() < this.#sharedAt + SHARE_MS || !this.phone.isServed) return;
    this.#sharedAt = performance.now();
    void this.phone.client.command('location.share', {}, { idem: crypto.randomUUID() });
  }

  report(): void {
    const { latE7, lngE7, accuracyDm } = this.#walker.at(Date.now());
    if (this.#isOver || !this.phone.isServed) return;
    this.phone.client.location({ lat: latE7 / 1e7, lng: lngE7 / 1e7, accuracyM: accuracyDm / 10 });
  }

  /** Shares no more; why not, when that did not work. */
  async stop(): Promise<string | null> {
    this.#isOver = true;
    const options = { idem: crypto.randomUUID(), timeoutMs: SERVED_MS_MAX };
    const said = await this.phone.client.command('location.stop', {}, options);
    return said.ok ? null : `${this.phone.person.userId} cannot stop sharing: ${said.code} ${said.message}`;
  }
}

export const run = async (job: Job<SoakArgs>): Promise<SoakResult> => {
  const { args, random } = job;
  const { centre, sideM, localAddress, urls } = args;
  const mint = tokenMaker(args.dataDir, args.tokenTtlS);
  const token = ({ userId, kind, handle, deviceId }: SeededPerson): Promise<string> =>
    mint({ userId, kind, handle, deviceId });
  const load = new ClientLoad({
    urls,
    officers: args.officers,
    civilians: args.civilians,
    perS: args.meetingsPerS,
    probesPerS: args.asksPerS,
    deadlineMs: DEADLINE_MS,
    random: random.fork('load'),
    localAddress,
    loadedS: elapsedS => loadedS(args, elapsedS),
    token,
  });
  const officers = new Set(args.officers.map(person => person.userId));
  const phoneOf = (person: SeededPerson): ClientPhone =>
    new ClientPhone({
      urls,
      person,
      localAddress,
      random: random.fork(person.userId),
      token: () => token(person),
    });
  const visitors = args.visitors.map(phoneOf);
  const beat = args.beat.map(phoneOf);
  const phones = [...load.phones, ...visitors, ...beat];
  const tail = new Tail(load);
  for (const phone of load.phones) {
    if (!officers.has(phone.person.userId)) continue;
    phone.client.on('encounter.completed', ({ encounterId }) => tail.heard(encounterId, clock()));
  }
  const civilians = [...load.phones.filter(phone => !officers.has(phone.person.userId)), ...visitors];
  const shown = civilians.map(phone => new Shown(phone));
  const walking = civilians.map(phone => new Walking(phone, new Walker(centre, sideM, random, Date.now())));
  const south = offset(centre, -BEAT_SOUTH_M, 0);
  const patrols = beat.map(phone => new Walking(phone, new Walker(south, BEAT_SIDE_M, random, Date.now())));
  const opened = await inParallel([...visitors, ...beat], phone => phone.open());
  if (opened.failed > 0) throw new Error(`${opened.failed} phones did not come up: ${opened.first}`);
  await load.connect();
  for (const one of [...walking, ...patrols]) one.share();
  const patrolling = setInterval(() => {
    for (const one of patrols) one.report();
  }, BEAT_MS);
  await job.barrier('connected');

  job.watch.begin();
  load.start();
  const startedAt = performance.now();
  const away = new Map<ClientPhone, number>();
  let positions = 0;
  let churned = 0;
  let positionsDue = 0;
  let churnDue = 0;
  const churnOne = (): void => {
    churned++;
    if (random.below(2) === 0) return random.pick(load.phones).lose();
    const phone = random.pick(visitors);
    if (away.has(phone)) return phone.lose();
    away.set(phone, performance.now() + random.between(...AWAY_S) * 1_000);
    phone.leave();
  };
  let isEnding = false;
  const ticking = setInterval(() => {
    const dueS = loadedS(args, (performance.now() - startedAt) / 1_000);
    for (; positionsDue < dueS * args.positionsPerS; positionsDue++) {
      walking[positionsDue % walking.length]!.report();
      positions++;
    }
    for (; churnDue < dueS * args.churnPerS; churnDue++) if (!isEnding) churnOne();
    for (const [phone, backAt] of away) {
      if (backAt > performance.now() && !isEnding) continue;
      away.delete(phone);
      phone.comeBack();
    }
  }, TICK_MS);
  const look = (): void => {
    const connected = phones.filter(phone => phone.isServed).length;
    const nowMs = clock();
    const gaps = phones
      .flatMap(phone => phone.gaps.splice(0))
      .map(({ endedAtMs, tookMs }) => [(nowMs - endedAtMs) / 1_000, tookMs / 1_000] as const);
    const there = phones.length - away.size;
    const told: Told = { ...tail.look(), connected, phones: there, positions, churned, gaps };
    positions = 0;
    churned = 0;
    job.progress(told);
  };
  const looking = setInterval(look, LOOK_S * 1_000);

  await job.barrier('loaded');
  isEnding = true;
  await load.settle();
  clearInterval(looking);
  look();
  // people still walk about: who is shown what is asked of those who are there
  const sharing = new Set(args.sharing);
  const stopped = patrols.filter(({ phone }) => !sharing.has(phone.person.userId));
  const notStopped = await Promise.all(stopped.map(one => one.stop()));
  const presence = [
    ...notStopped.filter(words => words !== null),
    ...(await shownRightly(sharing.size === 0 ? [] : shown, sharing)),
  ];
  // the others' people may still be looking
  await job.barrier('shown');
  clearInterval(ticking);
  clearInterval(patrolling);
  // Everybody reads once more what happened to them.
  const answers = await Promise.all(load.phones.map(phone => load.ask(phone, SERVED_MS_MAX)));
  await job.barrier('settled');
  load.end();
  for (const phone of [...visitors, ...beat]) phone.end();
  const codes: Record<string, number> = {};
  for (const phone of phones)
    for (const [code, n] of Object.entries(phone.codes)) codes[code] = (codes[code] ?? 0) + n;
  const arrivals = phones.flatMap(phone => phone.arrivals.slice(1));
  const sum = (of: (phone: ClientPhone) => number): number =>
    phones.reduce((total, phone) => total + of(phone), 0);
  return {
    history: load.history,
    ops: load.ops,
    told: load.phones.map(phone => [phone.person.userId, [...phone.told]]),
    problems: [
      ...phones.flatMap(phone => phone.problems),
      ...presence,
      ...answers.flatMap(({ outcome, userId, why }) =>
        outcome === 'ok' ? [] : [`not served in the end: ${userId}: ${why}`],
      ),
    ],
    lost: sum(phone => phone.lost),
    doubled: sum(phone => phone.doubled),
    resumed: arrivals.filter(one => one.resumed).length,
    notResumed: arrivals.filter(one => !one.resumed).length,
    codes,
    reasons: tail.reasons,
  };
};
