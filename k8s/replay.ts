/**
 * `npm run replay -- FILE`: plays a recorded crowd through real WebSockets into a town of its own, prints every meeting
 * as the phones hear of it, and compares who met with brute force over the same fixes. Exit 0 when they are equal, 1
 * when they differ, 2 when it could not be tried.
 *
 * The order of fixes decides who meets, so they go out one at a time, by time and then by id, each after the server has
 * answered the one before. The town's clock runs as fast as the recording, so that what the server sees of time is what
 * was recorded.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type ProximityRules, proximityRules } from '../actors/geo/rules.ts';
import { inParallel } from './swarm/crowd.ts';
import { CONNECTING_MAX } from './swarm/limits.ts';
import { type LoadTown, startLoadTown } from './swarm/loadTown.ts';
import { Phone } from './swarm/phone.ts';
import { type SeededPerson, seedPeople } from './swarm/seed.ts';
import { compare } from './tracks/compare.ts';
import { bruteForce, meetingsOf, type OracleEvent, type OracleHappening, RIM_M } from './tracks/oracle.ts';
import { DEFAULT_ORIGIN, type Origin, readTrackFile } from './tracks/read.ts';
import { recall } from './tracks/recall.ts';
import { drawOfficers, parseShare } from './tracks/roles.ts';
import type { Recording } from './tracks/track.ts';

const HELP = `npm run replay -- FILE [options]

Plays a recorded track file through real phones and compares who met with brute force.

  --enter M         metres within which two begin to be together (25)
  --exit M          metres beyond which they no longer are (enter + 25)
  --dwell S         seconds they must stay together (60)
  --officers SHARE  share of officers, 10% or 0.1 (10%)
  --seed N          who is an officer (1)
  --speed X         how many times faster than recorded (20, less for dense files)
  --origin LAT,LNG  where the metres of a pedestrian file begin (${DEFAULT_ORIGIN.lat},${DEFAULT_ORIGIN.lng})
  --server-enter M  gives the server another radius than the referee: to see the comparison fail
  --offline         no phones and no server: regions against brute force only

Formats: the CSV "track_id,lon,lat,speed,time", or rows "frame id x z y vx vz vy" of eth and hotel.`;

export interface ReplayOptions {
  readonly file: string;
  readonly enterM: number;
  readonly exitM: number;
  readonly dwellS: number;
  readonly officerShare: number;
  readonly seed: number;
  /** Null: as fast as the file allows, at most 20. */
  readonly speed: number | null;
  readonly origin: Origin;
  readonly serverEnterM: number;
  /** Only the comparison without sockets. */
  readonly offline: boolean;
}

export interface ReplayOutcome {
  readonly fixes: number;
  readonly people: number;
  readonly expected: readonly string[];
  readonly met: readonly string[];
  /** Pairs `officer|civilian` by the ids of the file. */
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  /** What happened to a pair by one of regions and brute force alone, at all radii. */
  readonly differing: number;
}

type Say = (line: string) => void;

/** Fixes a second that one connection after the other takes with time to spare on two cores. */
const FIXES_PER_S_MAX = 600;
const SPEED_MAX = 20;
const ACCURACY_DM = 50;
const RADII_M = [10, 25, 50];
/** The server refuses positions older than 60 s of its clock; later than this we give up with a better sentence. */
const LATE_MS_MAX = 50_000;
const ANSWER_MS_MAX = 10_000;
/** Meetings of the last fixes are being settled. */
const QUIET_MS = 1_500;
const SETTLE_MS_MAX = 15_000;

/** Somebody asked for what cannot be: a sentence, and exit code 2. */
class ReplayProblem extends Error {}

const numberOption = (text: string | undefined, name: string, fallback: number, min: number): number => {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < min) {
    throw new ReplayProblem(`--${name} takes a number of at least ${min}, not "${text}".`);
  }
  return value;
};

const originOption = (text: string | undefined): Origin => {
  if (text === undefined) return DEFAULT_ORIGIN;
  const [lat, lng, more] = text.split(',').map(Number);
  const right = more === undefined && Math.abs(lat ?? Number.NaN) <= 85 && Math.abs(lng ?? Number.NaN) <= 180;
  if (!right) throw new ReplayProblem(`--origin takes LAT,LNG, not "${text}".`);
  return { lat: lat!, lng: lng! };
};

/** npm runs us in the folder of the project; people mean the folder that they are in. */
const fileOf = (given: string): string => {
  const there = resolve(process.env.INIT_CWD ?? '.', given);
  return existsSync(there) ? there : given;
};

/** What the command line asks for; null for `--help`. Throws ReplayProblem. */
const parseReplay = (args: readonly string[]): ReplayOptions | null => {
  const text = { type: 'string' } as const;
  let parsed: ReturnType<typeof parse>;
  const parse = () =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        enter: text,
        exit: text,
        dwell: text,
        officers: text,
        seed: text,
        speed: text,
        origin: text,
        'server-enter': text,
        offline: { type: 'boolean' },
      },
    });
  try {
    parsed = parse();
  } catch (error) {
    throw new ReplayProblem(`${(error as Error).message.split('. ')[0]}. Try --help.`);
  }
  const { values, positionals } = parsed;
  if (values.help) return null;
  if (positionals.length !== 1) throw new ReplayProblem('One track file is needed. Try --help.');
  const enterM = numberOption(values.enter, 'enter', 25, 1);
  const officerShare = parseShare(values.officers ?? '10%');
  if (officerShare === null)
    throw new ReplayProblem(`--officers takes 10% or 0.1, not "${values.officers}".`);
  return {
    file: fileOf(positionals[0]!),
    enterM,
    exitM: numberOption(values.exit, 'exit', enterM + 25, enterM),
    dwellS: numberOption(values.dwell, 'dwell', 60, 0),
    officerShare,
    seed: numberOption(values.seed, 'seed', 1, 0),
    speed: values.speed === undefined ? null : numberOption(values.speed, 'speed', SPEED_MAX, 0.1),
    origin: originOption(values.origin),
    serverEnterM: numberOption(values['server-enter'], 'server-enter', enterM, 1),
    offline: values.offline === true,
  };
};

const rulesOf = ({ enterM, exitM, dwellS }: ReplayOptions, radiusM = enterM): ProximityRules =>
  proximityRules({ enterM: radiusM, exitMarginM: exitM - enterM, dwellMs: dwellS * 1000 });

/** Exactly the fixes that are sent. */
export const eventsOf = (recording: Recording, officers: ReadonlySet<string>): OracleEvent[] => {
  const seqs = new Map<string, number>();
  return recording.fixes.map(fix => {
    const seq = (seqs.get(fix.id) ?? 0) + 1;
    seqs.set(fix.id, seq);
    const { id, latE7, lngE7, atMs } = fix;
    const officer = officers.has(id);
    return { type: 'fix', id, officer, instant: true, seq, latE7, lngE7, accuracyDm: ACCURACY_DM, atMs };
  });
};

/** Who should meet, by brute force. */
const expectedPairs = (
  recording: Recording,
  officers: ReadonlySet<string>,
  options: ReplayOptions,
): string[] => {
  const course = bruteForce(eventsOf(recording, officers), rulesOf(options));
  return [...new Set(meetingsOf(course).map(one => `${one.officerId}|${one.civilianId}`))];
};

/**
 * The regions against brute force at several radii, everything that happens to a pair with its time, without sockets; and
 * what phones lose that report as often as they are told. Returns how many happenings only one of the two saw.
 */
const compareStreams = (
  recording: Recording,
  officers: ReadonlySet<string>,
  options: ReplayOptions,
  say: Say,
): number => {
  const events = eventsOf(recording, officers);
  let differing = 0;
  for (const radiusM of RADII_M) {
    const { course, missing, extra } = compare(events, rulesOf(options, radiusM));
    const count = (what: OracleHappening['what']): number =>
      course.happenings.filter(one => one.what === what).length;
    differing += missing.length + extra.length;
    const same = missing.length + extra.length === 0 ? 'the same' : 'NOT the same';
    say(
      `enter ${radiusM} m: ${count('entered')} enters, ${count('ended')} exits, ${count('met')} met, ${count('near')} near; ` +
        `${same} in regions as by brute force (${course.rims} of ${course.looks} looks within ${RIM_M} m of a radius)`,
    );
    for (const line of [
      ...missing.map(one => `  missing ${one}`),
      ...extra.map(one => `  only there ${one}`),
    ].slice(0, 10))
      say(line);
  }
  const { always, kept, alwaysFixes, keptFixes } = recall(events, rulesOf(options));
  const share = always === 0 ? 'nothing to lose' : `recall ${((100 * kept) / always).toFixed(1)} %`;
  say(
    `reporting as often as told: ${kept} of the ${always} pairs that meet with every position (${share}), ` +
      `with ${keptFixes} of ${alwaysFixes} positions`,
  );
  return differing;
};

/** As fast as asked, or as fast as this file can be sent fix by fix. */
const speedFor = (recording: Recording, asked: number | null): number => {
  if (asked !== null) return asked;
  const seconds = Math.max(1, recording.fixes.at(-1)!.atMs / 1000);
  return Math.max(1, Math.min(SPEED_MAX, Math.floor((FIXES_PER_S_MAX * seconds) / recording.fixes.length)));
};

/** Every track a phone that shares, with instant match on. */
class Crowd {
  readonly met = new Set<string>();
  /** Unix milliseconds of the town clock at `#perfMs`. */
  #townMs = 0;
  #perfMs = 0;
  #speed: number;
  #say: Say;
  #phones = new Map<string, Phone>();
  #trackOf = new Map<string, string>();
  #answer: { seq: number; phone: Phone; done: () => void } | null = null;
  #lastMeetingMs = 0;
  #refused: string | null = null;
  #startMs = 0;

  constructor(speed: number, say: Say) {
    this.#speed = speed;
    this.#say = say;
  }

  async open(
    url: string,
    ids: readonly string[],
    personOf: ReadonlyMap<string, SeededPerson>,
  ): Promise<void> {
    for (const id of ids) this.#trackOf.set(personOf.get(id)!.handle, id);
    const opened = await inParallel(
      ids,
      async id => {
        const person = personOf.get(id)!;
        const phone = this.#phone(url, id, person);
        this.#phones.set(id, phone);
        const welcome = await phone.connect();
        this.#townMs = welcome.nowMs;
        this.#perfMs = performance.now();
        for (const [name, body] of [
          ['location.share', {}] as const,
          ['instant.set', { on: true }] as const,
        ]) {
          const done = await phone.command(name, body as never, crypto.randomUUID());
          if (!done.ok) throw new Error(`${name}: ${done.code} ${done.message}`);
        }
      },
      CONNECTING_MAX,
    );
    if (opened.failed > 0) throw new Error(`${opened.failed} phones did not come up: ${opened.first}`);
    this.#startMs = this.now();
  }

  #phone(url: string, id: string, person: SeededPerson): Phone {
    const phone: Phone = new Phone({
      url,
      identity: person,
      onEvent: event => {
        // a recording has no receiver's noise, so some are looked at before they are paid: they have met all the same
        if (event.name !== 'encounter.completed' && event.name !== 'encounter.held') return;
        const other = this.#trackOf.get(event.body.otherHandle) ?? event.body.otherHandle;
        this.#meeting(person.kind === 'officer' ? `${id}|${other}` : `${other}|${id}`);
      },
      onVolatile: (frame, raw) => {
        if (frame.name !== 'report.next') return;
        const waiting = this.#answer;
        if (waiting === null || waiting.phone !== phone || waiting.seq !== raw.version) return;
        this.#answer = null;
        waiting.done();
      },
      onRefusal: refusal => {
        this.#refused ??= `${refusal.code} ${refusal.message}`;
        this.#answer?.done();
      },
      onClose: (code, reason) => {
        this.#refused ??= `the connection of track ${id} closed: ${code} ${reason}`;
        this.#answer?.done();
      },
    });
    return phone;
  }

  #meeting(pair: string): void {
    this.#lastMeetingMs = performance.now();
    if (this.met.has(pair)) return;
    this.met.add(pair);
    const [officer, civilian] = pair.split('|');
    const at = ((this.now() - this.#startMs) / 1000).toFixed(1).padStart(7);
    this.#say(`${at} s  officer ${officer} met civilian ${civilian}`);
  }

  /** The town clock, Unix milliseconds. */
  now(): number {
    return this.#townMs + (performance.now() - this.#perfMs) * this.#speed;
  }

  async play(recording: Recording): Promise<void> {
    const startMs = Math.ceil(this.now()) + 100;
    this.#startMs = startMs;
    for (const fix of recording.fixes) {
      const takenAtMs = startMs + fix.atMs;
      const earlyMs = (takenAtMs - this.now()) / this.#speed;
      if (earlyMs > 1) await pause(earlyMs);
      if (this.now() - takenAtMs > LATE_MS_MAX) {
        throw new ReplayProblem(
          `This machine does not keep up at --speed ${this.#speed}: try a smaller one.`,
        );
      }
      const phone = this.#phones.get(fix.id)!;
      const { latE7, lngE7 } = fix;
      await new Promise<void>((done, fail) => {
        const late = setTimeout(
          () => fail(new Error(`no answer to a position of track ${fix.id}`)),
          ANSWER_MS_MAX,
        );
        const seq = phone.seq + 1;
        this.#answer = {
          seq,
          phone,
          done: () => {
            clearTimeout(late);
            done();
          },
        };
        phone.position({ latE7, lngE7, accuracyDm: ACCURACY_DM, takenAtMs });
      });
      if (this.#refused !== null)
        throw new Error(`a position of track ${fix.id} was refused: ${this.#refused}`);
    }
  }

  /** Waits until no meeting has come for a while; longer while some are awaited. */
  async settle(expected: readonly string[]): Promise<void> {
    const began = performance.now();
    this.#lastMeetingMs = began;
    for (;;) {
      await pause(50);
      const now = performance.now();
      const missing = expected.some(pair => !this.met.has(pair));
      if (now - this.#lastMeetingMs > (missing ? 4 * QUIET_MS : QUIET_MS) || now - began > SETTLE_MS_MAX)
        return;
    }
  }

  close(): void {
    for (const phone of this.#phones.values()) phone.drop();
  }
}

/** Plays a recording through a town. Throws ReplayProblem for what the caller asked wrongly. */
export const replay = async (options: ReplayOptions, say: Say): Promise<ReplayOutcome> => {
  const read = readTrackFile(options.file, options.origin);
  if (!read.ok) throw new ReplayProblem(read.problem);
  const { recording } = read;
  const { ids, fixes } = recording;
  const officers = drawOfficers(ids, options.officerShare, options.seed);
  const speed = speedFor(recording, options.speed);
  const seconds = fixes.at(-1)!.atMs / 1000;
  say(
    `${options.file}: ${recording.format}, ${ids.length} people (${officers.size} officers, seed ${options.seed}), ` +
      `${fixes.length} positions in ${Math.round(seconds)} s, played ${speed} times faster: ${Math.ceil(seconds / speed)} s`,
  );
  const expected = expectedPairs(recording, officers, options);
  const differing = compareStreams(recording, officers, options, say);
  if (options.offline)
    return {
      fixes: fixes.length,
      people: ids.length,
      expected,
      met: expected,
      missing: [],
      extra: [],
      differing,
    };

  let town: LoadTown | null = null;
  const crowd = new Crowd(speed, say);
  try {
    town = await startLoadTown({
      env: {
        HEYBLUE_CLOCK_RATE: String(speed),
        HEYBLUE_ENTER_RADIUS_M: String(options.serverEnterM),
        HEYBLUE_EXIT_RADIUS_M: String(options.serverEnterM + (options.exitM - options.enterM)),
        HEYBLUE_DWELL_S: String(options.dwellS),
        HEYBLUE_LOCATION_RATE: '1000000',
        HEYBLUE_SHARE_MINUTES: '1440',
      },
    });
    const people = await seedPeople(town, { officers: officers.size, civilians: ids.length - officers.size });
    const free = { officer: [...people.officers], civilian: [...people.civilians] };
    const personOf = new Map(ids.map(id => [id, free[officers.has(id) ? 'officer' : 'civilian'].pop()!]));
    await crowd.open(town.node.urls.realtime, ids, personOf);
    await crowd.play(recording);
    await crowd.settle(expected);
  } finally {
    crowd.close();
    await town?.stop();
  }
  return {
    fixes: fixes.length,
    people: ids.length,
    expected,
    met: [...crowd.met],
    missing: expected.filter(pair => !crowd.met.has(pair)),
    extra: [...crowd.met].filter(pair => !expected.includes(pair)),
    differing,
  };
};

const named = (pairs: readonly string[]): string =>
  pairs
    .map(pair => pair.replace('|', ' and '))
    .slice(0, 20)
    .join(', ') + (pairs.length > 20 ? ', ...' : '');

const main = async (args: readonly string[]): Promise<number> => {
  const options = parseReplay(args);
  if (options === null) {
    console.log(HELP);
    return 0;
  }
  const outcome = await replay(options, line => console.log(line));
  const { expected, met, missing, extra, differing } = outcome;
  if (differing > 0) return 1;
  if (options.offline) return 0;
  console.log(`\n${met.length} pairs met; brute force over the same positions finds ${expected.length}.`);
  if (missing.length === 0 && extra.length === 0) {
    console.log('They are the same pairs.');
    return 0;
  }
  if (missing.length > 0) console.log(`Missing here: ${named(missing)}`);
  if (extra.length > 0) console.log(`Only here: ${named(extra)}`);
  return 1;
};

if (process.argv[1]?.endsWith('/k8s/replay.ts')) {
  main(process.argv.slice(2)).then(
    code => process.exit(code),
    (error: unknown) => {
      const sentence =
        error instanceof ReplayProblem || (error instanceof Error && error.name === 'StartFailure');
      console.error(sentence ? (error as Error).message : error);
      process.exit(2);
    },
  );
}
