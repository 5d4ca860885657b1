/** The account moves to another device: what the old one had ends at once. */
import { CLOSE, ok, type Result } from '../../protocol/errors.ts';
import type { UserRecord } from '../queries.ts';
import type { Turn } from '../turn.ts';
import { endSessions, refs } from './sessions.ts';
import type { UserState } from './state.ts';

/** Tag of the read after the move; keys of commands are UUIDs and never this. */
export const DEVICE_READ = 'device';

/** Sockets of the old device end at once; the new device's number, which its codes carry, is read from the store. */
export function deviceMoved(state: UserState, deviceId: string, turn: Turn): UserState {
  const old = state.sessions.filter(session => session.deviceId !== deviceId);
  turn.close(refs(old), CLOSE.revoked, 'the account moved to another device');
  turn.query({ type: 'user', id: state.me.id }, DEVICE_READ);
  turn.reply(ok({}));
  return endSessions({ ...state, me: { ...state.me, deviceId, deviceNumber: null } }, old, turn, true);
}

export function deviceRead(state: UserState, result: Result<unknown>, turn: Turn): UserState {
  if (!result.ok) {
    // Without the number no code of the new device is right: start again from the store.
    turn.close(refs(state.sessions), CLOSE.moved, 'state was reloaded, connect again');
    turn.passivate();
    return endSessions(state, state.sessions, turn, true);
  }
  const { deviceId, deviceNumber } = result.value as UserRecord;
  return { ...state, me: { ...state.me, deviceId, deviceNumber } };
}
