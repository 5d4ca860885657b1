/**
 * The position of a person: checked, kept in memory while shared, told to the regions in reach, and answered with the
 * time of the next report. Nothing here is persisted, logged or sent to anybody else's phone.
 */
import { checkLocation } from '../../protocol/coordinates.ts';
import { ERROR, type Refusal, refuse } from '../../protocol/errors.ts';
import { FIX_FLAG, type Location } from '../../protocol/frames.ts';
import { encodeError, encodeVolatile } from '../../protocol/messages.ts';
import { ageOf } from '../fraud/age.ts';
import { found, observe, trustOf, wiped } from '../fraud/watch.ts';
import type { Someone } from '../geo/areaRoute.ts';
import { boxOf, cellOf } from '../geo/grid.ts';
import type { Layouts } from '../geo/layout.ts';
import { REPORT_PERIOD_S } from '../geo/limits.ts';
import { reportPeriodS } from '../geo/period.ts';
import type { Fences } from '../geo/places/fence.ts';
import { publishFix, publishInstantOff, publishLeave, publishTrust, walkedOn } from '../geo/publish.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { UserMessage } from '../messages/user.ts';
import type { MeetRules } from '../rules.ts';
import type { SessionRef, Turn } from '../turn.ts';
import { isAnybodyAround, leaveAround, moveAround } from './around.ts';
import { notifyMoved } from './near.ts';
import { INSTANT_SWITCH, modeNow, roleOf, type UserState } from './state.ts';
import { endVisits, visit } from './visits.ts';

const MINUTE_MS = 60_000;
const NOWHERE: readonly string[] = [];

/** Why a position is not taken, or null. */
function refuseLocation(
  state: UserState,
  location: Location,
  takenAtMs: number,
  nowMs: number,
): Refusal | null {
  if (roleOf(state.me.kind) === null) return refuse(ERROR.forbidden, 'this account has no position');
  const mode = modeNow(state, nowMs);
  if (mode !== 'precise' && mode !== 'coarse') return refuse(ERROR.conflict, 'the position is not shared');
  const outside = checkLocation(location);
  if (outside !== null) return refuse(ERROR.invalid, outside);
  if (location.seq <= state.locationSeq) return refuse(ERROR.conflict, 'the sequence number must rise');
  const age = ageOf(takenAtMs, nowMs);
  if (age === 'future') return refuse(ERROR.invalid, 'the position is from the future');
  if (age === 'stale') return refuse(ERROR.gone, 'the position is too old');
  const latestMs = state.track?.fix.takenAtMs ?? state.coarse?.takenAtMs;
  if (latestMs !== undefined && takenAtMs < latestMs)
    return refuse(ERROR.conflict, 'a newer position is known');
  return null;
}

/**
 * The sampled history is one position a minute at most; the store thins what passes here to the second. Everybody's minute
 * begins at a moment of its own, or a town would write all it has in the first second of each. 37 shares no factor with
 * 60,000, so numbers that follow each other are spread over the whole minute.
 */
const isFirstOfMinute = (beforeMs: number | undefined, atMs: number, number: number): boolean => {
  const shiftMs = ((number % MINUTE_MS) * 37) % MINUTE_MS;
  const minute = (ms: number): number => Math.floor((ms + shiftMs) / MINUTE_MS);
  return beforeMs === undefined || minute(beforeMs) !== minute(atMs);
};

/** A position came: judged, told to regions, areas and places, and answered with when the next one is wanted. */
export function located(
  state: UserState,
  message: UserMessage & { type: 'location' },
  rules: MeetRules,
  fences: Fences,
  layouts: Layouts,
  turn: Turn,
): UserState {
  const { location, session } = message;
  const takenAtMs = location.takenAtMs ?? turn.nowMs;
  const refusal = refuseLocation(state, location, takenAtMs, turn.nowMs);
  if (refusal) {
    turn.push([session], encodeError(0, refusal), 'volatile');
    return state;
  }
  if (state.mode === 'coarse') return locatedCoarse(state, message, takenAtMs, rules, turn);
  const { id, number: account, handle, kind } = state.me;
  const role = kind === 'officer' ? 'officer' : 'civilian';
  const { latE7, lngE7, accuracyDm } = location;
  const { headingDeg, speedDms, flags = 0 } = location;
  const sample = { latE7, lngE7, accuracyDm, headingDeg, speedDms, takenAtMs };
  const { watch, isTaken } = observe(state.watch, sample, flags, turn.nowMs, rules.fraud);
  // Regions count by a number of their own: the phone's starts again with each connection.
  const seq = (state.track?.fix.seq ?? 0) + 1;
  const trust = trustOf(watch, turn.nowMs, rules.fraud);
  const position = { seq, latE7, lngE7, accuracyDm, takenAtMs, trust };
  const often = role === 'officer';
  const person = { userId: id, account, role, handle, instant: state.instant, often } as const;
  // One that cannot be is no position, and whoever sent it is not told.
  const track =
    isTaken || !state.track
      ? publishFix(turn, person, state.track, position, rules.proximity.reachM, layouts)
      : publishTrust(turn, state.track, trust);
  const isNewMinute = isFirstOfMinute(state.track?.fix.takenAtMs, track.fix.takenAtMs, state.me.number);
  if (isNewMinute) turn.sample({ takenAtMs, latE7, lngE7, accuracyDm });
  const periodS = reportPeriodS(role, state.instant, isAnybodyAround(state));
  answer(state, session, location, periodS, turn);
  const walked = track.route === state.track?.route ? state.walked : walkedOn(state.walked, track);
  const here = { ...state, track, walked, watch, locationSeq: location.seq, periodS };
  const moved = isTaken ? moveAround(here, person, latE7, lngE7, turn) : here;
  const around = notifyMoved(state, moved, isNewMinute, rules.area, turn);
  return isTaken && trust === 0 ? visit(around, position, fences, turn) : around;
}

/**
 * A second opinion on where the person says to be, for the operator who decides about a held encounter: of a position that
 * is shared, and that was taken about when the encounter was held.
 */
export function verifyPlace({ track }: UserState, encounterId: string, heldAtMs: number, turn: Turn): void {
  if (!track || Math.abs(heldAtMs - track.fix.takenAtMs) > ACTOR_LIMITS.meetFixMs) return;
  const { takenAtMs, latE7, lngE7, accuracyDm } = track.fix;
  turn.verify(encounterId, { takenAtMs, latE7, lngE7, accuracyDm });
}

/** When the next position is wanted; a phone that asks for quiet is not told what it knows. */
function answer(
  state: UserState,
  session: SessionRef,
  { seq, flags = 0 }: Location,
  periodS: number,
  turn: Turn,
): void {
  if (periodS === state.periodS && (flags & FIX_FLAG.quiet) !== 0) return;
  turn.push([session], encodeVolatile('report.next', '', seq, { periodS }), 'volatile');
}

/**
 * In mode `coarse` a position is snapped before anything else is done with it, whatever the phone has done: regions, places,
 * history and the gates of fraud never see it, and areas see the middle of its cell.
 */
function locatedCoarse(
  state: UserState,
  { location, session }: UserMessage & { type: 'location' },
  takenAtMs: number,
  rules: MeetRules,
  turn: Turn,
): UserState {
  const cell = cellOf(location.latE7 / 1e7, location.lngE7 / 1e7);
  const { south, north, west, east } = boxOf(cell);
  const isSimulated = ((location.flags ?? 0) & FIX_FLAG.simulated) !== 0;
  const watch = isSimulated ? found(state.watch, 'simulated', turn.nowMs, rules.fraud) : state.watch;
  const periodS = REPORT_PERIOD_S.alone;
  answer(state, session, location, periodS, turn);
  const here = { ...state, watch, coarse: { cell, takenAtMs }, locationSeq: location.seq, periodS };
  const middle = (low: number, high: number): number => Math.round((low + high) * 5e6);
  const moved = moveAround(here, someoneOf(state), middle(south, north), middle(west, east), turn);
  return notifyMoved(state, moved, true, rules.area, turn);
}

/** The person as areas know him. */
export const someoneOf = ({ me: { id, handle, kind }, mode }: UserState): Someone => ({
  userId: id,
  role: kind === 'officer' ? 'officer' : 'civilian',
  handle,
  often: kind === 'officer' && mode === 'precise',
});

/** Off the map: every region that knew the person is told, and what is remembered of the place is wiped. */
export function leaveMap(state: UserState, turn: Turn): UserState {
  const watch = wiped(state.watch, turn.nowMs);
  if (!state.track && !state.coarse) return { ...state, watch };
  if (state.track) publishLeave(turn, state.track, state.walked);
  const off = endVisits(leaveAround(state, turn), turn);
  return { ...off, track: null, walked: NOWHERE, coarse: null, watch };
}

/** A region found this person's track to be somebody else's. */
export const suspected = (state: UserState, rules: MeetRules, turn: Turn): UserState => {
  const watch = found(state.watch, 'cloned', turn.nowMs, rules.fraud);
  const trust = trustOf(watch, turn.nowMs, rules.fraud);
  return { ...state, watch, track: state.track && publishTrust(turn, state.track, trust) };
};

/** What speaks against this person now, for a meeting that is proved now. */
export const trustNow = (state: UserState, rules: MeetRules, turn: Turn): number =>
  trustOf(state.watch, turn.nowMs, rules.fraud);

/** Remembers over kills and sleep that a switch is on, by a durable timer of its name, or that it is off. */
export function setSwitch(name: string, on: boolean, turn: Turn): void {
  if (on) turn.durableTimer(name, ACTOR_LIMITS.switchMs, {});
  else turn.cancelDurableTimer(name);
}

/** Off holds at once, wherever the last position is known; on begins with the next position. */
export function setInstant(state: UserState, on: boolean, turn: Turn): UserState {
  if (on === state.instant) return state;
  const track = on || !state.track ? state.track : publishInstantOff(turn, state.track);
  setSwitch(INSTANT_SWITCH, on, turn);
  return { ...state, instant: on, track };
}
