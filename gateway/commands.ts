/**
 * A command on its way: checked here, executed by the user's actor, answered once.
 *
 * The actor may be between two nodes at this moment. When the answer proves that nothing was executed, or the command
 * carries a key so that a repeat has no second effect, it is asked for once more within its time, and the phone hears of
 * it only when that fails too. What becomes unknown without a key is told as unknown. A node that is overloaded is not asked
 * again: the phone hears so at once, and when to come again.
 */
import { hash } from 'node:crypto';
import { isOverloaded, type UserMessage } from '../nodes/gatewayPort.ts';
import type { Span } from '../nodes/ports.ts';
import type { CommandName, CommandResult } from '../protocol/catalogue.ts';
import { ERROR, isUnavailable, type Refusal, type Result, refuse } from '../protocol/errors.ts';
import type { ClientFrame } from '../protocol/frames.ts';
import { encodeError, encodeReply, openCommand } from '../protocol/messages.ts';
import { traceIdOf } from '../protocol/trace.ts';
import { permits } from './auth/scopes.ts';
import { LIMITS } from './limits.ts';
import { type Hub, INTERNAL, sendError } from './realtime.ts';
import { renew } from './renewal.ts';
import type { Session } from './session.ts';
import { strike } from './strike.ts';

type CommandFrame = ClientFrame & { type: 'command' };

/** A command under way. */
interface Asked {
  readonly cid: number;
  readonly name: CommandName;
  readonly startedMs: number;
  readonly span: Span | null;
}

/** Handles a COMMAND: refused here for its rate, its form or its scope, else asked of the actor; answered exactly once. */
export const command = (hub: Hub, session: Session, frame: CommandFrame, nowMs: number): void => {
  const opened = openCommand(frame);
  // What cannot be opened costs as much as a command, or a loop of nonsense would be free.
  const wait = hub.spending?.spend(session, opened.ok ? opened.value.command.rate : 'command', nowMs) ?? 0;
  if (wait > 0) return strike(hub, session, frame.cid, wait, nowMs);
  if (!opened.ok) return sendError(hub, session, frame.cid, opened);
  const { name, command: spec } = opened.value;
  if (!permits(session.identity!.scopes, spec.scope)) {
    return sendError(
      hub,
      session,
      frame.cid,
      refuse(ERROR.forbidden, `${name} is not for this kind of account`),
    );
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
    requestHash: spec.mutates ? requestHash(spec.code, opened.value.body) : null,
  };
  const keyed = message.key !== null;
  const ask = (timeoutMs: number, done: (result: Result<unknown>) => void): void =>
    // with a key it has one effect however often it is heard, so it may follow its actor to another node
    hub.options.door.ask(session.user!, message, done, {
      timeoutMs,
      keyed,
      trace: asked.span?.trace ?? null,
    });
  ask(LIMITS.commandMs, result => {
    const again = !result.ok && session.phase === 'open' && mayRepeat(result, keyed);
    if (!again || !askAgain(hub, session, asked, result, ask)) reply(hub, session, asked, result);
  });
};

/** Fingerprint of what was asked: the same key with another one is a mistake of the client (409). */
export const requestHash = (code: number, body: object): string =>
  hash('sha256', `${code}\n${JSON.stringify(body)}`, 'hex');

/** Whether a repeat is harmless: it was not executed, or it has a key. */
const mayRepeat = (refusal: Refusal, keyed: boolean): boolean => {
  const { code, retryable } = refusal;
  if (!retryable || isOverloaded(refusal)) return false;
  return code === ERROR.unavailable || (code === ERROR.timeout && keyed);
};

/** Asks once more when it is time; false when there is no time left or too many wait for theirs. */
const askAgain = (
  hub: Hub,
  session: Session,
  asked: Asked,
  refusal: Refusal,
  ask: (timeoutMs: number, done: (result: Result<unknown>) => void) => void,
): boolean => {
  const { clock, metrics } = hub.options;
  const atMs = clock.monotonicMs() + Math.max(LIMITS.commandAgainMs, refusal.retryAfterMs);
  const endMs = asked.startedMs + LIMITS.commandMs;
  if (endMs - atMs < LIMITS.commandLeftMs) return false;
  return hub.again.add(atMs, () => {
    const leftMs = endMs - clock.monotonicMs();
    // the phone left, or its command is nobody's concern any more
    if (session.phase !== 'open' || leftMs < LIMITS.commandLeftMs) return reply(hub, session, asked, refusal);
    metrics.count('rt_commands_again_total', { op: asked.name });
    // that it is not executed now says nothing of the first time
    const first = refusal.code === ERROR.timeout ? refusal : null;
    ask(leftMs, result => reply(hub, session, asked, first && isUnavailable(result) ? first : result));
  });
};

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
  if (!result.ok) return sendError(hub, session, cid, result);
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
  hub.tally.told('reply');
  hub.tally.said(bytes.length);
  hub.delivery.say(session, bytes);
};

const outcome = (result: Result<unknown>): string => {
  if (result.ok) return 'ok';
  if (result.code === ERROR.timeout) return 'timeout';
  return result.code >= ERROR.internal ? 'failed' : 'refused';
};
