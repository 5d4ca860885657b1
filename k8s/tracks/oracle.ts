/**
 * The referee: who came together, parted, met and was near, by brute force. Every fix is compared with the latest fix of
 * everybody of the other role, with nothing but the haversine formula, maps and objects. It shares no code with the
 * matcher on purpose; it is written from the text of the rules (the comment of `actors/geo/rules.ts`, whose numbers
 * stand here too) and must agree with it to the pair and the millisecond.
 */

export interface OracleRules {
  readonly enterM: number;
  readonly enterMaxM: number;
  readonly enterPerAccuracy: number;
  readonly exitMarginM: number;
  readonly sharpAccuracyM: number;
  readonly keepAccuracyM: number;
  readonly silenceMs: number;
  readonly dwellMs: number;
  readonly dwellFixes: number;
  readonly freshMs: number;
  readonly gapMs: number;
  readonly walkMps: number;
  readonly vehicleMps: number;
  readonly relativeMps: number;
  readonly capMatches: number;
  readonly capMs: number;
  readonly crowdCivilians: number;
  readonly crowdMs: number;
  readonly nearM: number;
  readonly nearAgainMs: number;
  readonly reachM: number;
}

export type OracleEvent =
  | {
      readonly type: 'fix';
      readonly id: string;
      readonly officer: boolean;
      readonly instant: boolean;
      readonly seq: number;
      readonly latE7: number;
      readonly lngE7: number;
      readonly accuracyDm: number;
      readonly atMs: number;
    }
  | { readonly type: 'leave'; readonly id: string };

export interface OracleMeeting {
  readonly officerId: string;
  readonly civilianId: string;
  readonly atMs: number;
}

/** Something that happened to a pair. */
export interface OracleHappening extends OracleMeeting {
  readonly what: 'entered' | 'ended' | 'met' | 'near';
}

export interface OracleCourse {
  readonly happenings: readonly OracleHappening[];
  /** Looks at which a distance was within {@link RIM_M} of the radius that decided. */
  readonly rims: number;
  /** Comparisons of a fix with another person's. */
  readonly looks: number;
}

/** Two ways to reckon a distance may differ by less than this; decisions so close are counted. */
export const RIM_M = 0.5;

type Fix = Extract<OracleEvent, { type: 'fix' }>;
type Vector = readonly [number, number, number];

interface Person {
  fix: Fix;
  /** When the fix before was taken; that of the first fix for the first. */
  beforeMs: number;
  repeat: boolean;
  /** Null at the first fix. */
  motion: { speed: number; velocity: Vector } | null;
  /** Of officers. */
  matches: number[];
  crowd: boolean;
  otherwiseSinceMs: number | null;
  nearTold: Map<string, number>;
}

interface Slot {
  lastMs: number;
  dwellMs: number;
  fixes: { officer: number; civilian: number };
  outside: { officer: boolean; civilian: boolean };
  complete: boolean;
  told: boolean;
}

class Oracle {
  readonly #rules: OracleRules;
  readonly #people = new Map<string, Person>();
  readonly #slots = new Map<string, Slot>();
  readonly happenings: OracleHappening[] = [];
  #nowMs = 0;
  rims = 0;
  looks = 0;

  constructor(rules: OracleRules) {
    this.#rules = rules;
  }

  take(event: OracleEvent): void {
    if (event.type === 'leave') this.#leave(event.id);
    else this.#fix(event);
  }

  /** Nobody says anything any more. */
  end(): void {
    for (const key of [...this.#slots.keys()]) {
      const [officer, civilian] = key.split('|').map(id => this.#people.get(id)!);
      const fromMs = Math.min(officer!.fix.atMs, civilian!.fix.atMs);
      this.#close(key, fromMs + this.#rules.silenceMs);
    }
  }

  #leave(id: string): void {
    for (const key of [...this.#slots.keys()]) if (key.split('|').includes(id)) this.#close(key, this.#nowMs);
    this.#people.delete(id);
  }

  #fix(fix: Fix): void {
    const before = this.#people.get(fix.id);
    if (before && (fix.seq <= before.fix.seq || fix.atMs < before.fix.atMs)) return;
    this.#nowMs = fix.atMs;
    const me: Person = {
      matches: [],
      crowd: false,
      otherwiseSinceMs: null,
      nearTold: new Map(),
      ...before,
      fix,
      beforeMs: before?.fix.atMs ?? fix.atMs,
      repeat: before?.fix.atMs === fix.atMs,
      motion: before ? motionOf(before.fix, fix) : null,
    };
    this.#people.set(fix.id, me);
    const others = [...this.#people.values()].filter(other => other.fix.officer !== fix.officer);
    if (fix.officer && !me.repeat && !this.#poor(me)) this.#crowd(me, others);
    const due = others.filter(other => this.#look(me, other));
    due.sort((a, b) => (a.fix.id < b.fix.id ? -1 : 1));
    for (const other of due) this.#tell(me, other);
    if (!fix.officer) for (const other of others) this.#near(me, other);
  }

  #poor(person: Person): boolean {
    return person.fix.accuracyDm / 10 > this.#rules.keepAccuracyM;
  }

  #sharp(person: Person): boolean {
    return person.fix.accuracyDm / 10 <= this.#rules.sharpAccuracyM;
  }

  #comparable(a: Person, b: Person): boolean {
    return Math.abs(a.fix.atMs - b.fix.atMs) <= this.#rules.freshMs;
  }

  #enterM(a: Person, b: Person): number {
    const { enterM, enterMaxM, enterPerAccuracy } = this.#rules;
    const wide = enterPerAccuracy * ((a.fix.accuracyDm + b.fix.accuracyDm) / 10);
    return Math.min(Math.max(wide, enterM), enterMaxM);
  }

  /** Whether the two are within a radius of each other. */
  #within(a: Person, b: Person, radiusM: number): boolean {
    const metres = haversine(a.fix, b.fix);
    this.looks++;
    if (Math.abs(metres - radiusM) < RIM_M) this.rims++;
    return metres <= radiusM;
  }

  /** Rule 6, phones and the crowd aside. */
  #couldBegin(a: Person, b: Person): boolean {
    return (
      this.#comparable(a, b) &&
      !this.#poor(a) &&
      !this.#poor(b) &&
      haversine(a.fix, b.fix) <= this.#enterM(a, b)
    );
  }

  /** Rule 9. */
  #crowd(officer: Person, civilians: readonly Person[]): void {
    const { crowdCivilians, crowdMs } = this.#rules;
    const nowMs = officer.fix.atMs;
    const dense = civilians.filter(civilian => this.#couldBegin(officer, civilian)).length > crowdCivilians;
    if (dense === officer.crowd) {
      officer.otherwiseSinceMs = null;
      return;
    }
    officer.otherwiseSinceMs ??= nowMs;
    if (nowMs - officer.otherwiseSinceMs < crowdMs) return;
    officer.crowd = dense;
    officer.otherwiseSinceMs = null;
    if (!dense) return;
    for (const civilian of civilians) {
      const key = keyOf(officer, civilian);
      if (this.#slots.has(key) && !this.#silent(key, officer, civilian)) this.#close(key, nowMs);
    }
  }

  /** Rule 1. */
  #silent(key: string, me: Person, other: Person): boolean {
    const { silenceMs } = this.#rules;
    const nowMs = me.fix.atMs;
    if (nowMs - me.beforeMs <= silenceMs && nowMs - other.fix.atMs <= silenceMs) return false;
    this.#close(key, Math.min(me.beforeMs, other.fix.atMs) + silenceMs);
    return true;
  }

  /** Rules 1 to 7; whether the two are to be told of each other, the cap aside. */
  #look(me: Person, other: Person): boolean {
    const rules = this.#rules;
    const key = keyOf(me, other);
    const nowMs = me.fix.atMs;
    const side = me.fix.officer ? 'officer' : 'civilian';
    if (this.#slots.has(key)) this.#silent(key, me, other);
    let slot = this.#slots.get(key);
    if (slot && !this.#within(me, other, rules.reachM)) {
      this.#close(key, nowMs);
      return false;
    }
    if (!this.#comparable(me, other)) return false;
    const anyPoor = this.#poor(me) || this.#poor(other);
    const enterM = this.#enterM(me, other);
    if (!slot) {
      const officer = me.fix.officer ? me : other;
      if (anyPoor || officer.crowd || !this.#within(me, other, enterM)) return false;
      slot = {
        lastMs: nowMs,
        dwellMs: 0,
        fixes: { officer: 1, civilian: 1 },
        outside: { officer: false, civilian: false },
        complete: false,
        told: false,
      };
      this.#slots.set(key, slot);
      this.#happened('entered', key, nowMs);
    } else {
      if (anyPoor || !this.#within(me, other, enterM + rules.exitMarginM)) {
        if (me.repeat) return false;
        if (slot.outside[side]) {
          this.#close(key, nowMs);
          return false;
        }
        slot.outside[side] = true;
        slot.lastMs = Math.max(slot.lastMs, nowMs);
        return false;
      }
      slot.outside = { officer: false, civilian: false };
      if (this.#sharp(me) && this.#sharp(other)) this.#count(slot, me, other);
    }
    if (!this.#sharp(me) || !this.#sharp(other)) return false;
    const { officer, civilian } = slot.fixes;
    if (slot.dwellMs >= rules.dwellMs && Math.min(officer, civilian) >= rules.dwellFixes)
      slot.complete = true;
    return slot.complete && !slot.told && me.fix.instant && other.fix.instant;
  }

  /** Rule 5. */
  #count(slot: Slot, me: Person, other: Person): void {
    const { vehicleMps, walkMps, relativeMps, gapMs } = this.#rules;
    const motions = [me.motion, other.motion];
    const gap = me.fix.atMs - slot.lastMs;
    if (motions.some(motion => motion !== null && motion.speed > vehicleMps)) {
      slot.dwellMs = 0;
      slot.fixes = { officer: 0, civilian: 0 };
    } else {
      const walking = motions.every(motion => motion !== null && motion.speed <= walkMps);
      if (walking && gap > 0 && gap <= gapMs) {
        const [a, b] = motions.map(motion => motion!.velocity);
        if (length(minus(a!, b!)) <= relativeMps) slot.dwellMs += gap;
      }
      if (!me.repeat) slot.fixes[me.fix.officer ? 'officer' : 'civilian'] += 1;
    }
    slot.lastMs = Math.max(slot.lastMs, me.fix.atMs);
  }

  /** Rule 8. */
  #tell(me: Person, other: Person): void {
    const { capMatches, capMs } = this.#rules;
    const officer = me.fix.officer ? me : other;
    const nowMs = me.fix.atMs;
    const earlier = officer.matches.at(-capMatches);
    if (earlier !== undefined && nowMs - earlier < capMs) return;
    officer.matches.push(nowMs);
    this.#slots.get(keyOf(me, other))!.told = true;
    this.#happened('met', keyOf(me, other), nowMs);
  }

  /** Rule 10. */
  #near(civilian: Person, officer: Person): void {
    const { nearM, nearAgainMs } = this.#rules;
    if (this.#poor(civilian) || this.#poor(officer) || officer.crowd) return;
    if (!this.#comparable(civilian, officer) || !this.#within(civilian, officer, nearM)) return;
    const nowMs = civilian.fix.atMs;
    const toldMs = officer.nearTold.get(civilian.fix.id);
    if (toldMs !== undefined && nowMs - toldMs < nearAgainMs) return;
    officer.nearTold.set(civilian.fix.id, nowMs);
    this.#happened('near', keyOf(civilian, officer), nowMs);
  }

  #close(key: string, atMs: number): void {
    this.#slots.delete(key);
    this.#happened('ended', key, atMs);
  }

  #happened(what: OracleHappening['what'], key: string, atMs: number): void {
    const [officerId, civilianId] = key.split('|');
    this.happenings.push({ what, officerId: officerId!, civilianId: civilianId!, atMs });
  }
}

/** Everything that happens, in the order in which it is found out. */
export function bruteForce(events: Iterable<OracleEvent>, rules: OracleRules): OracleCourse {
  const oracle = new Oracle(rules);
  for (const event of events) oracle.take(event);
  oracle.end();
  const { happenings, rims, looks } = oracle;
  return { happenings, rims, looks };
}

/** Who met, in order; a pair that parts and meets again appears again. */
export const meetingsOf = (course: OracleCourse): OracleMeeting[] =>
  course.happenings.filter(one => one.what === 'met');

const keyOf = (a: Person, b: Person): string =>
  a.fix.officer ? `${a.fix.id}|${b.fix.id}` : `${b.fix.id}|${a.fix.id}`;

const radians = (e7: number): number => (e7 / 1e7 / 180) * Math.PI;
const RADIUS_M = 6_371_008.8;

/** Metres on a sphere of the earth's mean radius. */
function haversine(a: Fix, b: Fix): number {
  const dLat = radians(b.latE7) - radians(a.latE7);
  const dLng = radians(b.lngE7) - radians(a.lngE7);
  const h =
    Math.sin(dLat / 2) ** 2 +
    Math.cos(radians(a.latE7)) * Math.cos(radians(b.latE7)) * Math.sin(dLng / 2) ** 2;
  return 2 * RADIUS_M * Math.asin(Math.sqrt(Math.min(1, h)));
}

/** The speed from one fix to the next and, with it, the direction of the great circle where it arrives. */
function motionOf(from: Fix, to: Fix): { speed: number; velocity: Vector } {
  const speed = haversine(from, to) / (Math.max(1, to.atMs - from.atMs) / 1000);
  const a = unit(from);
  const b = unit(to);
  const cosine = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const ahead = minus([b[0] * cosine, b[1] * cosine, b[2] * cosine], a);
  const long = length(ahead);
  if (long === 0) return { speed, velocity: [0, 0, 0] };
  const scale = speed / long;
  return { speed, velocity: [ahead[0] * scale, ahead[1] * scale, ahead[2] * scale] };
}

function unit(fix: Fix): Vector {
  const lat = radians(fix.latE7);
  const lng = radians(fix.lngE7);
  return [Math.cos(lat) * Math.cos(lng), Math.cos(lat) * Math.sin(lng), Math.sin(lat)];
}

const minus = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const length = (a: Vector): number => Math.sqrt(a[0] ** 2 + a[1] ** 2 + a[2] ** 2);
