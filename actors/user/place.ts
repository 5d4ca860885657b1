/**
 * The position of a person: checked, kept in memory while shared, told to the regions in reach, and answered with the
 * time of the next report. Nothing here is persisted, logged or sent to anybody else's phone.
 */
import type { CommandResult } from '../../protocol/catalogue.ts';
import { checkLocation } from '../../protocol/coordinates.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import type { Location } from '../../protocol/frames.ts';
import { encodeError, encodeVolatile } from '../../protocol/messages.ts';
import { ageOf } from '../fraud/age.ts';
import { found, observe, trustOf, wiped } from '../fraud/watch.ts';
import { reportPeriodS } from '../geo/period.ts';
import type { Fences } from '../geo/places/fence.ts';
import { publishFix, publishInstantOff, publishLeave, publishTrust } from '../geo/publish.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { UserMessage } from '../messages/user.ts';
import type { MeetRules } from '../rules.ts';
import type { Turn } from '../turn.ts';
import { isAnybodyAround, leaveAround, moveAround } from './around.ts';
import { seconds } from './sessions.ts';
import { HIDDEN_SWITCH, INSTANT_SWITCH, isSharing, roleOf, SHARE_TIMER, type UserState } from './state.ts';
import { emit } from './stream.ts';
import { endVisits, visit } from './visits.ts';

const MINUTE_MS = 60_000;

/** Why a position is not taken, or null. */
function refuseLocation(
  state: UserState,
  location: Location,
  takenAtMs: number,
  nowMs: number,
): Refusal | null {
  if (roleOf(state.me.kind) === null) return refuse(ERROR.forbidden, 'this account has no position');
  if (!isSharing(state, nowMs)) return refuse(ERROR.conflict, 'the position is not shared');
  const outside = checkLocation(location);
  if (outside !== null) return refuse(ERROR.invalid, outside);
  if (location.seq <= state.locationSeq) return refuse(ERROR.conflict, 'the sequence number must rise');
  const age = ageOf(takenAtMs, nowMs);
  if (age === 'future') return refuse(ERROR.invalid, 'the position is from the future');
  if (age === 'stale') return refuse(ERROR.gone, 'the position is too old');
  if (state.track && takenAtMs < state.track.fix.takenAtMs)
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

export function located(
  state: UserState,
  message: UserMessage & { type: 'location' },
  rules: MeetRules,
  fences: Fences,
  turn: Turn,
): UserState {
  const { location, session } = message;
  const takenAtMs = location.takenAtMs ?? turn.nowMs;
  const refusal = refuseLocation(state, location, takenAtMs, turn.nowMs);
  if (refusal) {
    turn.push([session], encodeError(0, refusal), 'volatile');
    return state;
  }
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
  const person = { userId: id, account, role, handle, instant: state.instant } as const;
  // One that cannot be is no position, and whoever sent it is not told.
  const track =
    isTaken || !state.track
      ? publishFix(turn, person, state.track, position, rules.proximity.reachM)
      : publishTrust(turn, state.track, trust);
  if (isFirstOfMinute(state.track?.fix.takenAtMs, track.fix.takenAtMs, state.me.number))
    turn.sample({ takenAtMs, latE7, lngE7, accuracyDm });
  const periodS = reportPeriodS(role, state.instant, isAnybodyAround(state));
  turn.push([session], encodeVolatile('report.next', '', location.seq, { periodS }), 'volatile');
  const here = { ...state, track, watch, locationSeq: location.seq };
  const around = isTaken ? moveAround(here, person, latE7, lngE7, turn) : here;
  return isTaken && trust === 0 ? visit(around, position, fences, turn) : around;
}

/** Off the map: every region that knew the person is told, and what is remembered of the place is wiped. */
export function leaveMap(state: UserState, turn: Turn): UserState {
  if (!state.track) return state;
  publishLeave(turn, state.track);
  const off = endVisits(leaveAround(state, turn), turn);
  return { ...off, track: null, watch: wiped(state.watch) };
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

export function setSwitch(name: string, on: boolean, turn: Turn): void {
  if (on) turn.durableTimer(name, ACTOR_LIMITS.switchMs, {});
  else turn.cancelDurableTimer(name);
}

/** Off holds at once, wherever the last position is known; on begins with the next position. */
export function setInstant(state: UserState, on: boolean, turn: Turn): UserState {
  const track = on || !state.track ? state.track : publishInstantOff(turn, state.track);
  if (on !== state.instant) setSwitch(INSTANT_SWITCH, on, turn);
  return { ...state, instant: on, track };
}

export function startSharing(
  state: UserState,
  rules: MeetRules,
  turn: Turn,
): { state: UserState; result: Result<CommandResult<'location.share'>> } {
  if (roleOf(state.me.kind) === null)
    return { state, result: refuse(ERROR.forbidden, 'this account has no position') };
  // The timer is the durable memory of sharing: an officer's actor that starts anew finds it (state.ts).
  const sharingUntilMs =
    state.me.kind === 'officer' ? turn.durableTimer(SHARE_TIMER, rules.shareS * 1_000, {}) : 0;
  if (state.me.kind === 'civilian' && !state.sharing) setSwitch(HIDDEN_SWITCH, false, turn);
  return {
    state: { ...state, sharing: true, sharingUntilMs },
    result: ok({ untilS: seconds(sharingUntilMs) }),
  };
}

export function stopSharing(state: UserState, reason: 'timeout' | 'stopped', turn: Turn): UserState {
  // time that runs out leaves a history that expires; whoever switches off wants it gone, also when it is off already
  if (reason === 'stopped') turn.sample(null);
  if (!state.sharing) return state;
  // one that is due is removed when its answer has left, and so not before the event is stored
  if (state.sharingUntilMs > 0 && reason === 'stopped') turn.cancelDurableTimer(SHARE_TIMER);
  if (state.me.kind === 'civilian') setSwitch(HIDDEN_SWITCH, true, turn);
  const off = { ...leaveMap(state, turn), sharing: false, sharingUntilMs: 0 };
  // an officer's sharing is named by its end; ended again by who did not hear that it is stored, it is told once
  const what = state.sharingUntilMs > 0 ? `${state.sharingUntilMs}` : turn.newId();
  return emit(off, turn, 'sharing.ended', { reason }, what);
}

/** The durable timer of sharing is due; one that was replaced or stopped meanwhile says nothing. */
export function shareDue(state: UserState, dueAtMs: number, turn: Turn): UserState {
  turn.reply(ok({}));
  return state.sharingUntilMs === dueAtMs ? stopSharing(state, 'timeout', turn) : state;
}
