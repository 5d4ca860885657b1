/**
 * What is lost by reporting seldom: of the pairs that meet when every recorded position is reported, how many still meet
 * when each phone reports as often as it is told to (`actors/geo/period.ts`), by what it knows of officers around.
 */
import type { AreaRules } from '../../actors/geo/areaRules.ts';
import { reportPeriodS } from '../../actors/geo/period.ts';
import type { ProximityRules } from '../../actors/geo/rules.ts';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import { AreaTown } from './areaTown.ts';
import { play, run } from './compare.ts';
import type { OracleEvent, OracleMeeting } from './oracle.ts';
import { seeded } from './seeded.ts';
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

export function recall(
  events: readonly OracleEvent[],
  rules: ProximityRules,
  areaRules: AreaRules = DEFAULT_RULES.area,
): Recall {
  const always = pairsOf(run(events, rules).meetings);
  const town = new Town(rules);
  const areas = new AreaTown(areaRules, dice(SEED));
  begin(areas, events, areaRules);
  /** By person, the areas that name officers. */
  const naming = new Map<string, Set<string>>();
  const reportedMs = new Map<string, number>();
  let heard = 0;
  let keptFixes = 0;
  for (const event of events) {
    if (event.type === 'fix') {
      town.nowMs = Math.max(town.nowMs, event.atMs);
      areas.until(town.nowMs);
      for (const { userId, area, officers } of areas.told.slice(heard)) {
        const cells = naming.get(userId) ?? new Set<string>();
        if (officers.length > 0) cells.add(area);
        else cells.delete(area);
        naming.set(userId, cells);
      }
      heard = areas.told.length;
      const role = event.officer ? 'officer' : 'civilian';
      const periodS = reportPeriodS(role, event.instant, (naming.get(event.id)?.size ?? 0) > 0);
      const last = reportedMs.get(event.id);
      if (last !== undefined && event.atMs - last < periodS * 1_000) continue;
      reportedMs.set(event.id, event.atMs);
      keptFixes++;
      areas.at({ userId: event.id, role, handle: event.id }, event.latE7, event.lngE7);
    } else if (event.type === 'leave') areas.leave(event.id);
    play(town, event);
  }
  const kept = [...pairsOf(town.meetings)].filter(pair => always.has(pair)).length;
  const alwaysFixes = events.filter(event => event.type === 'fix').length;
  return { always: always.size, kept, alwaysFixes, keptFixes };
}

/**
 * A recording begins in the middle of a day: who is in it has been sharing for a while, where his first position is, and is
 * known as far as he ever will be.
 */
function begin(areas: AreaTown, events: readonly OracleEvent[], rules: AreaRules): void {
  const firsts = new Map<string, Extract<OracleEvent, { type: 'fix' }>>();
  for (const event of events) if (event.type === 'fix' && !firsts.has(event.id)) firsts.set(event.id, event);
  const beginMs = Math.min(...[...firsts.values()].map(({ atMs }) => atMs));
  areas.nowMs = beginMs - rules.delayMaxMs - SETTLED_MS;
  for (const { id, officer, latE7, lngE7 } of firsts.values())
    areas.at({ userId: id, role: officer ? 'officer' : 'civilian', handle: id }, latE7, lngE7);
  areas.until(beginMs);
}

/** Lists are told in batches after they changed. */
const SETTLED_MS = 60_000;
/** Of the draws of delays: the same in every run. */
const SEED = 20_261_121;
const dice = (seed: number): (() => number) => {
  const chance = seeded(seed);
  return () => chance.int(2 ** 32);
};
