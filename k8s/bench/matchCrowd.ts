/**
 * Everybody on a square, walking: the people of the benches of the matcher. One report every 10 s.
 *
 * Fixes come as they come to the regions of a node: positions travel in batches, one per tick of 100 to 250 ms, in any
 * order; each is put to what waits for its region (`actors/geo/fixes.ts`), and then each region takes all of its own in
 * one go. Both are measured. Fixes are made outside the measured time, a few hundred at a time, and are objects, as user
 * actors on the same node send them and as the decoder makes them. An officer who crosses a border arrives in the other
 * region after all that waited there.
 *
 * How many positions a tick brings follows from how many come in a second, so it is a number of the ground: in a town of
 * 100,000 who report every 10 s a tick of 250 ms brings 2,500, eleven to a region. A core that is to match millions in a
 * second is given as many as it can match: 100,000 in a tick are those of 400,000 to 1,000,000 a second.
 */

import { FIXES_MAX, Fixes } from '../../actors/geo/fixes.ts';
import { boxOf, cellOf, cellOfRegion } from '../../actors/geo/grid.ts';
import { type Departure, Matcher, type MatchWatch, type Moved } from '../../actors/geo/matcher.ts';
import { type Route, routeFix } from '../../actors/geo/publish.ts';
import type { ProximityRules } from '../../actors/geo/rules.ts';
import type { FixMessage } from '../../actors/messages/region.ts';
import { type Seeded, seeded } from '../tracks/seeded.ts';

export interface Ground {
  readonly people: number;
  readonly edgeM: number;
  readonly officerShare: number;
  /** Positions that a tick brings. */
  readonly tick: number;
  /** In the middle of a region instead of around the corners of some. */
  readonly inOneRegion?: boolean;
}

/** Manhattan. */
export const CENTRE = { lat: 40.73, lng: -73.99 };
const METRES_PER_DEGREE = 111_195;
const LNG_SCALE = Math.cos((CENTRE.lat * Math.PI) / 180);
const PERIOD_MS = 10_000;
const WALK_MPS = 1.4;
/** 2026-01-01, so that times are as large as they are. */
const START_MS = 1_767_225_600_000;
/** Fixes that are made before they are put to their regions: as many as a batch from another node holds. */
const BATCH = 250;

const middle = (a: number, b: number): number => (a + b) / 2;

interface Person {
  readonly id: string;
  readonly account: number;
  readonly handle: string;
  readonly role: 'officer' | 'civilian';
  seq: number;
  route: Route | null;
}

/** What else than fixes waits for a region. */
type Mail =
  | { readonly type: 'leave'; readonly id: string; readonly atMs: number }
  | { readonly type: 'depart'; readonly fix: FixMessage; readonly to: Place };

/** A region, and what waits there, in order. */
class Place {
  readonly matcher: Matcher;
  waiting: (Fixes | Mail)[] = [];
  /** The fixes behind which nothing else waits, while there is room. */
  last: Fixes | null = null;

  constructor(matcher: Matcher) {
    this.matcher = matcher;
  }
}

/** A fix or something else on its way to a region. */
interface Letter {
  readonly to: Place;
  readonly mail: FixMessage | Mail;
}

/** An officer between two regions. */
interface Arrival {
  readonly to: Place;
  readonly fix: FixMessage;
  readonly brought: Departure;
}

export interface Pace {
  /** Positions of people, each with all its copies. */
  readonly updates: number;
  /** Fixes into regions. */
  readonly moves: number;
  readonly cpuNs: number;
  readonly meetings: number;
}

/** CPU time of this thread: what others on the machine do does not count, nor what collects the fixes that were made. */
const cpuNs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) * 1_000;
};

export class MatchCrowd {
  readonly people: readonly Person[];
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly #ground: Ground;
  readonly #rules: ProximityRules;
  readonly #watch: MatchWatch | null;
  readonly #chance: Seeded;
  readonly #order: Int32Array;
  readonly #origin: { readonly lat: number; readonly lng: number };
  readonly #places = new Map<string, Place>();
  readonly #all: Place[] = [];
  readonly #spare: Fixes[] = [];
  #letters: Letter[] = [];
  #step = 0;
  /** Hears of every fix, outside the measured time. */
  tap: (fix: FixMessage) => void = () => {};

  /** `watch`: none on a node. */
  constructor(ground: Ground, rules: ProximityRules, seed: number, watch: MatchWatch | null = null) {
    this.#ground = ground;
    this.#rules = rules;
    this.#watch = watch;
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
      return { id: idOf(chance), account: 1_000_000 + i, handle: `p${i}`, role, seq: 0, route: null };
    });
    this.#order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = chance.int(i + 1);
      [this.#order[i], this.#order[j]] = [this.#order[j]!, this.#order[i]!];
    }
  }

  get slots(): number {
    let slots = 0;
    for (const matcher of this.matchers) slots += matcher.slotCount;
    return slots;
  }

  get matchers(): Matcher[] {
    return [...this.#places.values()].map(place => place.matcher);
  }

  /** The next so many positions, tick by tick; what matching them took. */
  walk(updates: number): Pace {
    const pace = { updates: 0, moves: 0, cpuNs: 0, meetings: 0 };
    while (pace.updates < updates) {
      const count = Math.min(this.#ground.tick, updates - pace.updates);
      for (let left = count; left > 0; left -= BATCH) {
        for (let n = Math.min(left, BATCH); n > 0; n--) this.#next();
        const letters = this.#letters;
        const beganNs = cpuNs();
        for (let i = 0; i < letters.length; i++) this.#put(letters[i]!);
        pace.cpuNs += cpuNs() - beganNs;
        this.#letters = [];
      }
      pace.updates += count;
      const beganNs = cpuNs();
      this.#serve(pace);
      pace.cpuNs += cpuNs() - beganNs;
    }
    return pace;
  }

  /** Share of the first so many civilians with an officer within so many metres, by looking at everybody. */
  shareNear(metres: number, sampled: number): number {
    const officers: number[] = [];
    const civilians: number[] = [];
    for (const [i, { role }] of this.people.entries()) (role === 'officer' ? officers : civilians).push(i);
    const sample = civilians.slice(0, sampled);
    const isNear = (i: number): boolean =>
      officers.some(j => Math.hypot(this.x[i]! - this.x[j]!, this.y[i]! - this.y[j]!) <= metres);
    return sample.filter(isNear).length / sample.length;
  }

  /** Everybody's place, degrees times 1e7. */
  placeOf(i: number): { latE7: number; lngE7: number } {
    const { lat, lng } = this.#origin;
    return {
      latE7: Math.round((lat + this.y[i]! / METRES_PER_DEGREE) * 1e7),
      lngE7: Math.round((lng + this.x[i]! / METRES_PER_DEGREE / LNG_SCALE) * 1e7),
    };
  }

  /** To what waits for its region. */
  #put({ to, mail }: Letter): void {
    if (mail.type !== 'fix') {
      to.waiting.push(mail);
      to.last = null;
      return;
    }
    let { last } = to;
    if (last === null || last.count === FIXES_MAX) {
      last = this.#spare.pop() ?? new Fixes();
      to.last = last;
      to.waiting.push(last);
    }
    last.add(mail);
  }

  /** Each region in turn, all that waits for it. */
  #serve(pace: { moves: number; meetings: number }): void {
    const arrivals: Arrival[] = [];
    const count = ({ meetings }: Moved): void => {
      pace.meetings += meetings.length;
    };
    for (const place of this.#all) {
      const { matcher, waiting } = place;
      if (waiting.length === 0) continue;
      place.waiting = [];
      place.last = null;
      for (const one of waiting) {
        if (one instanceof Fixes) {
          pace.moves += one.count;
          count(matcher.takeAll(one, START_MS + this.#step));
          one.clear();
          this.#spare.push(one);
          continue;
        }
        pace.moves++;
        if (one.type === 'leave') matcher.leave(one.id, one.atMs);
        else {
          const { fix, to } = one;
          arrivals.push({ to, fix, brought: matcher.departOfficer(fix.userId, fix.takenAtMs) });
        }
      }
    }
    for (const { to, fix, brought } of arrivals) count(to.matcher.adopt(fix, brought, fix.takenAtMs));
  }

  #placeOf(region: string): Place {
    let place = this.#places.get(region);
    if (!place) {
      place = new Place(new Matcher(cellOfRegion(region)!, this.#rules, this.#watch));
      this.#places.set(region, place);
      this.#all.push(place);
    }
    return place;
  }

  #send(region: string, mail: FixMessage | Mail): void {
    this.#letters.push({ to: this.#placeOf(region), mail });
  }

  #next(): void {
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
      account: person.account,
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
    const moved = before !== null && before !== route;
    if (moved && person.role === 'officer') {
      this.#send(before.owner.id, { type: 'depart', fix, to: this.#placeOf(route.owner.id) });
      return;
    }
    if (moved) {
      for (const region of before.regions) {
        if (route.regions.some(other => other.id === region.id)) continue;
        this.#send(region.id, { type: 'leave', id: person.id, atMs: takenAtMs });
      }
    }
    for (const region of route.regions) this.#send(region.id, fix);
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
