/**
 * What is around a person, coarsely: the areas that know him, and for a civilian the officers whom they name. Officers are
 * told of nobody.
 */
import { type AreaStay, leaveAreas, type Someone, stepAreas, tellPresence } from '../geo/areaRoute.ts';
import type { AreaRules } from '../geo/areaRules.ts';
import type { UserMessage } from '../messages/user.ts';
import type { Turn } from '../turn.ts';
import { notifyNear } from './near.ts';
import { areaFrame, hubsFrame, refs } from './sessions.ts';
import type { Area, UserState } from './state.ts';

/** The position is here, as far as anybody is to know: a place that is coarse already is as good. */
export function moveAround(
  state: UserState,
  person: Someone,
  latE7: number,
  lngE7: number,
  turn: Turn,
): UserState {
  const { stay, left } = stepAreas(turn, person, state.around, latE7, lngE7);
  if (stay === state.around) return state;
  const next = { ...state, around: stay };
  return left.length > 0 ? forgetAreas(next, left, turn) : next;
}

/** Nobody holds the phone for the moment, or somebody does again. */
export function presentAround(state: UserState, person: Someone, isPresent: boolean, turn: Turn): UserState {
  if (state.around === null) return state;
  return { ...state, around: tellPresence(turn, person, state.around, isPresent) };
}

/** The person is nowhere: no area knows him, and his phone forgets all of them. */
export function leaveAround(state: UserState, turn: Turn): UserState {
  if (state.around === null) return state;
  leaveAreas(turn, state.me.id, state.around);
  const all = state.areas.map(({ area }) => area);
  return { ...forgetAreas(state, all, turn), around: null };
}

/** Areas out of reach: the phone is told that they are gone. */
function forgetAreas(state: UserState, ids: readonly string[], turn: Turn): UserState {
  const gone = state.areas.filter(({ area }) => ids.includes(area));
  if (gone.length === 0) return state;
  for (const area of gone)
    tellArea(state, area, { ...area, version: area.version + 1, officers: [], hubs: [] }, turn);
  return { ...state, areas: state.areas.filter(area => !gone.includes(area)) };
}

const knows = (around: AreaStay | null, id: string): boolean =>
  around?.areas.some(area => area.id === id) ?? false;

/** An area's notice, for civilians only. */
export function areaChanged(
  state: UserState,
  message: UserMessage & { type: 'area' },
  rules: AreaRules,
  turn: Turn,
): UserState {
  const { area: id, version, officers, hubs = [] } = message;
  if (state.me.kind !== 'civilian' || !knows(state.around, id)) return state;
  const before = state.areas.find(one => one.area === id);
  if (before && before.version >= version) return state;
  const area: Area = { area: id, version, officers, hubs };
  tellArea(state, before, area, turn);
  const next = { ...state, areas: [...state.areas.filter(other => other !== before), area] };
  return officers.length > 0 ? notifyNear(next, rules, turn) : next;
}

function tellArea(state: UserState, before: Area | undefined, area: Area, turn: Turn): void {
  const { officers = [], hubs = [] } = before ?? {};
  // what did not change is not said again: of a hub that opens nobody learns from the list of officers
  const isNews = (now: readonly { id: string }[], old: readonly { id: string }[]): boolean =>
    now.length !== old.length || now.some(({ id }, i) => id !== old[i]!.id);
  if (isNews(area.officers, officers)) turn.push(refs(state.sessions), areaFrame(area), 'volatile');
  if (isNews(area.hubs, hubs)) turn.push(refs(state.sessions), hubsFrame(area), 'volatile');
}

/** Whether an officer shares around, as this person was told. */
export const isAnybodyAround = ({ areas }: UserState): boolean =>
  areas.some(({ officers }) => officers.length > 0);
