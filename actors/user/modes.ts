/**
 * The five privacy modes (proximity study 4.7): what others may know of where a person is.
 *
 * | mode    | taken in                 | matched by         | civilians see   |
 * |---------|--------------------------|--------------------|-----------------|
 * | off     | nothing                  | codes              | nothing         |
 * | qr      | nothing                  | codes              | nothing         |
 * | hub     | which hub, no position   | codes, at the hub  | the hub is open |
 * | coarse  | the 2 km cell            | codes              | in this area    |
 * | precise | positions                | position and codes | in this area    |
 *
 * Officers begin in `qr`, and what an officer chooses beyond it ends by itself. Civilians begin in `precise`, and choose.
 *
 * Guarantee: after a change nothing of an earlier place is left, in the turn of the change. The regions are told to forget the
 * person, the sampled history is told to, heys that carry the position are taken back or forget it, and what the actor knew is dropped. The
 * new mode is durable before anybody hears of it (`modeMemory.ts`). What is kept, in memory, told to nobody and for two hours at
 * most, is the 2 km cell of the last position and its time: by it a teleport is known (`fraud/motion.ts`).
 */
import type { CommandBody, CommandResult, Mode } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { verifyHubToken } from '../../protocol/hubToken.ts';
import { AREAS, areaId } from '../geo/grid.ts';
import type { Fences } from '../geo/places/fence.ts';
import type { UserMessage } from '../messages/user.ts';
import type { MeetRules } from '../rules.ts';
import type { Turn } from '../turn.ts';
import { closeHey, isBeingAccepted, unseen } from './hey.ts';
import { closeHub, openHub } from './hub.ts';
import { isModeTimer, rememberMode } from './modeMemory.ts';
import { leaveMap } from './place.ts';
import type { QrKeys } from './qr.ts';
import { seconds } from './sessions.ts';
import { type Hub, modeNow, roleOf, type UserState } from './state.ts';
import { emit } from './stream.ts';

/** Modes in which somebody may learn something. */
const isSeen = (mode: Mode): boolean => mode === 'hub' || mode === 'coarse' || mode === 'precise';

interface Changed<R> {
  readonly state: UserState;
  readonly result: Result<R>;
}

/** Chooses a mode. The same again lets its time run anew, and leaves the rest as it is. */
export function setMode(
  state: UserState,
  mode: Mode,
  rules: MeetRules,
  turn: Turn,
): Changed<CommandResult<'location.mode'>> {
  if (roleOf(state.me.kind) === null)
    return { state, result: refuse(ERROR.forbidden, 'this account has no position') };
  if (mode === 'hub' && state.mode !== 'hub')
    return { state, result: refuse(ERROR.invalid, 'scan the code on the wall of the hub') };
  const next = changed(state, mode, state.hub, rules, turn);
  return { state: next, result: ok({ mode, untilS: seconds(next.modeUntilMs) }) };
}

/** The officer scanned the code on the wall of a hub. */
export function checkIn(
  state: UserState,
  { token }: CommandBody<'hub.checkIn'>,
  { hubs = NO_HUB_KEYS }: QrKeys,
  fences: Fences,
  rules: MeetRules,
  turn: Turn,
): Changed<CommandResult<'hub.checkIn'>> {
  if (state.me.kind !== 'officer')
    return { state, result: refuse(ERROR.forbidden, 'only an officer opens a hub') };
  const verified = verifyHubToken(token, { nowMs: turn.nowMs, publicKeys: hubs });
  if (!verified.ok) return { state, result: verified };
  const { hubNumber, posterNumber } = verified.value;
  const place = fences.hubOf(hubNumber, posterNumber);
  if (place === null) return { state, result: refuse(ERROR.gone, 'this poster was withdrawn') };
  const { id: placeId, name, latE7, lngE7 } = place;
  const area = areaId(AREAS.cellOf(latE7 / 1e7, lngE7 / 1e7));
  const next = changed(state, 'hub', { placeId, name, area }, rules, turn);
  openHub(next, fences, turn);
  return { state: next, result: ok({ hubId: placeId, name, untilS: seconds(next.modeUntilMs) }) };
}

const NO_HUB_KEYS = new Map<number, never>();

function changed(state: UserState, mode: Mode, hub: Hub | null, rules: MeetRules, turn: Turn): UserState {
  const isSame = mode === state.mode && (mode !== 'hub' || hub?.placeId === state.hub?.placeId);
  const goesOn = isSame && modeNow(state, turn.nowMs) === mode;
  // also when it is off already: whoever says it wants it gone
  if ((!goesOn && state.mode === 'precise') || mode === 'qr' || mode === 'off') turn.sample(null);
  if (goesOn && state.modeUntilMs === 0) return state;
  const kept = mode === 'hub' ? hub : null;
  const modeUntilMs = rememberMode(state, mode, kept, rules, turn);
  const before = goesOn ? state : wiped(state, rules, turn);
  const next = { ...before, mode, modeUntilMs, hub: kept };
  return goesOn || isSeen(mode) ? next : ended(next, state, 'stopped', turn);
}

/** Nothing is left of where the person was, here or anywhere, but the cell for a while. */
function wiped(state: UserState, rules: MeetRules, turn: Turn): UserState {
  closeHub(state, turn);
  const next = leaveMap(state, turn);
  forgetCellLater(next, rules, turn);
  if (state.me.kind === 'officer') {
    // whoever waits for an answer would learn at once that the officer went: he waits on, as when nobody answers
    const heys = next.heys.map(hey => (isBeingAccepted(next, hey.heyId) ? hey : unseen(hey)));
    return { ...next, heys };
  }
  const takeBack = (officerId: string, heyId: string): void =>
    turn.tell({ kind: 'user', id: officerId }, { type: 'heyWithdrawn', heyId } satisfies UserMessage);
  for (const { officerId, heyId, expiresAtMs } of state.greeted)
    if (expiresAtMs > turn.nowMs) takeBack(officerId, heyId);
  for (const { name, heyId, otherId } of state.underWay.values())
    if (name === 'hey.say' && heyId !== null) takeBack(otherId, heyId);
  return next;
}

/** The cell of the last position is kept no longer than somebody may be made to wait for having been there. */
export function forgetCellLater({ watch }: UserState, { fraud }: MeetRules, turn: Turn): void {
  const { left } = watch.motion;
  if (left === null) return;
  const forMs = Math.max(0, left.atMs + fraud.waitMsMax - turn.nowMs);
  turn.timer('cell', forMs, { type: 'forgetCell' } satisfies UserMessage);
}

function ended(state: UserState, before: UserState, reason: 'timeout' | 'stopped', turn: Turn): UserState {
  if (!isSeen(before.mode)) return state;
  // what ends by itself is named by its end; ended again by who did not hear that it is stored, it is told once
  const what = before.modeUntilMs > 0 ? `${before.modeUntilMs}` : turn.newId();
  return emit(state, turn, 'sharing.ended', { reason }, what);
}

/** A durable timer of a mode is due; one that was replaced or stopped meanwhile says nothing. Null: of something else. */
export function modeDue(
  state: UserState,
  { name, dueAtMs }: { readonly name: string; readonly dueAtMs: number },
  rules: MeetRules,
  turn: Turn,
): UserState | null {
  if (!isModeTimer(name)) return null;
  turn.reply(ok({}));
  if (state.modeUntilMs !== dueAtMs) {
    // a memory without a time worth the name: it goes on
    if (name === 'hidden' && state.modeUntilMs === 0) rememberMode(state, state.mode, null, rules, turn);
    return state;
  }
  // the timer is removed when its answer has left, and so not before the event is stored
  turn.sample(null);
  const off = { ...wiped(state, rules, turn), mode: 'qr', modeUntilMs: 0, hub: null } as const;
  return ended(off, state, 'timeout', turn);
}

/** At an officer: the civilian has changed the mode, so the position that came with the hey is not to be had any more. */
export function heyWithdrawn(state: UserState, heyId: string, turn: Turn): UserState {
  const hey = state.heys.find(one => one.heyId === heyId);
  return hey && !isBeingAccepted(state, heyId) ? closeHey(state, hey, 'gone', turn) : state;
}
