/**
 * Everybody on a square, walking: the people of the benches of the matcher. Fixes are made a handful at a time, outside
 * the measured time, as a batch from another node would bring them: just decoded, still warm. One report every 10 s.
 */
import { boxOf, cellOf, cellOfRegion } from '../../actors/geo/grid.ts';
import { Matcher, type Moved } from '../../actors/geo/matcher.ts';
import { type Route, routeFix } from '../../actors/geo/publish.ts';
import type { ProximityRules } from '../../actors/geo/rules.ts';
import type { FixMessage } from '../../actors/messages/region.ts';
import { type Seeded, seeded } from '../tracks/seeded.ts';

export interface Ground {
  readonly people: number;
  readonly edgeM: number;
  readonly officerShare: number;
  /** In the middle of a region instead of around the corners of some. */
  readonly inOneRegion?: boolean;
}

/** Officers among users: 0.7 M of 10.7 M (DOMAIN, size). */
export const OFFICER_SHARE = 0.065;
/** Manhattan. */
export const CENTRE = { lat: 40.73, lng: -73.99 };
const METRES_PER_DEGREE = 111_195;
const LNG_SCALE = Math.cos((CENTRE.lat * Math.PI) / 180);
const PERIOD_MS = 10_000;
const WALK_MPS = 1.4;
/** 2026-01-01, so that times are as large as they are. */
const START_MS = 1_767_225_600_000;
const BATCH = 1_024;

const middle = (a: number, b: number): number => (a + b) / 2;

interface Person {
  readonly id: string;
  readonly handle: string;
  readonly role: 'officer' | 'civilian';
  seq: number;
  route: Route | null;
}

interface Sent {
  readonly matcher: Matcher;
  /** The region that an officer leaves with this fix. */
  readonly from: Matcher | null;
  /** Null for a civilian who leaves. */
  readonly fix: FixMessage | null;
  readonly id: string;
  readonly atMs: number;
}

export interface Pace {
  /** Positions of people, each with all its copies. */
  readonly updates: number;
  /** Fixes into regions. */
  readonly moves: number;
  readonly cpuNs: number;
  readonly meetings: number;
  readonly nears: number;
}

/** CPU time of this thread: what others on the machine do does not count, nor what collects the fixes that were made. */
const cpuNs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) * 1_000;
};

export class MatchCrowd {
  readonly people: readonly Person[];
  readonly matchers = new Map<string, Matcher>();
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly #ground: Ground;
  readonly #rules: ProximityRules;
  readonly #chance: Seeded;
  readonly #order: Int32Array;
  readonly #origin: { readonly lat: number; readonly lng: number };
  #step = 0;
  /** Hears of every fix, outside the measured time. */
  tap: (fix: FixMessage) => void = () => {};

  constructor(ground: Ground, rules: ProximityRules, seed: number) {
    this.#ground = ground;
    this.#rules = rules;
    const box = boxOf(cellOf(CENTRE.lat, CENTRE.lng));
    this.#origin = ground.inOneRegion
      ? { lat: middle(box.south, box.north), lng: middle(box.west, box.east) }
      : CENTRE;
    this.#chance = seeded(seed);
    const chance = this.#chance;
    const { people: count, edgeM, officerShare } = ground;
    this.x = Float64Array.from({ length: count }, () => chance.between(0, edgeM));
    this.y = Float64Array.from({ length: count }, () => chance.between(0, edgeM));
    this.people = Array.from({ length: count }, (_, i): Person => {
      const role = chance.next() < officerShare ? 'officer' : 'civilian';
      return { id: idOf(chance), handle: `p${i}`, role, seq: 0, route: null };
    });
    this.#order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = chance.int(i + 1);
      [this.#order[i], this.#order[j]] = [this.#order[j]!, this.#order[i]!];
    }
  }

  get slots(): number {
    let slots = 0;
    for (const matcher of this.matchers.values()) slots += matcher.slotCount;
    return slots;
  }

  /** The next so many positions; what matching them took. */
  walk(updates: number): Pace {
    const pace = { updates: 0, moves: 0, cpuNs: 0, meetings: 0, nears: 0 };
    let batch: Sent[] = [];
    while (pace.updates < updates) {
      batch = this.#batch(Math.min(BATCH, updates - pace.updates));
      pace.updates += Math.min(BATCH, updates - pace.updates);
      const beganNs = cpuNs();
      for (let i = 0; i < batch.length; i++) {
        const { matcher, from, fix, id, atMs } = batch[i]!;
        if (fix === null) {
          matcher.leave(id, atMs);
          continue;
        }
        const moved: Moved =
          from === null ? matcher.move(fix, atMs) : matcher.adopt(fix, from.departOfficer(id, atMs), atMs);
        pace.meetings += moved.meetings.length;
        pace.nears += moved.nears.length;
      }
      pace.cpuNs += cpuNs() - beganNs;
      pace.moves += batch.length;
    }
    return pace;
  }

  /** Everybody's place, degrees times 1e7. */
  placeOf(i: number): { latE7: number; lngE7: number } {
    const { lat, lng } = this.#origin;
    return {
      latE7: Math.round((lat + this.y[i]! / METRES_PER_DEGREE) * 1e7),
      lngE7: Math.round((lng + this.x[i]! / METRES_PER_DEGREE / LNG_SCALE) * 1e7),
    };
  }

  matcherOf(region: string): Matcher {
    let matcher = this.matchers.get(region);
    if (!matcher) {
      matcher = new Matcher(cellOfRegion(region)!, this.#rules);
      this.matchers.set(region, matcher);
    }
    return matcher;
  }

  #batch(count: number): Sent[] {
    const sent: Sent[] = [];
    for (let n = 0; n < count; n++) this.#next(sent);
    return sent;
  }

  #next(sent: Sent[]): void {
    const { people, edgeM } = this.#ground;
    const chance = this.#chance;
    const i = this.#order[this.#step % people]!;
    const round = Math.floor(this.#step / people);
    const takenAtMs = START_MS + round * PERIOD_MS + Math.floor(((this.#step % people) * PERIOD_MS) / people);
    this.#step++;
    const person = this.people[i]!;
    const heading = chance.between(0, 2 * Math.PI);
    const speedMps = round === 0 ? 0 : chance.between(0, WALK_MPS);
    const eastMps = speedMps * Math.sin(heading);
    const northMps = speedMps * Math.cos(heading);
    this.x[i] = Math.min(edgeM, Math.max(0, this.x[i]! + (eastMps * PERIOD_MS) / 1_000));
    this.y[i] = Math.min(edgeM, Math.max(0, this.y[i]! + (northMps * PERIOD_MS) / 1_000));
    const fix: FixMessage = {
      type: 'fix',
      userId: person.id,
      role: person.role,
      handle: person.handle,
      instant: true,
      seq: ++person.seq,
      ...this.placeOf(i),
      accuracyDm: 80,
      takenAtMs,
      speedMps: round === 0 ? -1 : speedMps,
      eastMps,
      northMps,
    };
    this.tap(fix);
    const before = person.route;
    const route = routeFix(before, person.role, fix.latE7, fix.lngE7, this.#rules.reachM);
    person.route = route;
    const id = person.id;
    const moved = before !== null && before !== route;
    if (moved && person.role === 'civilian') {
      for (const region of before.regions) {
        if (route.regions.some(other => other.id === region.id)) continue;
        sent.push({ matcher: this.matcherOf(region.id), from: null, fix: null, id, atMs: takenAtMs });
      }
    }
    const from = moved && person.role === 'officer' ? this.matcherOf(before.owner.id) : null;
    for (const region of route.regions)
      sent.push({ matcher: this.matcherOf(region.id), from, fix, id, atMs: takenAtMs });
  }
}

/** As long as a real one (UUID). */
const idOf = (chance: Seeded): string => {
  const hex = (length: number): string =>
    chance
      .int(16 ** length)
      .toString(16)
      .padStart(length, '0');
  return `${hex(8)}-${hex(4)}-7${hex(3)}-a${hex(3)}-${hex(6)}${hex(6)}`;
};
