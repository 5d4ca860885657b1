/**
 * One crowd in a town whose cells are divided and merged meanwhile, beside brute force: what differs. Drawn small and often
 * by the tests, by the thousand by `k8s/divided.ts`.
 */
import fc from 'fast-check';
import { boxOf, cellOf, regionId } from '../../actors/geo/grid.ts';
import { type ProximityRules, proximityRules } from '../../actors/geo/rules.ts';
import { happeningKey } from './compare.ts';
import { type CrowdShape, crowd, destination } from './crowd.ts';
import { DividedTown } from './dividedTown.ts';
import { bruteForce, type OracleEvent, type OracleHappening } from './oracle.ts';
import { type Seeded, seeded } from './seeded.ts';

const box = boxOf(cellOf(40.73, -73.99));
const MIDDLE = { lat: (box.south + box.north) / 2, lng: (box.west + box.east) / 2 };
/** Where quads of all levels meet, inside a cell and at its corner; and on the antimeridian. */
const HOMES = [MIDDLE, { lat: box.north, lng: box.east }, { lat: -16.5, lng: 180 }];
/** The first without caps: who remembers a meeting less has another one more. */
const RULES: readonly ProximityRules[] = [
  proximityRules({ dwellMs: 20_000 }),
  proximityRules({ enterM: 10, dwellMs: 5_000, dwellFixes: 2, crowdCivilians: 3, capMatches: 2 }),
];

export interface DividedCourse {
  readonly crowd: CrowdShape;
  readonly seed: number;
  /** Of {@link RULES}. */
  readonly rules: number;
  readonly nodes: number;
  readonly lateSteps: number;
  /** A cell is divided or merged before one event in so many. */
  readonly changeEvery: number;
}

export const COURSES: fc.Arbitrary<DividedCourse> = fc.record({
  crowd: fc.record({
    centre: fc.constantFrom(...HOMES),
    spreadM: fc.constantFrom(100, 400, 900),
    groups: fc.integer({ min: 3, max: 8 }),
    groupSize: fc.integer({ min: 2, max: 5 }),
    durationMs: fc.constant(150_000),
    periodMs: fc.constantFrom(2_000, 5_000, 11_000),
    mischief: fc.constantFrom(0, 0.02),
  }),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  rules: fc.nat({ max: RULES.length - 1 }),
  nodes: fc.integer({ min: 1, max: 4 }),
  lateSteps: fc.constantFrom(1, 5, 40),
  changeEvery: fc.constantFrom(4, 15, 60),
});

export interface Verdict {
  /** Each a sentence; none is wanted. */
  readonly faults: readonly string[];
  /** What there was to do, so that nobody counts courses in which nothing happened. */
  readonly work: {
    readonly changes: number;
    readonly handedOver: number;
    readonly passedOn: number;
    readonly batches: number;
    readonly expected: number;
  };
}

/** Meetings without the moment at which the pair hears of them: that is when the region may judge. */
const keyOf = (one: OracleHappening): string => happeningKey(one.what === 'met' ? { ...one, atMs: 0 } : one);
const isMeeting = ({ what }: OracleHappening): boolean => what === 'met';
const pairOf = ({ officerId, civilianId }: OracleHappening): string => `${officerId}|${civilianId}`;

function changeSomewhere(town: DividedTown, { centre, spreadM }: CrowdShape, chance: Seeded): void {
  const reach = spreadM + 300;
  const at = destination(centre, chance.between(-reach, reach), chance.between(-reach, reach));
  town.change(at.latE7 / 1e7, at.lngE7 / 1e7);
}

/** Entries of the first that are there more often than in the second. */
function without(some: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const one of others) left.set(one, (left.get(one) ?? 0) + 1);
  return some.filter(one => {
    const count = left.get(one) ?? 0;
    left.set(one, count - 1);
    return count <= 0;
  });
}

const workOf = (
  { changes, handedOver, passedOn, batches }: DividedTown,
  expected: number,
): Verdict['work'] => ({
  changes,
  handedOver,
  passedOn,
  batches,
  expected,
});

/** Divisions, merges, nodes that learn late, regions and people that are moved: everything is as brute force has it. */
export function divided(course: DividedCourse): Verdict {
  const rules = RULES[course.rules]!;
  const events = [...crowd(course.crowd, course.seed)];
  const chance = seeded(course.seed);
  const town = new DividedTown({ rules, chance, nodes: course.nodes, lateSteps: course.lateSteps });
  for (const event of events) {
    if (chance.int(course.changeEvery) === 0) changeSomewhere(town, course.crowd, chance);
    town.play(event);
  }
  town.end();
  const expected = bruteForce(events, rules).happenings.map(keyOf);
  const found = town.happenings.map(keyOf);
  const faults = [
    ...without(expected, found).map(one => `missed: ${one}`),
    ...without(found, expected).map(one => `too much: ${one}`),
    ...(town.unanswered > 0 ? [`${town.unanswered} regions began without what was known`] : []),
    // the coarse cell, whatever is divided in it
    ...[...town.cells].filter(cell => cell !== regionId(Number(cell.slice(1)))),
  ];
  return { faults, work: workOf(town, expected.length) };
}

/**
 * The same, and half-way a node dies with all its regions, in the middle of a split. Who met before met; who is together
 * long enough after it meets, since a region that begins anew is a region; and nobody meets who would not have met,
 * had everything begun anew or had nothing.
 */
export function killed(course: DividedCourse): Verdict {
  const rules = RULES[0]!;
  const events = [...crowd(course.crowd, course.seed)];
  const half = events.length >> 1;
  const chance = seeded(course.seed);
  const town = new DividedTown({ rules, chance, nodes: course.nodes, lateSteps: course.lateSteps });
  for (const [i, event] of events.entries()) {
    if (chance.int(course.changeEvery) === 0 || i === half) changeSomewhere(town, course.crowd, chance);
    town.play(event);
    if (i === half) town.kill();
  }
  town.end();
  const pairs = (some: readonly OracleEvent[]): Set<string> =>
    new Set(bruteForce(some, rules).happenings.filter(isMeeting).map(pairOf));
  const met = new Set(town.happenings.filter(isMeeting).map(pairOf));
  const everything = pairs(events);
  const before = pairs(events.slice(0, half + 1));
  // a first fix has no speed, which is the one thing that users remember: so from several moments
  const people = course.crowd.groups * course.crowd.groupSize;
  const after = [0, 1, 2, 3].map(round => pairs(events.slice(half + 1 + round * people)));
  // users remember where they were, so the first fix that a new region hears has a speed
  const known = new Map<string, OracleEvent>();
  for (const event of events.slice(0, half + 1))
    if (event.type === 'leave') known.delete(event.id);
    else known.set(event.id, event);
  const remembered = pairs([...known.values(), ...events.slice(half + 1)]);
  const anew = [...everything].filter(pair => after.every(one => one.has(pair)));
  const faults = [
    ...[...before].filter(pair => !met.has(pair)).map(pair => `met before, and lost: ${pair}`),
    ...anew.filter(pair => !met.has(pair)).map(pair => `missed: ${pair}`),
    ...[...met]
      .filter(pair => !everything.has(pair) && !after[0]!.has(pair) && !remembered.has(pair))
      .map(pair => `never together: ${pair}`),
  ];
  return { faults, work: workOf(town, anew.length) };
}
