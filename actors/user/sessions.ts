/** The sockets of a user: attach, resume or snapshot, detach; and how an event reaches the phones. */

import { CLOSE, ERROR, ok, type Refusal, refuse } from '../../protocol/errors.ts';
import { encodeEvent, encodeVolatile } from '../../protocol/messages.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { Attached, UserMessage } from '../messages/user.ts';
import type { SessionRef, Turn } from '../turn.ts';
import { acknowledged, announce } from './offlineScan.ts';
import { since } from './outbox.ts';
import type { Area, Session, UserState } from './state.ts';

const same = (a: SessionRef, b: SessionRef): boolean => a.id === b.id && a.gateway === b.gateway;

/** Whether a socket is attached now. One that was replaced, or that an earlier activation knew, is not. */
export const isAttached = (state: UserState, ref: SessionRef): boolean =>
  state.sessions.some(session => same(session.ref, ref));

export const refs = (sessions: readonly Session[]): SessionRef[] => sessions.map(session => session.ref);

/** Unix seconds of a town time. */
export const seconds = (ms: number): number => Math.floor(ms / 1_000);

export function snapshotFrame(state: UserState, turn: Turn): Uint8Array {
  return encodeEvent('snapshot', state.outbox.offset, turn.newId(), {
    userId: state.me.id,
    kind: state.me.kind,
    handle: state.me.handle,
    sharing: state.sharing,
    sharingUntilS: seconds(state.sharingUntilMs),
    instant: state.instant,
    balance: state.balance,
    balanceVersion: state.balanceVersion,
    encounterCount: state.encounterCount,
    encounters: state.encounters.map(({ id, method, otherHandle, points, atMs }) => ({
      encounterId: id,
      method,
      otherHandle,
      points,
      atS: seconds(atMs),
    })),
  });
}

/** Who can be greeted in a cell; a nil body when nobody can. */
export function areaFrame({ cell, version, officers }: Area): Uint8Array {
  const body = { cell, officers: officers.map(({ id, handle }) => ({ officerId: id, handle })) };
  return encodeVolatile('area.officers', cell, version, officers.length > 0 ? body : null);
}

export function attach(state: UserState, message: UserMessage & { type: 'attach' }, turn: Turn): UserState {
  if (message.deviceId !== state.me.deviceId) {
    turn.reply(refuse(ERROR.forbidden, 'this account lives on another device'));
    return state;
  }
  const older = state.sessions.filter(session => session.deviceId === message.deviceId);
  if (
    older.some(
      session => session.ref.gateway === message.session.gateway && session.connSeq > message.connSeq,
    )
  ) {
    turn.reply(refuse(ERROR.conflict, 'a newer connection of this device is attached'));
    return state;
  }
  const others = state.sessions.filter(session => session.deviceId !== message.deviceId);
  if (others.length >= ACTOR_LIMITS.sessions) {
    turn.reply(refuse(ERROR.conflict, 'too many sessions'));
    return state;
  }
  turn.close(refs(older), CLOSE.replaced, 'replaced by a newer connection');
  turn.cancelTimer('gone');
  const { resume } = message;
  const missed = resume && since(state.outbox, resume.epoch, resume.offset);
  const frames = missed ? [...missed] : [snapshotFrame(state, turn)];
  for (const area of state.areas) if (area.officers.length > 0) frames.push(areaFrame(area));
  const { epoch, offset } = state.outbox;
  const attached: Attached = { epoch, offset, resumed: missed !== null, frames };
  turn.reply(ok(attached));
  const session: Session = {
    ref: message.session,
    deviceId: message.deviceId,
    connSeq: message.connSeq,
    foreground: true,
    acked: resume?.offset ?? offset,
  };
  const next = announce({ ...state, sessions: [...others, session], locationSeq: -1 }, turn);
  // a resume says what arrived, like an acknowledgement
  return resume && attached.resumed ? acknowledged(next, resume.offset, turn) : next;
}

/** A late detach of a connection that was replaced meanwhile names a session that is not there any more. */
export function detach(state: UserState, message: UserMessage & { type: 'detach' }, turn: Turn): UserState {
  const sessions = state.sessions.filter(session => !same(session.ref, message.session));
  if (sessions.length === state.sessions.length) return state;
  if (sessions.length === 0) turn.timer('gone', ACTOR_LIMITS.goneMs, { type: 'gone' });
  return { ...state, sessions };
}

/** A gateway asks whether a session is attached, because the actor may have died without telling it. */
export function probed(state: UserState, session: SessionRef, turn: Turn): UserState {
  if (isAttached(state, session)) turn.reply(ok({}));
  else turn.reply(resync(session, turn));
  return state;
}

/**
 * This actor knows nothing of the session: it was replaced, or attached to an actor that died. The phone, if it is still
 * there, must connect again; its commands are safe to repeat.
 */
export function resync(session: SessionRef, turn: Turn): Refusal {
  turn.close([session], CLOSE.resyncNeeded, 'this session is over, connect again');
  return refuse(ERROR.unavailable, 'this session is over, connect again');
}

export function change(state: UserState, ref: SessionRef, with_: Partial<Session>): UserState {
  return {
    ...state,
    sessions: state.sessions.map(session => (same(session.ref, ref) ? { ...session, ...with_ } : session)),
  };
}
