/** Runs one course of events through the town of regions and through brute force, and says where they differ. */
import type { ProximityRules } from '../../actors/geo/rules.ts';
import {
  bruteForce,
  meetingsOf,
  type OracleCourse,
  type OracleEvent,
  type OracleHappening,
  type OracleMeeting,
} from './oracle.ts';
import { Town } from './town.ts';

export interface Comparison {
  readonly course: OracleCourse;
  readonly expected: readonly OracleMeeting[];
  readonly found: readonly OracleMeeting[];
  /** What happened (which, pair and time) that only one of the two saw; empty when they agree. */
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  readonly town: Town;
}

export const happeningKey = (one: OracleHappening): string =>
  `${one.what} ${one.officerId}|${one.civilianId}@${one.atMs}`;

/** Long enough that everybody has been silent. */
const EVER_MS = 3_600_000;

/** `between` is called before each event, for example to sweep. */
export function compare(
  events: readonly OracleEvent[],
  rules: ProximityRules,
  between: (town: Town) => void = () => {},
): Comparison {
  const course = bruteForce(events, rules);
  const town = run(events, rules, between);
  const a = course.happenings.map(happeningKey);
  const b = town.happenings.map(happeningKey);
  return {
    course,
    expected: meetingsOf(course),
    found: town.meetings,
    missing: without(a, b),
    extra: without(b, a),
    town,
  };
}

export function run(
  events: readonly OracleEvent[],
  rules: ProximityRules,
  between: (town: Town) => void = () => {},
  hearsNear = true,
): Town {
  const town = new Town(rules, hearsNear);
  for (const event of events) {
    if (event.type === 'fix') town.nowMs = Math.max(town.nowMs, event.atMs);
    between(town);
    play(town, event);
  }
  town.nowMs += EVER_MS;
  town.fireTimers('slots');
  return town;
}

/** The first list without the second, each line as often as it is there more often. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1);
  return lines.filter(line => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}

export function play(town: Town, event: OracleEvent): void {
  if (event.type === 'leave') {
    town.leave(event.id);
    return;
  }
  town.fix(
    {
      userId: event.id,
      role: event.officer ? 'officer' : 'civilian',
      handle: event.id,
      instant: event.instant,
    },
    {
      seq: event.seq,
      latE7: event.latE7,
      lngE7: event.lngE7,
      accuracyDm: event.accuracyDm,
      takenAtMs: event.atMs,
    },
  );
}
