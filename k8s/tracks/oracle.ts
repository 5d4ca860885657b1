/**
 * The referee: who met whom, by brute force. Every fix is compared with the latest fix of everybody of the other role,
 * with nothing but the haversine formula, maps and objects. It shares no code with the matcher on purpose; it is
 * written from the rules of a meeting (the comment of `actors/geo/rules.ts`) and must agree with it to the pair and
 * the millisecond.
 */

export interface OracleRules {
  readonly enterM: number;
  readonly exitM: number;
  readonly dwellMs: number;
  readonly dwellFixes: number;
  readonly freshMs: number;
  readonly gapMs: number;
  readonly forgetMs: number;
  readonly walkMps: number;
  readonly vehicleMps: number;
  readonly accuracyM: number;
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

type Fix = Extract<OracleEvent, { type: 'fix' }>;
interface Person {
  fix: Fix;
  /** Null at the first fix. */
  speed: number | null;
}
interface Closeness {
  lastMs: number;
  dwellMs: number;
  officerFixes: number;
  civilianFixes: number;
  met: boolean;
  told: boolean;
}

/** Meetings in the order in which they were completed; a pair that parts and meets again appears again. */
export function bruteForce(events: Iterable<OracleEvent>, rules: OracleRules): OracleMeeting[] {
  const people = new Map<string, Person>();
  const pairs = new Map<string, Closeness>();
  const meetings: OracleMeeting[] = [];

  for (const event of events) {
    if (event.type === 'leave') {
      people.delete(event.id);
      for (const key of [...pairs.keys()]) if (key.split('|').includes(event.id)) pairs.delete(key);
      continue;
    }
    const before = people.get(event.id);
    if (before && (event.seq <= before.fix.seq || event.atMs < before.fix.atMs)) continue;
    const me: Person = { fix: event, speed: before ? speed(before.fix, event) : null };
    people.set(event.id, me);
    for (const other of people.values()) {
      if (other.fix.officer !== event.officer) look(me, other, pairs, rules, meetings);
    }
  }
  return meetings;
}

function look(
  me: Person,
  other: Person,
  pairs: Map<string, Closeness>,
  rules: OracleRules,
  meetings: OracleMeeting[],
): void {
  const officer = me.fix.officer ? me : other;
  const civilian = me.fix.officer ? other : me;
  const key = `${officer.fix.id}|${civilian.fix.id}`;
  const metres = haversine(me.fix, other.fix);
  const now = me.fix.atMs;
  if (metres > rules.exitM) {
    pairs.delete(key);
    return;
  }
  if (Math.abs(now - other.fix.atMs) > rules.freshMs) return;
  if (Math.max(me.fix.accuracyDm, other.fix.accuracyDm) > rules.accuracyM * 10) return;

  let pair = pairs.get(key);
  if (pair && now - pair.lastMs > rules.forgetMs) {
    pairs.delete(key);
    pair = undefined;
  }
  if (pair) {
    const gap = now - pair.lastMs;
    const speeds = [me.speed, other.speed];
    const walking = speeds.every(each => each !== null && each <= rules.walkMps);
    if (gap > 0 && gap <= rules.gapMs && walking) pair.dwellMs += gap;
    if (speeds.some(each => each !== null && each > rules.vehicleMps)) pair.dwellMs = 0;
    pair.lastMs = Math.max(pair.lastMs, now);
    if (me.fix.officer) pair.officerFixes += 1;
    else pair.civilianFixes += 1;
  } else {
    if (metres > rules.enterM) return;
    pair = { lastMs: now, dwellMs: 0, officerFixes: 1, civilianFixes: 1, met: false, told: false };
    pairs.set(key, pair);
  }
  const enoughFixes = Math.min(pair.officerFixes, pair.civilianFixes) >= rules.dwellFixes;
  if (pair.dwellMs >= rules.dwellMs && enoughFixes) pair.met = true;
  if (pair.met && !pair.told && officer.fix.instant && civilian.fix.instant) {
    pair.told = true;
    meetings.push({ officerId: officer.fix.id, civilianId: civilian.fix.id, atMs: now });
  }
}

function speed(from: Fix, to: Fix): number {
  return haversine(from, to) / (Math.max(1, to.atMs - from.atMs) / 1000);
}

/** Metres on a sphere of the earth's mean radius. */
function haversine(a: Fix, b: Fix): number {
  const radians = (e7: number): number => (e7 / 1e7 / 180) * Math.PI;
  const dLat = radians(b.latE7) - radians(a.latE7);
  const dLng = radians(b.lngE7) - radians(a.lngE7);
  const h =
    Math.sin(dLat / 2) ** 2 +
    Math.cos(radians(a.latE7)) * Math.cos(radians(b.latE7)) * Math.sin(dLng / 2) ** 2;
  return 2 * 6_371_008.8 * Math.asin(Math.sqrt(Math.min(1, h)));
}
