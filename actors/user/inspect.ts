/** What an operator sees of a user actor, and may end. Never a place, never what was said (realtime study 4.11). */
import { CLOSE, ERROR, ok, refuse } from '../../protocol/errors.ts';
import type { UserInspection, UserMessage } from '../messages/user.ts';
import type { Turn } from '../turn.ts';
import { endSessions, refs } from './sessions.ts';
import type { UserState } from './state.ts';

/** Answers with what an operator may see of the person. */
export function inspect(state: UserState, turn: Turn): UserState {
  const { epoch, offset, ring, balanceVersion } = state.outbox.now;
  const unackedMs = (acked: number): number => {
    const oldestMs = ring.atMsAfter(acked);
    return oldestMs === undefined ? 0 : Math.max(0, turn.nowMs - oldestMs);
  };
  const inspection: UserInspection = {
    userId: state.me.id,
    kind: state.me.kind,
    epoch,
    offset,
    ring: { events: ring.length, bytes: ring.bytes },
    presence: state.presence,
    balanceVersion,
    sessions: state.sessions.map(({ deviceId, ref, connSeq, foreground, sinceMs, heardMs, acked }) => ({
      deviceId,
      gateway: ref.gateway,
      sessionId: ref.id,
      connSeq,
      foreground,
      attachedMs: sinceMs,
      heardMs,
      acked,
      unackedMs: unackedMs(acked),
    })),
    devicesAway: state.devicesAway.map(({ deviceId, sinceMs, acked }) => ({
      deviceId,
      sinceMs,
      acked,
      unackedMs: unackedMs(acked),
    })),
  };
  turn.reply(ok(inspection));
  return state;
}

const CODES: ReadonlySet<number> = new Set(Object.values(CLOSE));

/** Ends sockets. With a code that tells the client to stay away (4000 to 4099) there is no grace. */
export function disconnect(
  state: UserState,
  { code, deviceId }: UserMessage & { type: 'disconnect' },
  turn: Turn,
): UserState {
  if (!CODES.has(code)) {
    turn.reply(refuse(ERROR.invalid, `${code} is no close code of ours`));
    return state;
  }
  const over = state.sessions.filter(session => deviceId === undefined || session.deviceId === deviceId);
  turn.close(refs(over), code, 'closed by an operator');
  turn.reply(ok({ closed: over.length }));
  return endSessions(state, over, turn, code >= 4_000 && code < 4_100);
}
