/** Runs one course of events through the town of regions and through brute force, and says where they differ. */
import type { ProximityRules } from '../../actors/geo/rules.ts';
import { bruteForce, type OracleEvent, type OracleMeeting } from './oracle.ts';
import { Town } from './town.ts';

export interface Comparison {
  readonly expected: readonly OracleMeeting[];
  readonly found: readonly OracleMeeting[];
  /** Meetings (pair and time) that only one of the two saw; empty when they agree. */
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  readonly town: Town;
}

export const meetingKey = (one: OracleMeeting): string => `${one.officerId}|${one.civilianId}@${one.atMs}`;

export function compare(events: readonly OracleEvent[], rules: ProximityRules): Comparison {
  const expected = bruteForce(events, rules);
  const town = new Town(rules);
  for (const event of events) play(town, event);
  const a = expected.map(meetingKey);
  const b = town.meetings.map(meetingKey);
  return {
    expected,
    found: town.meetings,
    missing: a.filter(key => !b.includes(key)),
    extra: b.filter(key => !a.includes(key)),
    town,
  };
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
