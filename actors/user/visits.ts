/**
 * At which places a person is who shares a position: noted with one enter and one exit for each visit (`geo/places/fence.ts`),
 * counted by kind of place for whoever watches the town, and told to nobody.
 *
 * What is noted lives as long as the position does: in memory, over a hand-over, not over a kill, and it ends with sharing. A
 * position that is not believed begins and ends no visit.
 */
import { type Crossing, endStays, type FencedFix, type Fences, stepFences } from '../geo/places/fence.ts';
import type { Turn } from '../turn.ts';
import type { UserState } from './state.ts';

/** The places as the node knows them now; another value when an operator changed one. */
export type FencesNow = () => Fences;

function count(crossings: readonly Crossing[], turn: Turn): void {
  for (const { kind, way } of crossings) turn.count('heyblue_place_crossings_total', { kind, way });
}

/** After a fix that was taken. */
export function visit(state: UserState, fix: FencedFix, fences: Fences, turn: Turn): UserState {
  const { stays, crossings } = stepFences(fences, state.stays, fix);
  count(crossings, turn);
  return stays === state.stays ? state : { ...state, stays };
}

/** Nobody knows any more where the person is. */
export function endVisits(state: UserState, turn: Turn): UserState {
  if (state.stays.length === 0) return state;
  count(endStays(state.stays), turn);
  return { ...state, stays: [] };
}
