/**
 * What an attached phone says, one frame at a time. Positions come first: they are nearly everything a server hears, so
 * their way from bytes to the actor makes no closures and nothing that is not the message itself.
 */
import { hash } from 'node:crypto';
import type { UserMessage } from '../nodes/gatewayPort.ts';
import type { Span } from '../nodes/ports.ts';
import type { CommandName, CommandResult } from '../protocol/catalogue.ts';
import { encodeServerFrame } from '../protocol/codec.ts';
import { checkLocation } from '../protocol/coordinates.ts';
import { CLOSE, ERROR, type Result, refuse } from '../protocol/errors.ts';
import type { ClientFrame } from '../protocol/frames.ts';
import { encodeError, encodeReply, type OpenedCommand, openCommand } from '../protocol/messages.ts';
import { traceIdOf } from '../protocol/trace.ts';
import { permits } from './auth/scopes.ts';
import { LIMITS } from './limits.ts';
import { type Hub, INTERNAL, sendError } from './realtime.ts';
import { renew } from './renewal.ts';
import type { Session } from './session.ts';

type CommandFrame = ClientFrame & { type: 'command' };
type LocationFrame = ClientFrame & { type: 'location' };

/** A command under way. */
interface Asked {
  readonly cid: number;
  readonly name: CommandName;
  readonly startedMs: number;
  readonly span: Span | null;
}

/** Handles a frame of an open session. */
export const handleFrame = (hub: Hub, session: Session, frame: ClientFrame, nowMs: number): void => {
  if (session.phase !== 'open') return;
  hub.tally.frame(frame.type);
  switch (frame.type) {
    case 'location':
      return location(hub, session, frame, nowMs);
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

/** Refuses for rate; the third time within the window ends the conversation. */
export const strike = (session: Session, cid: number, wait: number, nowMs: number): void => {
  if (nowMs - session.strikeMs > LIMITS.strikeWindowMs) {
    session.strikeMs = nowMs;
    session.strikes = 0;
  }
  if (++session.strikes >= LIMITS.strikes) return session.close(CLOSE.rateLimited, 'too much, too fast');
  sendError(session, cid, refuse(ERROR.rateLimited, 'too much, too fast', Math.ceil(wait)));
};

const location = (hub: Hub, session: Session, frame: LocationFrame, nowMs: number): void => {
  const wait = hub.spending === null ? 0 : hub.spending.spend(session, 'location', nowMs);
  if (wait > 0) return strike(session, 0, wait, nowMs);
  if (!permits(session.identity!.scopes, 'meet')) return sendError(session, 0, notForThisKind);
  const wrong = checkLocation(frame);
  if (wrong !== null) return sendError(session, 0, refuse(ERROR.invalid, wrong));
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
  if (wait > 0) return strike(session, 0, wait, nowMs);
  const tell = (message: UserMessage): void => hub.options.door.tell(session.user!, message);
  switch (frame.type) {
    case 'ping':
      return session.send(encodeServerFrame({ type: 'pong', n: frame.n }));
    case 'ack':
      return tell({ type: 'ack', session: session.ref!, offset: frame.offset });
    case 'clientState':
      hub.delivery.foreground(session, frame.foreground);
      return tell({ type: 'clientState', session: session.ref!, foreground: frame.foreground });
    case 'pong':
      return;
  }
};

const command = (hub: Hub, session: Session, frame: CommandFrame, nowMs: number): void => {
  const opened = openCommand(frame);
  // What cannot be opened costs as much as a command, or a loop of nonsense would be free.
  const wait = hub.spending?.spend(session, opened.ok ? opened.value.command.rate : 'command', nowMs) ?? 0;
  if (wait > 0) return strike(session, frame.cid, wait, nowMs);
  if (!opened.ok) return sendError(session, frame.cid, opened);
  const { name, command: spec } = opened.value;
  if (!permits(session.identity!.scopes, spec.scope)) {
    return sendError(session, frame.cid, refuse(ERROR.forbidden, `${name} is not for this kind of account`));
  }
  const asked: Asked = {
    cid: frame.cid,
    name,
    startedMs: nowMs,
    span: hub.options.tracer?.begin(name, session.trace) ?? null,
  };
  if (opened.value.name === 'auth.refresh') {
    const renewed = (result: Result<CommandResult<'auth.refresh'>>): void =>
      reply(hub, session, asked, result);
    renew(hub, session, opened.value.body.token, renewed).catch(error => hub.broken(session, error));
    return;
  }
  const message: UserMessage = {
    type: 'command',
    session: session.ref!,
    name,
    body: opened.value.body,
    key: spec.mutates ? frame.idem : null,
    requestHash: spec.mutates ? requestHash(opened.value) : null,
  };
  hub.options.door.ask(session.user!, message, result => reply(hub, session, asked, result), {
    timeoutMs: LIMITS.commandMs,
    // with a key it has one effect however often it is heard, so it may follow its actor to another node
    keyed: message.key !== null,
    trace: asked.span?.trace ?? null,
  });
};

/** Fingerprint of what was asked: the same key with another one is a mistake of the client (409). */
const requestHash = ({ command: { code }, body }: OpenedCommand): string =>
  hash('sha256', `${code}\n${JSON.stringify(body)}`, 'hex');

const reply = (hub: Hub, session: Session, asked: Asked, result: Result<unknown>): void => {
  const { cid, name, startedMs, span } = asked;
  const { clock, log, metrics } = hub.options;
  const seconds = (clock.monotonicMs() - startedMs) / 1_000;
  const became = outcome(result);
  metrics.observe('rt_command_seconds', seconds, { op: name, result: became });
  span?.end(became === 'ok' ? undefined : became);
  if (!result.ok && (became === 'failed' || became === 'timeout')) {
    // what may be tried again comes by the thousand when a store is away; what may not is a bug
    const level = result.retryable || became === 'timeout' ? 'debug' : 'warn';
    const { code, message } = result;
    log[level]({ op: name, code, why: message, trace: traceIdOf(span?.trace) }, 'a command failed');
  }
  if (session.phase !== 'open') return;
  if (!result.ok) return session.send(encodeError(cid, result));
  let bytes: Uint8Array;
  try {
    bytes = encodeReply(name, cid, result.value as CommandResult<typeof name>);
  } catch (error) {
    log.error(
      { err: error, op: name, trace: traceIdOf(span?.trace) },
      'an actor answered what the catalogue does not know',
    );
    bytes = encodeError(cid, INTERNAL);
  }
  session.send(bytes);
};

const outcome = (result: Result<unknown>): string => {
  if (result.ok) return 'ok';
  if (result.code === ERROR.timeout) return 'timeout';
  return result.code >= ERROR.internal ? 'failed' : 'refused';
};
