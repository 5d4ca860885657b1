/**
 * `npm run demo`: a minute of town life. A seeded crowd of officers and civilians signs up by REST, walks through a park,
 * shares positions, greets, scans codes, stands together, and earns. The terminal shows a small map; in the end it says
 * what happened and checks that phones, balances and ledger tell the same story. Exit 1 when they do not.
 *
 * It uses the town that runs on this machine, or starts one for itself and stops it afterwards.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { readConfig } from '../infra/config/index.ts';
import { CrowdLife } from './demo/crowdLife.ts';
import { drawMap, Screen } from './demo/map.ts';
import { Path, Stroller } from './demo/people.ts';
import { checkSums } from './demo/sums.ts';
import { inParallel } from './swarm/crowd.ts';
import { auditLedger } from './swarm/ledgerAudit.ts';
import { startLoadTown } from './swarm/loadTown.ts';
import { anySeed, Random } from './swarm/random.ts';
import { badgesOf, type Person, RestClient } from './swarm/rest.ts';

const HELP = `npm run demo [-- --people N --seconds N --seed N]

  --people N   people in the park, 4 to 60 (30)
  --seconds N  how long they stay (60); a match without a tap takes a minute of standing together
  --seed N     who does what (random)`;

interface DemoOptions {
  readonly people: number;
  readonly seconds: number;
  readonly seed: number;
}

/** A town to be in: the one that runs, or one of our own. */
interface DemoTown {
  readonly rest: string;
  readonly realtime: string;
  readonly dataDir: string;
  /** For the audit of the ledger; null when it cannot be reached from here. */
  readonly databaseUrl: string | null;
  readonly mine: boolean;
  stop(): Promise<void>;
}

class DemoProblem extends Error {}

const OFFICER_SHARE = 0.2;
const PEOPLE_MAX = 60;
/** A dwell that began with the first positions may need this much longer than the minute. */
const GRACE_MS = 12_000;
const LINE_MS = 5_000;
const FRAME_MS = 500;
const EVENTS_MS_MAX = 5_000;

const parseDemo = (args: readonly string[]): DemoOptions | null => {
  const text = { type: 'string' } as const;
  const whole = (
    given: string | undefined,
    name: string,
    fallback: number,
    min: number,
    max: number,
  ): number => {
    const value = given === undefined ? fallback : Number(given);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new DemoProblem(`--${name} takes a whole number from ${min} to ${max}, not "${given}".`);
  };
  try {
    const options = {
      help: { type: 'boolean', short: 'h' },
      people: text,
      seconds: text,
      seed: text,
    } as const;
    const { values } = parseArgs({ args: [...args], options });
    if (values.help) return null;
    return {
      people: whole(values.people, 'people', 30, 4, PEOPLE_MAX),
      seconds: whole(values.seconds, 'seconds', 60, 5, 600),
      seed: whole(values.seed, 'seed', anySeed(), 0, 4_294_967_295),
    };
  } catch (error) {
    if (error instanceof DemoProblem) throw error;
    throw new DemoProblem(`${(error as Error).message.split('. ')[0]}. Try --help.`);
  }
};

/** How to reach the embedded PostgreSQL of a running town, from what stands in its folder; null when it does not. */
const runningDatabase = (dataDir: string): string | null => {
  try {
    const { postgres } = JSON.parse(readFileSync(join(dataDir, 'ports.json'), 'utf8')) as {
      postgres: number;
    };
    const file = join(dataDir, 'postgres', 'heyblue-secrets.json');
    const { password } = JSON.parse(readFileSync(file, 'utf8')) as { password: string };
    return `postgres://heyblue:${encodeURIComponent(password)}@127.0.0.1:${postgres}/heyblue`;
  } catch {
    return null;
  }
};

const findTown = async (): Promise<DemoTown> => {
  const read = readConfig(process.env);
  if (!read.ok) throw new DemoProblem(read.sentence);
  const { adminPort, restPort, realtimePort, dataDir, databaseUrl } = read.config;
  const ready = await fetch(`http://127.0.0.1:${adminPort}/readyz`, {
    signal: AbortSignal.timeout(2_000),
  }).then(
    response => response.ok,
    () => false,
  );
  if (ready) {
    return {
      rest: `http://127.0.0.1:${restPort}`,
      realtime: `ws://127.0.0.1:${realtimePort}/v1/ws`,
      dataDir: resolve(dataDir),
      databaseUrl: databaseUrl || runningDatabase(resolve(dataDir)),
      mine: false,
      stop: async () => {},
    };
  }
  console.log('No town runs here, so this demo starts its own.');
  const town = await startLoadTown({ log: line => console.log(`  ${line}`) });
  return {
    rest: town.node.urls.rest,
    realtime: town.node.urls.realtime,
    dataDir: town.dataDir,
    databaseUrl: town.town.databaseUrl,
    mine: true,
    stop: () => town.stop(),
  };
};

/** Signs up officers with badges nobody has used, and civilians. */
const signUpPeople = async (town: DemoTown, options: DemoOptions, random: Random): Promise<Person[]> => {
  const rest = new RestClient(town.rest);
  const run = randomBytes(3).toString('hex');
  const officers = Math.max(2, Math.round(options.people * OFFICER_SHARE));
  const badges = random.shuffled(badgesOf(town.dataDir));
  const people: Person[] = [];
  const signUpOfficer = async (handle: string): Promise<Person> => {
    // A demo that ran before has used some of the badges.
    for (let badge = badges.pop(); badge !== undefined; badge = badges.pop()) {
      try {
        return await rest.signUp('officer', handle, badge);
      } catch (error) {
        if (!/: (409|403|422) /.test((error as Error).message)) throw error;
      }
    }
    throw new DemoProblem(`Every badge in ${town.dataDir}/roster.txt is used: raise HEYBLUE_ROSTER_SIZE.`);
  };
  const wanted = Array.from({ length: options.people }, (_, i) => i);
  const done = await inParallel(
    wanted,
    async i => {
      const person =
        i < officers
          ? await signUpOfficer(`officer-${run}-${i}`)
          : await rest.signUp('civilian', `walker-${run}-${i}`);
      people.push(person);
    },
    4,
  );
  if (done.first instanceof DemoProblem) throw done.first;
  if (done.failed > 0) throw new Error(`${done.failed} people could not sign up: ${done.first}`);
  return people.sort((a, b) => a.handle.localeCompare(b.handle, 'en', { numeric: true }));
};

const run = async (options: DemoOptions, town: DemoTown): Promise<number> => {
  const random = new Random(options.seed);
  console.log(`Seed ${options.seed}. Signing up ${options.people} people at ${town.rest} ...`);
  const persons = await signUpPeople(town, options, random);

  const officers = persons.filter(person => person.kind === 'officer');
  const civilians = persons.filter(person => person.kind === 'civilian');
  // A third of the civilians walk beside an officer from the start: they are matched without a tap.
  const couples = new Map<Person, Person>();
  const pairs = Math.min(officers.length, Math.max(1, Math.round(civilians.length / 3)));
  for (let i = 0; i < pairs; i++) couples.set(civilians[i]!, officers[i]!);
  const inCouple = new Set<Person>([...couples.keys(), ...couples.values()]);

  const strollers = new Map<Person, Stroller>();
  const closed: string[] = [];
  let ending = false;
  let latest = '';
  let life: CrowdLife | null = null;
  const seenBefore = new Set<string>();
  for (const person of persons) {
    const partner = couples.get(person);
    const path = partner === undefined ? new Path(random.fork(person.handle)) : strollers.get(partner)!.path;
    strollers.set(
      person,
      new Stroller(town.realtime, person, path, partner === undefined ? 0 : 2, {
        hey: (me, hey) => life?.heard(me, hey),
        meeting: (me, meeting) => {
          if (seenBefore.has(meeting.encounterId)) return;
          seenBefore.add(meeting.encounterId);
          latest = `${me.handle} and ${meeting.otherHandle} met (${meeting.method}): +${meeting.points}. ${meeting.message}`;
        },
        closed: (me, reason) => {
          if (!ending) closed.push(`${me.handle}: ${reason}`);
        },
      }),
    );
  }
  const people = [...strollers.values()];
  const coupleStrollers = new Set(
    [...inCouple].filter(p => p.kind === 'civilian').map(p => strollers.get(p)!),
  );
  life = new CrowdLife(people, coupleStrollers, random.fork('life'));
  const arrived = await inParallel(people, one => one.arrive(inCouple.has(one.person)), 16);
  if (arrived.failed > 0) throw new Error(`${arrived.failed} phones could not connect: ${arrived.first}`);
  for (const one of people) one.report();

  const screen = process.stdout.isTTY ? new Screen() : null;
  const began = performance.now();
  let drawnAt = Number.NEGATIVE_INFINITY;
  const draw = (): void => {
    const now = performance.now();
    if (now - drawnAt < (screen ? FRAME_MS : LINE_MS)) return;
    drawnAt = now;
    const c = life!.counters;
    const seconds = String(Math.round((now - began) / 1000)).padStart(3);
    const counts = `${seconds} s  meetings ${seenBefore.size}  heys ${c.heysSaid}  codes ${c.codesScanned}  positions ${c.positions}`;
    if (screen) screen.draw([...drawMap(people, now), counts, latest]);
    else console.log(latest === '' ? counts : `${counts}  | ${latest}`);
  };
  const instantMeetings = (): number => {
    const ids = people.flatMap(one => [...one.meetings.values()]).filter(one => one.method === 'proximity');
    return new Set(ids.map(one => one.encounterId)).size;
  };
  await life.live(began + options.seconds * 1000, draw);
  // Couples whose minute ends a moment after ours.
  const graceUntil = performance.now() + GRACE_MS;
  while (options.seconds >= 60 && instantMeetings() < pairs && performance.now() < graceUntil) {
    await life.live(performance.now() + 1_000, draw);
  }
  // Both sides of the last meetings.
  const settled = (): boolean =>
    [...seenBefore].every(id => people.filter(one => one.meetings.has(id)).length === 2);
  for (const until = performance.now() + EVENTS_MS_MAX; !settled() && performance.now() < until; )
    await pause(50);

  const rest = new RestClient(town.rest);
  const balances = new Map<string, number>();
  await inParallel(people, async one => {
    balances.set(one.handle, (await rest.balance(one.person.token)).balance);
  });
  ending = true;
  for (const one of people) one.phone.close();

  const sums = checkSums(people, balances);
  const problems = [...sums.problems];
  if (closed.length > 0) problems.push(`${closed.length} connections were lost: ${closed[0]}`);
  if (sums.encounters === 0) problems.push('nobody met anybody');
  const audited = town.databaseUrl !== null;
  if (town.databaseUrl !== null) problems.push(...(await auditLedger(town.databaseUrl)));

  const c = life.counters;
  const how = (method: string): number => sums.byMethod.get(method) ?? 0;
  console.log(`
${officers.length} officers and ${civilians.length} civilians sent ${c.positions} positions.
Heys: ${c.heysSaid} said, ${c.heysAccepted} accepted, ${c.heysDeclined} declined, ${c.heysRefused} refused. Codes: ${c.codesScanned} scanned, ${c.codesRefused} refused.
Meetings: ${sums.encounters} (${how('hey')} by hey, ${how('qr')} by code, ${how('proximity')} without a tap), ${sums.points} points for ${people.filter(one => one.meetings.size > 0).length} people.`);
  if (problems.length === 0) {
    console.log(
      `The sums are right: each meeting is on both phones, each balance is the sum of its meetings${audited ? ', and the ledger adds up' : ' (the ledger itself is out of reach from here)'}.`,
    );
    return 0;
  }
  console.log('The sums are wrong:');
  for (const problem of problems) console.log(`  - ${problem}`);
  return 1;
};

const main = async (args: readonly string[]): Promise<number> => {
  const options = parseDemo(args);
  if (options === null) {
    console.log(HELP);
    return 0;
  }
  const town = await findTown();
  try {
    return await run(options, town);
  } finally {
    await town.stop();
  }
};

main(process.argv.slice(2)).then(
  code => process.exit(code),
  (error: unknown) => {
    const sentence =
      error instanceof DemoProblem || (error instanceof Error && error.name === 'StartFailure');
    console.error(sentence ? (error as Error).message : error);
    process.exit(sentence ? 2 : 1);
  },
);
