/**
 * What an attached phone says, one frame at a time. Positions come first: they are nearly everything a server hears, so
 * their way from bytes to the actor makes no closures and nothing that is not the message itself.
 */
import type { UserMessage } from '../nodes/gatewayPort.ts';
import { encodeServerFrame } from '../protocol/codec.ts';
import { checkLocation } from '../protocol/coordinates.ts';
import { CLOSE, ERROR, refuse } from '../protocol/errors.ts';
import type { ClientFrame } from '../protocol/frames.ts';
import { permits } from './auth/scopes.ts';
import { command } from './commands.ts';
import { type Hub, sendError } from './realtime.ts';
import type { Session } from './session.ts';
import { strike } from './strike.ts';

export type LocationFrame = ClientFrame & { type: 'location' };

/** Handles a frame of an open session. */
export const handleFrame = (hub: Hub, session: Session, frame: ClientFrame, nowMs: number): void => {
  if (session.phase !== 'open') return;
  if (frame.type === 'location') return location(hub, session, frame, nowMs);
  hub.tally.frame(frame.type);
  switch (frame.type) {
    case 'command':
      return command(hub, session, frame, nowMs);
    case 'batch':
      for (const one of frame.frames) handleFrame(hub, session, one, nowMs);
      return;
    case 'hello':
      return session.close(CLOSE.malformed, 'HELLO is said once');
    default:
      return other(hub, session, frame, nowMs);
  }
};

const notForThisKind = refuse(ERROR.forbidden, 'positions are not for this kind of account');

/** Whether a position that came is paid for; a phone that says too many is told so. */
export const payForLocation = (hub: Hub, session: Session, nowMs: number): boolean => {
  hub.tally.position();
  const wait = hub.spending === null ? 0 : hub.spending.spendLocation(session, nowMs);
  if (wait > 0) strike(hub, session, 0, wait, nowMs);
  return wait === 0;
};

const location = (hub: Hub, session: Session, frame: LocationFrame, nowMs: number): void => {
  if (payForLocation(hub, session, nowMs)) takeLocation(hub, session, frame);
};

/** To the actor with a position that is paid for. */
export const takeLocation = (hub: Hub, session: Session, frame: LocationFrame): void => {
  if (!permits(session.identity!.scopes, 'meet')) return sendError(hub, session, 0, notForThisKind);
  const wrong = checkLocation(frame);
  if (wrong !== null) return sendError(hub, session, 0, refuse(ERROR.invalid, wrong));
  // The frame is a Location with a type; the actor reads it as one.
  const message: UserMessage = { type: 'location', session: session.ref!, location: frame };
  hub.options.door.tell(session.user!, message);
};

const other = (
  hub: Hub,
  session: Session,
  frame: ClientFrame & { type: 'ack' | 'ping' | 'pong' | 'clientState' },
  nowMs: number,
): void => {
  const wait = hub.spending === null ? 0 : hub.spending.spend(session, 'other', nowMs);
  if (wait > 0) return strike(hub, session, 0, wait, nowMs);
  const tell = (message: UserMessage): void => hub.options.door.tell(session.user!, message);
  switch (frame.type) {
    case 'ping':
      hub.tally.told('pong');
      return session.send(encodeServerFrame({ type: 'pong', n: frame.n }));
    case 'ack':
      return tell({ type: 'ack', session: session.ref!, offset: frame.offset });
    case 'clientState':
      hub.delivery.foreground(session, frame.foreground);
      return tell({ type: 'clientState', session: session.ref!, foreground: frame.foreground });
    case 'pong':
      return hub.roundTrips.answered(session, frame.n);
  }
};
