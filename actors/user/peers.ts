/**
 * Two people with an open hey see whether the other is there: nobody else's presence is told to anybody. The frame is
 * named by the hey, which both know; the officer learns no more of the civilian than his handle.
 */
import { encodeVolatile } from '../../protocol/messages.ts';
import type { UserMessage } from '../messages/user.ts';
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

/** For a phone that attaches: what is known of those whom it has an open hey with. */
export function peerFrames(state: UserState, nowMs: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (const { heyId, peer, expiresAtMs } of [...state.heys.filter(one => one.isShown), ...state.greeted])
    if (peer !== null && expiresAtMs > nowMs) frames.push(frameOf(heyId, peer));
  return frames;
}

const frameOf = (heyId: string, { state, lastSeenMin, version }: PresenceView): Uint8Array =>
  encodeVolatile('peer.presence', heyId, version, { state, lastSeenMin });
