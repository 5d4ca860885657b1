/**
 * From a user actor's position to the areas that must know of the person: the area that holds it, and for a civilian also
 * those behind a border close by. The position is snapped to areas here, before anything is told or decided; no area ever
 * hears where in it somebody is.
 *
 * Areas are told who comes and who goes, and again once a minute who is there, not every position.
 */
import type { AreaMessage } from '../messages/area.ts';
import type { Role } from '../messages/region.ts';
import type { Address, Turn } from '../turn.ts';
import { AREAS, areaId, type Inside, isInside, NOWHERE } from './grid.ts';
import { AREA_REACH_M, AREA_RENEW_MS } from './limits.ts';

/** Who the person is, as areas know him. */
export interface Someone {
  readonly userId: string;
  readonly role: Role;
  readonly handle: string;
  /** Reports so often that the areas hear of him each {@link AREA_RENEW_MS}. */
  readonly often?: boolean;
}

/** The areas that know a person, the same for positions inside its edges. A value, kept between positions. */
export interface AreaStay extends Inside {
  /** The area that holds the position. */
  readonly home: string;
  /** Every area that was told, the home first. */
  readonly areas: readonly Address[];
  /** When they were told last, town milliseconds. */
  readonly toldMs: number;
  /** The last thing they were told is that the phone is not there. */
  readonly absent: boolean;
}

/** What a position changes about the areas that know the person. */
export interface AreaStep {
  readonly stay: AreaStay;
  /** Areas left behind (ids): their lists are void. */
  readonly left: readonly string[];
}

const NONE_LEFT: readonly string[] = [];

const address = (id: string): Address => ({ kind: 'area', id });

/** Where a position is known: the home first. */
function cellsOf(role: Role, latE7: number, lngE7: number): number[] {
  const [lat, lng] = [latE7 / 1e7, lngE7 / 1e7];
  const home = AREAS.cellOf(lat, lng);
  if (role === 'officer') return [home];
  return [home, ...AREAS.cover(lat, lng, AREA_REACH_M).filter(cell => cell !== home)];
}

function stayOf(role: Role, latE7: number, lngE7: number, toldMs: number): AreaStay {
  const cells = cellsOf(role, latE7, lngE7);
  const ids = cells.map(areaId);
  const reachM = role === 'officer' ? 0 : AREA_REACH_M;
  const inside = cells.length > 1 ? NOWHERE : AREAS.insideOf(cells[0]!, reachM);
  return { home: ids[0]!, areas: ids.map(address), toldMs, absent: false, ...inside };
}

/** A stay as plain values, for another node: who is known where, and not the position. */
export const packStay = ({ home, areas, toldMs, absent }: AreaStay) => ({
  home,
  areas: areas.map(({ id }) => id),
  toldMs,
  absent,
});

/** A stay that came from another node; the next position is looked at anew. */
export const stayAgain = (
  home: string,
  ids: readonly string[],
  toldMs: number,
  absent: boolean,
): AreaStay => ({
  home,
  areas: ids.map(address),
  toldMs,
  absent,
  ...NOWHERE,
});

/** Tells the areas about a position where they must hear of it. `previous` is null at the first since sharing began. */
export function stepAreas(
  turn: Pick<Turn, 'tell' | 'nowMs'>,
  person: Someone,
  previous: AreaStay | null,
  latE7: number,
  lngE7: number,
): AreaStep {
  const renews = previous === null || previous.absent || turn.nowMs - previous.toldMs >= AREA_RENEW_MS;
  if (previous !== null && !renews && isInside(previous, latE7, lngE7))
    return { stay: previous, left: NONE_LEFT };
  const stay = stayOf(person.role, latE7, lngE7, turn.nowMs);
  if (previous === null) {
    enter(turn, person, stay, stay.areas, true);
    return { stay, left: NONE_LEFT };
  }
  const has = (areas: readonly Address[], { id }: Address): boolean => areas.some(one => one.id === id);
  const left = previous.areas.filter(one => !has(stay.areas, one));
  const leave: AreaMessage = { type: 'leave', userId: person.userId };
  for (const area of left) turn.tell(area, leave);
  // whose home it is now is another thing to say to areas that know the person
  const isMoved = renews || stay.home !== previous.home;
  const news = isMoved ? stay.areas : stay.areas.filter(one => !has(previous.areas, one));
  enter(turn, person, stay, news);
  const toldMs = isMoved ? turn.nowMs : previous.toldMs;
  return { stay: { ...stay, toldMs }, left: left.map(({ id }) => id) };
}

function enter(
  turn: Pick<Turn, 'tell'>,
  { userId, role, handle, often }: Someone,
  { home, absent }: AreaStay,
  areas: readonly Address[],
  isAnew = false,
): void {
  for (const area of areas) {
    const message: AreaMessage = {
      type: 'enter',
      userId,
      role,
      handle,
      home: area.id === home,
      ...(absent ? { absent } : {}),
      ...(isAnew ? { isAnew } : {}),
      ...(often ? { often } : {}),
    };
    turn.tell(area, message);
  }
}

/** Nobody holds the person's phone for the moment, or somebody does again. */
export function tellPresence(
  turn: Pick<Turn, 'tell' | 'nowMs'>,
  person: Someone,
  stay: AreaStay,
  isPresent: boolean,
): AreaStay {
  const next = { ...stay, absent: !isPresent, toldMs: turn.nowMs };
  enter(turn, person, next, next.areas);
  return next;
}

/** The person shares no more: every area forgets him. */
export function leaveAreas(turn: Pick<Turn, 'tell'>, userId: string, { areas }: AreaStay): void {
  const leave: AreaMessage = { type: 'leave', userId };
  for (const area of areas) turn.tell(area, leave);
}
