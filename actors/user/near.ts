/**
 * "An officer is near": what a civilian is notified of, made of nothing but the lists that his areas tell and of himself. So
 * it comes as late and is as coarse as they are (`area.ts`), and once in half an hour of the same officer, however often
 * he comes and goes, or the civilian does.
 */
import { encodeVolatile } from '../../protocol/messages.ts';
import type { AreaRules } from '../geo/areaRules.ts';
import { distanceM } from '../geo/distance.ts';
import { AREAS, type Box, boxOf, cellOf, cellOfArea } from '../geo/grid.ts';
import { NEAR_REMEMBERED_MAX } from '../geo/limits.ts';
import type { Turn } from '../turn.ts';
import { refs } from './sessions.ts';
import type { UserState } from './state.ts';

/** An officer of whom this civilian was notified. */
export interface Notified {
  readonly officerId: string;
  readonly atMs: number;
}

export interface Near {
  /** Oldest first. */
  readonly notified: readonly Notified[];
  /** Somebody is not notified of because of what the civilian does: looked at again as he moves. */
  readonly waits: boolean;
}

export const NOBODY_NEAR: Near = { notified: [], waits: false };

const middleE7 = ({ south, north, west, east }: Box) => ({
  latE7: Math.round((south + north) * 5e6),
  lngE7: Math.round((west + east) * 5e6),
});

const coarseCell = ({ track, coarse }: UserState): number | undefined =>
  track ? cellOf(track.fix.latE7 / 1e7, track.fix.lngE7 / 1e7) : coarse?.cell;

const isFast = ({ track }: UserState, { nearSpeedMps }: AreaRules): boolean =>
  (track?.fix.speedMps ?? 0) > nearSpeedMps;

/** Whether the middle of an area is within the radius of the middle of the civilian's coarse cell: his position is not compared. */
function isWithin(state: UserState, area: string, radiusM: number): boolean {
  const cell = coarseCell(state);
  const block = cellOfArea(area);
  if (cell === undefined || block === null) return false;
  const [here, there] = [middleE7(boxOf(cell)), middleE7(AREAS.boxOf(block))];
  return distanceM(here.latE7, here.lngE7, there.latE7, there.lngE7) <= radiusM;
}

/** Notifies of officers whom the areas name and of whom it was not lately. */
export function notifyNear(state: UserState, rules: AreaRules, turn: Turn): UserState {
  const { around, areas, near } = state;
  if (around === null || state.me.kind !== 'civilian') return state;
  const lately = near.notified.filter(({ atMs }) => turn.nowMs - atMs < rules.nearAgainMs);
  const known = new Set(lately.map(({ officerId }) => officerId));
  const drives = isFast(state, rules);
  let waits = false;
  let isTold = false;
  for (const { area, officers } of areas) {
    const news = officers.filter(({ id }) => !known.has(id));
    if (news.length === 0) continue;
    // one more would be forgotten too early, and told again
    const isFull = lately.length + news.length > NEAR_REMEMBERED_MAX;
    const isBehind = area !== around.home && !rules.nearNeighbours;
    if (drives || isFull || isBehind || !isWithin(state, area, rules.nearRadiusM)) {
      waits = true;
      continue;
    }
    isTold = true;
    for (const { id } of news) {
      known.add(id);
      lately.push({ officerId: id, atMs: turn.nowMs });
    }
    const body = { cell: area, officers: news.map(({ id, handle }) => ({ officerId: id, handle })) };
    turn.push(refs(state.sessions), encodeVolatile('officer.near', area, turn.nowMs, body), 'volatile');
  }
  if (!isTold && waits === near.waits) return state;
  return { ...state, near: { notified: lately, waits } };
}

/**
 * The same after a position, while somebody waits: looked at when it may have changed the answer (whoever drove has stopped,
 * or he is in another cell or area), and now and then for what time alone changes. Among many officers somebody always
 * waits, and positions come by the thousand.
 */
export function notifyMoved(
  before: UserState,
  state: UserState,
  now: boolean,
  rules: AreaRules,
  turn: Turn,
): UserState {
  if (!state.near.waits) return state;
  const isSame =
    before.around?.home === state.around?.home &&
    isFast(before, rules) === isFast(state, rules) &&
    coarseCell(before) === coarseCell(state);
  return isSame && !now ? state : notifyNear(state, rules, turn);
}
