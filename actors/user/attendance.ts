/**
 * What follows when a person comes, goes quiet, or is gone (presence.ts): the regions keep whoever may come back and offer
 * him to nobody new, whoever is offline leaves the map, and the other side of an open hey is told.
 */
import { ok } from '../../protocol/errors.ts';
import { publishPresence } from '../geo/publish.ts';
import type { PeerAnswer } from '../messages/user.ts';
import type { Turn } from '../turn.ts';
import { presentAround } from './around.ts';
import { tellPeers } from './peers.ts';
import { leaveMap, someoneOf } from './place.ts';
import { askedAfter, dueMs, graceMsOf, judge, viewOf } from './presence.ts';
import type { UserState } from './state.ts';

const TIMER = 'presence';
/** One for all: every quiet phone has this timer. */
const AGAIN = { type: 'presence' } as const;

/** Judges presence anew, after any change of the sessions and when its time has come. */
export function judgePresence(state: UserState, turn: Turn, isGoodbye = false): UserState {
  const { presence: before, sessions } = state;
  const presence = judge(before, sessions, graceMsOf(state.me.kind), turn.nowMs, isGoodbye);
  const next = presence === before ? state : { ...state, presence };
  armPresence(next, turn);
  if (presence.shown !== before.shown) {
    turn.count('rt_presence_edges_total', { to: presence.shown });
    tellPeers(next, turn);
  }
  return presence.state === before.state ? next : onMap(next, before.state === 'grace', turn);
}

/** The other side of an open hey asks. */
export function presenceAsked(state: UserState, turn: Turn): UserState {
  const presence = askedAfter(state.presence, turn.nowMs);
  const next = presence === state.presence ? state : { ...state, presence };
  if (next !== state) armPresence(next, turn);
  const answer: PeerAnswer = { presence: presence.version > 0 ? viewOf(presence) : null };
  turn.reply(ok(answer));
  return next;
}

/** The moment at which presence must be judged again. */
export function armPresence(state: UserState, turn: Turn): void {
  const { presence, sessions, me } = state;
  const atMs = dueMs(presence, sessions, graceMsOf(me.kind), turn.nowMs);
  if (atMs === null) turn.cancelTimer(TIMER);
  else turn.timer(TIMER, Math.max(0, atMs - turn.nowMs), AGAIN);
}

function onMap(state: UserState, wasInGrace: boolean, turn: Turn): UserState {
  const { presence, track } = state;
  if (track === null && state.coarse === null) return state;
  if (presence.state === 'offline') return leaveMap(state, turn);
  const isInGrace = presence.state === 'grace';
  if (isInGrace === wasInGrace) return state;
  const next = track ? { ...state, track: publishPresence(turn, track, !isInGrace) } : state;
  return presentAround(next, someoneOf(state), !isInGrace, turn);
}
