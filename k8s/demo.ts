/**
 * `npm run demo`: a minute of town life. A seeded crowd of officers and civilians signs up by REST, walks through a park,
 * shares positions, greets, scans codes, stands together, and earns. The terminal shows a small map; in the end it says
 * what happened and checks that phones, balances and ledger tell the same story. Exit 1 when they do not.
 *
 * It uses the town that runs on this machine, with as many nodes as it has, or starts one for itself and stops it
 * afterwards. A node that is killed meanwhile does not change the sums.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type RestClient, restClient } from '../gateway/client/index.ts';
import { CrowdLife } from './demo/crowdLife.ts';
import { drawMap, Screen } from './demo/map.ts';
import { Path, Stroller } from './demo/people.ts';
import { signUpPeople } from './demo/signUp.ts';
import { checkSums, type Sums } from './demo/sums.ts';
import { DemoProblem, type DemoTown, findTown } from './demo/town.ts';
import { inParallel } from './swarm/crowd.ts';
import { auditLedger } from './swarm/ledgerAudit.ts';
import { anySeed, Random } from './swarm/random.ts';
import type { Person } from './swarm/rest.ts';

const HELP = `npm run demo [-- --people N --seconds N --seed N]

  --people N   people in the park, 4 to 60 (30)
  --seconds N  how long they stay (60); a match without a tap takes a minute of standing together
  --seed N     who does what (random)`;

interface DemoOptions {
  readonly people: number;
  readonly seconds: number;
  readonly seed: number;
}

const PEOPLE_MAX = 60;
/** A dwell that began with the first positions may need this much longer than the minute. */
const GRACE_MS = 12_000;
const LINE_MS = 5_000;
const FRAME_MS = 500;
/**
 * Every phone is back, both phones heard of a meeting, and the balances hold it: at once, or after a node was lost, when
 * its users are somewhere else.
 */
const SETTLE_MS_MAX = 60_000;
const AGAIN_MS = 250;

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

/** Asks at any door until there is an answer. */
const balancesOf = async (rest: RestClient, people: readonly Person[]): Promise<Map<string, number>> => {
  const balances = new Map<string, number>();
  await inParallel(people, async ({ handle, token }) => {
    for (const end = performance.now() + SETTLE_MS_MAX; ; ) {
      const answer = await rest.balance(token);
      if (answer.ok) return void balances.set(handle, answer.value.balance);
      if (!answer.retryable || performance.now() > end) return;
      await pause(Math.max(AGAIN_MS, answer.retryAfterMs));
    }
  });
  return balances;
};

const run = async (options: DemoOptions, town: DemoTown): Promise<number> => {
  const random = new Random(options.seed);
  const where =
    town.nodes.length === 1 ? `at ${town.nodes[0]!.rest}` : `at the doors of ${town.nodes.length} nodes`;
  console.log(`Seed ${options.seed}. Signing up ${options.people} people ${where} ...`);
  const persons = await signUpPeople(town, options.people, random);
  const rest = restClient(town.nodes.map(node => node.rest));
  const before = await balancesOf(rest, persons);

  const officers = persons.filter(person => person.kind === 'officer');
  const civilians = persons.filter(person => person.kind === 'civilian');
  // A third of the civilians walk beside an officer from the start: they are matched without a tap.
  const couples = new Map<Person, Person>();
  const pairs = Math.min(officers.length, Math.max(1, Math.round(civilians.length / 3)));
  for (let i = 0; i < pairs; i++) couples.set(civilians[i]!, officers[i]!);
  const inCouple = new Set<Person>([...couples.keys(), ...couples.values()]);

  const realtime = town.nodes.map(node => node.realtime);
  const strollers = new Map<Person, Stroller>();
  const closed: string[] = [];
  let ending = false;
  let latest = '';
  let life: CrowdLife | null = null;
  const seenBefore = new Set<string>();
  for (const person of persons) {
    const partner = couples.get(person);
    const path =
      partner === undefined ? new Path(random.fork(`path ${strollers.size}`)) : strollers.get(partner)!.path;
    strollers.set(
      person,
      new Stroller(realtime, person, path, partner === undefined ? 0 : 2, random.fork(person.handle), {
        hey: (me, hey) => life?.heard(me, hey),
        meeting: (me, meeting) => {
          if (seenBefore.has(meeting.encounterId)) return;
          seenBefore.add(meeting.encounterId);
          latest =
            `${me.handle} and ${meeting.otherHandle} met (${meeting.method}): +${meeting.points}. ${meeting.message}`.trimEnd();
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
    const connected = people.filter(one => one.state === 'connected').length;
    const missing = connected < people.length ? `  phones ${connected} of ${people.length}` : '';
    const counts = `${seconds} s  meetings ${seenBefore.size}  heys ${c.heysSaid}  codes ${c.codesScanned}  positions ${c.positions}${missing}`;
    if (screen) screen.draw([...drawMap(people, now), counts, latest]);
    else console.log(latest === '' ? counts : `${counts}  | ${latest}`);
  };
  const instantMeetings = (): number => {
    const ids = people.flatMap(one => [...one.meetings.values()]).filter(one => one.method === 'proximity');
    return new Set(ids.map(one => one.encounterId)).size;
  };
  await life.live(began + options.seconds * 1000, draw);
  // Couples whose minute ends a moment after ours.
  const matched = (): boolean => options.seconds < 60 || instantMeetings() >= pairs;
  await life.windDown(performance.now() + GRACE_MS, matched, draw);
  const taken = async (): Promise<{ away: number; sums: Sums }> => {
    const after = await balancesOf(rest, persons);
    const earned = new Map([...after].map(([handle, balance]) => [handle, balance - before.get(handle)!]));
    const away = people.filter(one => one.state !== 'connected').length;
    return { away, sums: checkSums(people, earned) };
  };
  // What has not settled yet adds up a moment later; what is wrong never does.
  let { away, sums } = await taken();
  for (const end = performance.now() + SETTLE_MS_MAX; performance.now() < end; ) {
    if (closed.length > 0 || (away === 0 && sums.problems.length === 0)) break;
    await pause(AGAIN_MS);
    ({ away, sums } = await taken());
  }
  ending = true;
  const losses = people.reduce((sum, one) => sum + one.losses, 0);
  for (const one of people) one.leave();

  const problems = [...sums.problems];
  if (closed.length > 0) problems.push(`${closed.length} phones were sent away: ${closed[0]}`);
  else if (away > 0) problems.push(`${away} phones have not come back`);
  if (sums.encounters === 0) problems.push('nobody met anybody');
  const audited = town.databaseUrl !== null;
  if (town.databaseUrl !== null) problems.push(...(await auditLedger(town.databaseUrl, town.cooldownH)));

  const c = life.counters;
  const how = (method: string): number => sums.byMethod.get(method) ?? 0;
  console.log(`
${officers.length} officers and ${civilians.length} civilians sent ${c.positions} positions.
Heys: ${c.heysSaid} said, ${c.heysAccepted} accepted, ${c.heysDeclined} declined, ${c.heysRefused} refused. Codes: ${c.codesScanned} scanned, ${c.codesRefused} refused.
Meetings: ${sums.encounters} (${how('hey')} by hey, ${how('qr')} by code, ${how('proximity')} without a tap), ${sums.points} points for ${people.filter(one => one.meetings.size > 0).length} people.`);
  const held = new Set(people.flatMap(one => [...one.held])).size;
  if (held > 0) console.log(`${held} meetings are held: an operator releases or rejects them.`);
  if (losses > 0) console.log(`Connections were lost ${losses} times, and came back.`);
  if (problems.length === 0) {
    console.log(
      `The sums are right: each meeting is on both phones, each balance rose by the sum of its meetings${audited ? ', and the ledger adds up' : ' (the ledger itself is out of reach from here)'}.`,
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
    const gone = error instanceof TypeError && error.message === 'fetch failed';
    console.error(
      sentence ? (error as Error).message : gone ? 'The town is gone: is npm start still running?' : error,
    );
    process.exit(sentence ? 2 : 1);
  },
);
