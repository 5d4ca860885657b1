/**
 * At which places a person is who shares a position: noted with one enter and one exit for each visit (`geo/places/fence.ts`),
 * counted by kind of place for whoever watches the town, and told to nobody but the person's own phone, which is told again
 * when it connects. It is a word on the present, with no coordinate, and is never stored.
 *
 * What is noted lives as long as the position does: in memory, over a hand-over, not over a kill, and it ends with sharing. A
 * position that is not believed begins and ends no visit.
 */
import { encodeVolatile } from '../../protocol/messages.ts';
import {
  type Crossing,
  endStays,
  type FencedFix,
  type Fences,
  type Place,
  stepFences,
} from '../geo/places/fence.ts';
import type { SessionRef, Turn } from '../turn.ts';
import { refs } from './sessions.ts';
import type { UserState } from './state.ts';

/** The places as the node knows them now; another value when an operator changed one. */
export type FencesNow = () => Fences;

/** Nil: the person is not there any more. Versions rise for each place: a visit begins with a fix newer than all before. */
function tell(
  sessions: readonly SessionRef[],
  placeId: string,
  version: number,
  place: Place | null,
  turn: Turn,
): void {
  const body = place && { placeId, name: place.name, kind: place.kind };
  if (sessions.length > 0)
    turn.push(sessions, encodeVolatile('place.here', placeId, version, body), 'volatile');
}

/** To a phone that connects: the places that hold. */
export function tellVisits({ stays }: UserState, session: SessionRef, fences: Fences, turn: Turn): void {
  for (const { placeId, enteredAtMs } of stays) {
    const place = fences.of(placeId);
    if (place !== null) tell([session], placeId, enteredAtMs, place, turn);
  }
}

function count(crossings: readonly Crossing[], turn: Turn): void {
  for (const { kind, way } of crossings) turn.count('heyblue_place_crossings_total', { kind, way });
}

/** After a fix that was taken. */
export function visit(state: UserState, fix: FencedFix, fences: Fences, turn: Turn): UserState {
  const { stays, crossings } = stepFences(fences, state.stays, fix);
  count(crossings, turn);
  for (const { placeId, way } of crossings) {
    const stay = state.stays.find(one => one.placeId === placeId);
    const version = way === 'enter' || !stay ? fix.takenAtMs : Math.max(fix.takenAtMs, stay.enteredAtMs + 1);
    tell(refs(state.sessions), placeId, version, way === 'enter' ? fences.of(placeId) : null, turn);
  }
  return stays === state.stays ? state : { ...state, stays };
}

/** Nobody knows any more where the person is. */
export function endVisits(state: UserState, turn: Turn): UserState {
  if (state.stays.length === 0) return state;
  count(endStays(state.stays), turn);
  for (const { placeId, enteredAtMs } of state.stays)
    tell(refs(state.sessions), placeId, enteredAtMs + 1, null, turn);
  return { ...state, stays: [] };
}
