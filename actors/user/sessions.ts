/** The sockets of a user: attach, resume or snapshot, detach; and how an event reaches the phones. */

import { hasSeveralDevices } from '../../protocol/catalogue.ts';
import { CLOSE, ERROR, ok, type Refusal, refuse } from '../../protocol/errors.ts';
import { encodeEvent, encodeVolatile } from '../../protocol/messages.ts';
import { displaced } from '../fraud/watch.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { Attached, UserMessage } from '../messages/user.ts';
import type { MeetRules } from '../rules.ts';
import type { SessionRef, Turn } from '../turn.ts';
import { judgePresence } from './attendance.ts';
import { acknowledged, announce } from './offlineScan.ts';
import { since } from './outbox.ts';
import { peerFrames } from './peers.ts';
import { setAside } from './redemption.ts';
import type { Area, Session, UserState } from './state.ts';
import { catchesUp } from './stream.ts';

type Attach = UserMessage & { type: 'attach' };

const same = (a: SessionRef, b: SessionRef): boolean => a.id === b.id && a.gateway === b.gateway;

/** The session of a socket that is attached now. One that was replaced, or that an earlier activation knew, is not. */
export const sessionOf = (state: UserState, ref: SessionRef): Session | undefined =>
  state.sessions.find(session => same(session.ref, ref));

/** Whether the socket is one of the person now. */
export const isAttached = (state: UserState, ref: SessionRef): boolean => sessionOf(state, ref) !== undefined;

/** Where events for these sessions are pushed to. */
export const refs = (sessions: readonly Session[]): SessionRef[] => sessions.map(session => session.ref);

/** Unix seconds of a town time. */
export const seconds = (ms: number): number => Math.floor(ms / 1_000);

/** The whole state of the person as an event, of the newest offset: what a phone gets that cannot be resumed. */
export function snapshotFrame(state: UserState, turn: Turn): Uint8Array {
  const outbox = state.outbox.now;
  return encodeEvent('snapshot', outbox.offset, turn.newId(), {
    userId: state.me.id,
    kind: state.me.kind,
    handle: state.me.handle,
    sharing: state.mode === 'coarse' || state.mode === 'precise',
    sharingUntilS: seconds(state.modeUntilMs),
    instant: state.instant,
    balance: outbox.balance,
    balanceVersion: outbox.balanceVersion,
    encounterCount: state.encounterCount,
    encounters: state.encounters.map(({ id, method, otherHandle, points, atMs }) => ({
      encounterId: id,
      method,
      otherHandle,
      points,
      atS: seconds(atMs),
    })),
    mode: state.mode,
    hub: state.hub?.name ?? null,
    reserved: setAside(state.spending),
    redemptions: [...state.spending.open]
      .sort((a, b) => a.expiresAtMs - b.expiresAtMs)
      .map(({ id, offer, title, quantity, points, code, expiresAtMs }) => ({
        redemptionId: id,
        offerId: offer,
        title,
        quantity,
        points,
        code,
        expiresS: seconds(expiresAtMs),
      })),
  });
}

/** Who can be greeted in an area; a nil body when nobody can. */
export function areaFrame({ area, version, officers }: Area): Uint8Array {
  const body = { cell: area, officers: officers.map(({ id, handle }) => ({ officerId: id, handle })) };
  return encodeVolatile('area.officers', area, version, officers.length > 0 ? body : null);
}

/** Which hubs are open in an area; a nil body when none is. */
export function hubsFrame({ area, version, hubs }: Area): Uint8Array {
  const body = { cell: area, hubs: hubs.map(({ id, name }) => ({ hubId: id, name })) };
  return encodeVolatile('area.hubs', area, version, hubs.length > 0 ? body : null);
}

/**
 * Whether an attach is of an older connection than the one that this device has, or had last.
 *
 * Connections are numbered by the clocks of their gateways, which differ a little. So a number alone refuses nobody for
 * long: a connection that resumes the very session that is here was made by a phone that knew it, hence later, whatever
 * the clocks say; and an attach that comes longer after the newest one than any attach is under way is newer, too.
 */
const isLate = (latest: Session, { connSeq, resume }: Attach, nowMs: number): boolean =>
  connSeq < latest.newest &&
  resume?.sessionId !== latest.ref.id &&
  nowMs - latest.sinceMs < ACTOR_LIMITS.lateAttachMs;

/**
 * A socket of a device of this person: answered with {@link Attached}, what was missed or a snapshot, or refused. The socket
 * that the device had is closed.
 */
export function attach(state: UserState, message: Attach, rules: MeetRules, turn: Turn): UserState {
  const { deviceId, connSeq, resume } = message;
  const { nowMs } = turn;
  if (deviceId !== state.me.deviceId && !hasSeveralDevices(state.me.kind)) {
    turn.reply(refuse(ERROR.forbidden, 'this account lives on another device'));
    return state;
  }
  const ofDevice = (session: Session): boolean => session.deviceId === deviceId;
  const older = state.sessions.find(ofDevice);
  const latest = older ?? state.devicesAway.find(ofDevice);
  if (latest && isLate(latest, message, nowMs)) {
    turn.reply(refuse(ERROR.unavailable, 'a newer connection of this device was attached', 1_000));
    return state;
  }
  const others = state.sessions.filter(session => session !== older);
  if (others.length >= ACTOR_LIMITS.sessions) {
    turn.reply(refuse(ERROR.conflict, 'too many devices are attached'));
    return state;
  }
  const reading = catchesUp(state, resume, turn);
  if (reading !== null) {
    turn.reply(refuse(ERROR.unavailable, 'this phone has heard more than is known here, try again', 100));
    return reading;
  }
  if (older) turn.close([older.ref], CLOSE.replaced, 'replaced by a newer connection');
  const missed = resume && since(state.outbox.now, resume.epoch, resume.offset);
  const frames = missed ? [...missed] : [snapshotFrame(state, turn)];
  for (const area of state.areas) {
    if (area.officers.length > 0) frames.push(areaFrame(area));
    if (area.hubs.length > 0) frames.push(hubsFrame(area));
  }
  frames.push(...peerFrames(state, nowMs));
  const { epoch, offset } = state.outbox.now;
  const attached: Attached = {
    epoch,
    offset,
    resumed: missed !== null,
    ...(resume && missed === null && { lost: resume.epoch === epoch ? 'too_old' : 'epoch_mismatch' }),
    frames,
  };
  turn.reply(ok(attached));
  // A device that lost its socket and comes back goes on as it was: its return says nothing of the person.
  const goesOn = state.presence.state === 'offline' ? undefined : latest;
  const isLower = latest !== undefined && nowMs - latest.sinceMs < ACTOR_LIMITS.lateAttachMs;
  const session: Session = {
    ref: message.session,
    deviceId,
    connSeq,
    newest: isLower ? Math.max(latest.newest, connSeq) : connSeq,
    foreground: message.foreground ?? true,
    // a snapshot stands for everything up to it; what a phone claims beyond our events is no cursor
    acked: resume && missed ? resume.offset : offset,
    sinceMs: nowMs,
    heardMs: goesOn?.foreground ? goesOn.heardMs : nowMs,
    activeFromMs: goesOn?.foreground === false ? nowMs + ACTOR_LIMITS.returnedMs : 0,
  };
  const devicesAway = state.devicesAway.filter(one => !ofDevice(one));
  // who knows the session that was here is the same phone, back sooner than the loss of its socket was noticed
  const isTwin = older !== undefined && resume?.sessionId !== older.ref.id;
  const watch = isTwin ? displaced(state.watch, nowMs - older.heardMs, nowMs, rules.fraud) : state.watch;
  const there = { ...state, sessions: [...others, session], devicesAway, watch, locationSeq: -1, periodS: 0 };
  const next = announce(judgePresence(there, turn), turn);
  // a resume says what arrived, like an acknowledgement
  return resume && attached.resumed ? acknowledged(next, resume.offset, turn) : next;
}

/** A late detach of a connection that was replaced meanwhile names a session that is not there any more. */
export function detach(state: UserState, message: UserMessage & { type: 'detach' }, turn: Turn): UserState {
  const { session: ref, connSeq, bye = false } = message;
  const session = sessionOf(state, ref);
  if (!session || (connSeq !== 0 && connSeq !== session.connSeq)) return state;
  // a connection that ended by its own word is not attached again by an ask of it that is still under way
  const newest = connSeq === 0 ? session.newest : Math.max(session.newest, connSeq + 1);
  return endSessions(state, [{ ...session, newest }], turn, bye);
}

/** These sessions are over; their devices are away. */
export function endSessions(
  state: UserState,
  over: readonly Session[],
  turn: Turn,
  isGoodbye: boolean,
): UserState {
  if (over.length === 0) return state;
  const isOver = (one: Session): boolean => over.some(({ deviceId }) => deviceId === one.deviceId);
  const sessions = state.sessions.filter(one => !isOver(one));
  const away = over.map(one => ({ ...one, sinceMs: turn.nowMs }));
  const devicesAway = [...state.devicesAway, ...away].slice(-ACTOR_LIMITS.devicesAway);
  return judgePresence({ ...state, sessions, devicesAway }, turn, isGoodbye);
}

/**
 * Something of the client's own came. A position, a command, an acknowledgement; PING and PONG are answered by the gateway
 * and count for nothing, because they come by themselves.
 */
export function heard(state: UserState, session: Session, turn: Turn): UserState {
  if (turn.nowMs - session.heardMs < ACTOR_LIMITS.heardStepMs) return state;
  const next = change(state, session, { ...session, heardMs: turn.nowMs });
  return state.presence.state === 'online' || !session.foreground ? next : judgePresence(next, turn);
}

/** The app went to the background, or came back. */
export function clientState(state: UserState, session: Session, foreground: boolean, turn: Turn): UserState {
  const now = { ...session, foreground, heardMs: turn.nowMs, activeFromMs: 0 };
  return judgePresence(change(state, session, now), turn);
}

/** Everything up to this event reached the app on this device. It never goes back, whatever comes late. */
export function acked(state: UserState, session: Session, upTo: number, turn: Turn): UserState {
  const outbox = state.outbox.now;
  const offset = Math.max(session.acked, Math.min(upTo, outbox.offset));
  if (offset === session.acked) return acknowledged(heard(state, session, turn), offset, turn);
  const oldestMs = outbox.ring.atMsAfter(session.acked, offset);
  if (oldestMs !== undefined)
    turn.observe('rt_event_ack_lag_seconds', Math.max(0, turn.nowMs - oldestMs) / 1_000);
  const now = { ...session, acked: offset };
  return acknowledged(heard(change(state, session, now), now, turn), offset, turn);
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
  turn.close([session], CLOSE.moved, 'this session is over, connect again');
  return refuse(ERROR.unavailable, 'this session is over, connect again');
}

function change(state: UserState, session: Session, now: Session): UserState {
  return { ...state, sessions: state.sessions.map(one => (one === session ? now : one)) };
}
