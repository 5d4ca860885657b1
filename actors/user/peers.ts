/**
 * Two people with an open hey see whether the other is there: nobody else's presence is told to anybody. The frame is
 * named by the hey, which both know; the officer learns no more of the civilian than his handle.
 *
 * Each side tells its edges, and is asked now and then: the actor of one who died with a node knows no hey of its former life,
 * and nobody else would say that he is gone.
 */
import type { Result } from '../../protocol/errors.ts';
import { encodeVolatile } from '../../protocol/messages.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { PeerAnswer, UserMessage } from '../messages/user.ts';
import type { Turn } from '../turn.ts';
import { type PresenceView, viewOf } from './presence.ts';
import type { UserState } from './state.ts';

/** After an edge of this person's presence. */
export function tellPeers(state: UserState, turn: Turn): void {
  const presence = viewOf(state.presence);
  const tell = (id: string, heyId: string, expiresAtMs: number): void => {
    if (expiresAtMs <= turn.nowMs) return;
    const message: UserMessage = { type: 'peerPresence', heyId, presence };
    turn.tell({ kind: 'user', id }, message);
  };
  for (const { other, heyId, expiresAtMs } of state.heys) tell(other.id, heyId, expiresAtMs);
  for (const { officerId, heyId, expiresAtMs } of state.greeted) tell(officerId, heyId, expiresAtMs);
}

/** The other side's actor says so. What is older than what is known, or of a hey that is over, says nothing. */
export function peerPresence(
  state: UserState,
  { heyId, presence }: UserMessage & { type: 'peerPresence' },
  turn: Turn,
): UserState {
  const isMeant = (one: { heyId: string; expiresAtMs: number; peer: PresenceView | null }): boolean =>
    one.heyId === heyId && one.expiresAtMs > turn.nowMs && (one.peer?.version ?? -1) < presence.version;
  if (![...state.heys.filter(one => one.isShown), ...state.greeted].some(isMeant)) return state;
  turn.push(
    state.sessions.map(session => session.ref),
    frameOf(heyId, presence),
    'volatile',
  );
  return {
    ...state,
    heys: state.heys.map(one => (isMeant(one) ? { ...one, peer: presence } : one)),
    greeted: state.greeted.map(one => (isMeant(one) ? { ...one, peer: presence } : one)),
  };
}

const TAG = 'peer/';
export const isPeerTag = (tag: string): boolean => tag.startsWith(TAG);

/** From here on the other side of this hey is asked, until it is over. */
export const watchPeer = (heyId: string, turn: Turn): void =>
  turn.timer(`peer:${heyId}`, ACTOR_LIMITS.peerAskMs, { type: 'peerAsk', heyId });

export function askPeer(state: UserState, heyId: string, turn: Turn): UserState {
  const isOpen = (one: { heyId: string; expiresAtMs: number }): boolean =>
    one.heyId === heyId && one.expiresAtMs > turn.nowMs;
  const other = state.heys.find(isOpen)?.other.id ?? state.greeted.find(isOpen)?.officerId;
  if (other === undefined) return state;
  watchPeer(heyId, turn);
  turn.ask({ kind: 'user', id: other }, { type: 'presenceAsked' } satisfies UserMessage, TAG + heyId);
  return state;
}

export function peerAnswered(state: UserState, tag: string, result: Result<unknown>, turn: Turn): UserState {
  const presence = result.ok ? (result.value as PeerAnswer).presence : null;
  const heyId = tag.slice(TAG.length);
  const known = [...state.heys, ...state.greeted].find(one => one.heyId === heyId)?.peer;
  // nothing said yet means online
  if (presence === null || presence.state === (known?.state ?? 'online')) return state;
  return peerPresence(state, { type: 'peerPresence', heyId, presence }, turn);
}

/** For a phone that attaches: what is known of those whom it has an open hey with. */
export function peerFrames(state: UserState, nowMs: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (const { heyId, peer, expiresAtMs } of [...state.heys.filter(one => one.isShown), ...state.greeted])
    if (peer !== null && expiresAtMs > nowMs) frames.push(frameOf(heyId, peer));
  return frames;
}

const frameOf = (heyId: string, { state, lastSeenMin, version }: PresenceView): Uint8Array =>
  encodeVolatile('peer.presence', heyId, version, { state, lastSeenMin });
