/**
 * What is lost by reporting seldom: of the pairs that meet when every recorded position is reported, how many still meet
 * when each phone reports as often as it is told to (`actors/geo/period.ts`), by what it knows of officers around.
 */
import { reportPeriodS } from '../../actors/geo/period.ts';
import type { ProximityRules } from '../../actors/geo/rules.ts';
import { play, run } from './compare.ts';
import type { OracleEvent, OracleMeeting } from './oracle.ts';
import { Town } from './town.ts';

export interface Recall {
  /** Pairs that met: with every position, and of these with the positions that phones were asked for. */
  readonly always: number;
  readonly kept: number;
  /** Positions reported. */
  readonly alwaysFixes: number;
  readonly keptFixes: number;
}

const pairsOf = (meetings: readonly OracleMeeting[]): Set<string> =>
  new Set(meetings.map(one => `${one.officerId}|${one.civilianId}`));

export function recall(events: readonly OracleEvent[], rules: ProximityRules): Recall {
  const always = pairsOf(run(events, rules).meetings);
  const town = new Town(rules);
  /** By person, the cells in which officers are said to be. */
  const areas = new Map<string, Set<string>>();
  const reportedMs = new Map<string, number>();
  let heard = 0;
  let keptFixes = 0;
  for (const event of events) {
    if (event.type === 'fix') {
      town.nowMs = Math.max(town.nowMs, event.atMs);
      const role = event.officer ? 'officer' : 'civilian';
      const periodS = reportPeriodS(role, event.instant, (areas.get(event.id)?.size ?? 0) > 0);
      const last = reportedMs.get(event.id);
      if (last !== undefined && event.atMs - last < periodS * 1_000) continue;
      reportedMs.set(event.id, event.atMs);
      keptFixes++;
    }
    play(town, event);
    town.fireTimers('areas');
    for (const { userId, area } of town.areas.slice(heard)) {
      const cells = areas.get(userId) ?? new Set<string>();
      if (area.officers.length > 0) cells.add(area.cell);
      else cells.delete(area.cell);
      areas.set(userId, cells);
    }
    heard = town.areas.length;
  }
  const kept = [...pairsOf(town.meetings)].filter(pair => always.has(pair)).length;
  const alwaysFixes = events.filter(event => event.type === 'fix').length;
  return { always: always.size, kept, alwaysFixes, keptFixes };
}
