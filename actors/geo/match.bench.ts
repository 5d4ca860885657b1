/**
 * How many fixes one core matches in a second of its time: a city in which everybody walks, the same with the routing and the messages
 * of a user actor, and a stadium. `npm run bench -- match`, or `node actors/geo/match.bench.ts`.
 */
import { seeded } from '../../k8s/tracks/seeded.ts';
import type { FixMessage, RegionMessage } from '../messages/region.ts';
import { cellOf, cellOfRegion } from './grid.ts';
import { Matcher } from './matcher.ts';
import { type Person, publishFix, routeFix, type Track } from './publish.ts';
import { proximityRules } from './rules.ts';

export const name = 'match';
export const description = 'fixes matched per second of one core: city, city with routing, stadium';

const CENTRE = { lat: 40.73, lng: -73.99 };
const METRES_PER_DEGREE = 111_195;
const RULES = proximityRules();

interface Ground {
  readonly people: number;
  readonly edgeM: number;
  readonly officerShare: number;
  readonly moves: number;
}

interface Figures {
  readonly per_s: number;
  readonly ns: number;
  readonly met: number;
  readonly slots: number;
}

/** Everybody at random on a square, walking up to 10 m a report, one report every 10 s. */
function* walk(ground: Ground, seed: number): Generator<{ person: Person; fix: FixMessage }> {
  const chance = seeded(seed);
  const lngScale = Math.cos((CENTRE.lat * Math.PI) / 180);
  const x = Float64Array.from({ length: ground.people }, () => chance.between(0, ground.edgeM));
  const y = Float64Array.from({ length: ground.people }, () => chance.between(0, ground.edgeM));
  const people = Array.from({ length: ground.people }, (_, i): Person => {
    const role = chance.next() < ground.officerShare ? 'officer' : 'civilian';
    return { userId: `person-${i}`, role, handle: `p${i}`, instant: false };
  });
  const order = Int32Array.from({ length: ground.people }, (_, i) => i);
  for (let i = order.length - 1; i > 0; i--) {
    const j = chance.int(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  for (let move = 0; move < ground.moves; move++) {
    const i = order[move % ground.people]!;
    const reach = ground.edgeM;
    x[i] = Math.min(reach, Math.max(0, x[i]! + chance.between(-10, 10)));
    y[i] = Math.min(reach, Math.max(0, y[i]! + chance.between(-10, 10)));
    const round = Math.floor(move / ground.people);
    const fix: FixMessage = {
      type: 'fix',
      ...people[i]!,
      seq: round + 1,
      latE7: Math.round((CENTRE.lat + y[i]! / METRES_PER_DEGREE) * 1e7),
      lngE7: Math.round((CENTRE.lng + x[i]! / METRES_PER_DEGREE / lngScale) * 1e7),
      accuracyDm: 80,
      takenAtMs: round * 10_000 + (move % ground.people) * (10_000 / ground.people),
      speedMps: 1.2,
    };
    yield { person: people[i]!, fix };
  }
}

/** CPU time of this process, collector included: what others on the machine do does not count. */
const cpuNs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1_000;
};

const matchers = new Map<string, Matcher>();
const matcherOf = (id: string): Matcher => {
  let matcher = matchers.get(id);
  if (!matcher) matchers.set(id, (matcher = new Matcher(cellOfRegion(id)!, RULES)));
  return matcher;
};

/** Prepared fixes into their regions, nothing else: one move is one fix in one region. */
function matching(ground: Ground): Figures & { copies: number } {
  matchers.clear();
  const prepared: { matcher: Matcher; fix: FixMessage }[] = [];
  for (const { fix } of walk(ground, 1)) {
    for (const region of routeFix(null, fix.role, fix.latE7, fix.lngE7, RULES.reachM).regions) {
      prepared.push({ matcher: matcherOf(region.id), fix });
    }
  }
  let met = 0;
  const warm = Math.floor(prepared.length / 2);
  for (let i = 0; i < warm; i++) met += prepared[i]!.matcher.move(prepared[i]!.fix, 0).meetings.length;
  const startNs = cpuNs();
  for (let i = warm; i < prepared.length; i++)
    met += prepared[i]!.matcher.move(prepared[i]!.fix, 0).meetings.length;
  const tookNs = cpuNs() - startNs;
  return { ...figures(prepared.length - warm, tookNs, met), copies: prepared.length / ground.moves };
}

/** The whole way of a fix but for mailboxes: route, messages, matching. One move is one position of one person. */
function routed(ground: Ground): Figures {
  matchers.clear();
  const tracks = new Map<string, Track>();
  const positions = [...walk(ground, 1)];
  let met = 0;
  const turn = {
    tell: (to: { id: string }, message: object): void => {
      const said = message as RegionMessage;
      const matcher = matcherOf(to.id);
      if (said.type === 'fix') met += matcher.move(said, 0).meetings.length;
      else if (said.type === 'leave') matcher.leave(said.userId);
      else if (said.type === 'depart') {
        matcherOf(said.to).adopt(said.fix, matcher.departOfficer(said.fix.userId, said.fix.takenAtMs), 0);
      }
    },
  };
  const step = (i: number): void => {
    const { person, fix } = positions[i]!;
    const previous = tracks.get(person.userId) ?? null;
    tracks.set(person.userId, publishFix(turn, person, previous, fix, RULES.reachM));
  };
  const warm = Math.floor(positions.length / 2);
  for (let i = 0; i < warm; i++) step(i);
  const startNs = cpuNs();
  for (let i = warm; i < positions.length; i++) step(i);
  return figures(positions.length - warm, cpuNs() - startNs, met);
}

function figures(moves: number, tookNs: number, met: number): Figures {
  let slots = 0;
  for (const matcher of matchers.values()) slots += matcher.slotCount;
  return { per_s: Math.round((moves * 1e9) / tookNs), ns: Math.round(tookNs / moves), met, slots };
}

function gridNs(): number {
  const chance = seeded(3);
  const lats = Float64Array.from({ length: 4_096 }, () => chance.between(-90, 90));
  const lngs = Float64Array.from({ length: 4_096 }, () => chance.between(-180, 180));
  let sum = 0;
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 5; run++) {
    const startNs = cpuNs();
    for (let i = 0; i < 1_000_000; i++) sum += cellOf(lats[i & 4_095]!, lngs[i & 4_095]!);
    best = Math.min(best, (cpuNs() - startNs) / 1_000_000);
  }
  return sum > 0 ? Math.round(best * 10) / 10 : 0;
}

export async function run(report: (line: string) => void): Promise<object> {
  const city: Ground = { people: 100_000, edgeM: 30_000, officerShare: 0.065, moves: 600_000 };
  const stadium: Ground = { people: 50_000, edgeM: 300, officerShare: 0.01, moves: 150_000 };
  const results = {
    city: matching(city),
    city_routed: routed(city),
    stadium: matching(stadium),
  };
  const row = (label: string, one: Figures): string =>
    `${label.padEnd(34)} ${one.per_s.toLocaleString('en').padStart(12)} /s ${String(one.ns).padStart(7)} ns  ${one.slots} slots`;
  report(row('city, 100,000 people on 30 x 30 km', results.city));
  report(row('the same with routes and messages', results.city_routed));
  report(row('stadium, 50,000 on 300 x 300 m', results.stadium));
  return { cell_id_ns: gridNs(), ...results };
}

if (import.meta.main) {
  console.log(JSON.stringify(await run(line => console.log(line))));
}
