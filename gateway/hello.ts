/**
 * From the first frame to WELCOME. The token says who speaks; nothing in a frame does. The actor is asked to attach the
 * session before anything is promised, and what it pushes meanwhile waits, so that a phone hears in this order: WELCOME,
 * what it missed (or a snapshot), what happens from now on.
 */
import type { Attached, UserMessage } from '../nodes/gatewayPort.ts';
import { PROTOCOL_VERSION } from '../protocol/catalogue.ts';
import { encodeServerFrame } from '../protocol/codec.ts';
import { CLOSE, ERROR, type Refusal, type Result } from '../protocol/errors.ts';
import type { ClientFrame } from '../protocol/frames.ts';
import type { Identity } from './auth/tokens.ts';
import { LIMITS, returnMs } from './limits.ts';
import type { Hub } from './realtime.ts';
import type { Session } from './session.ts';

type Hello = ClientFrame & { type: 'hello' };

/** When to ask for a new token, and from when the old one is no good, on the monotonic clock. */
export const armToken = (hub: Hub, session: Session, identity: Identity): void => {
  const { clock, wallMs } = hub.options;
  const lifeMs = identity.expiresAtMs - identity.issuedAtMs;
  const warnAtMs = identity.issuedAtMs + lifeMs * LIMITS.tokenWarnShare;
  session.identity = identity;
  session.warned = false;
  session.deadlineMs = clock.monotonicMs() + Math.max(0, warnAtMs - wallMs());
};

/** Seconds until the token of this session expires; 0 when it has. */
export const tokenLeftS = (hub: Hub, identity: Identity): number =>
  Math.max(0, Math.round((identity.expiresAtMs - hub.options.wallMs()) / 1_000));

/** Handles the first frame. */
export const hello = async (hub: Hub, session: Session, frame: Hello): Promise<void> => {
  const { tokens, moves } = hub.options;
  if (frame.version !== PROTOCOL_VERSION) {
    return session.close(CLOSE.unsupportedVersion, `version ${PROTOCOL_VERSION} is spoken here`);
  }
  session.phase = 'verifying';
  const verified = await tokens.verify(frame.token);
  if (session.phase !== 'verifying') return;
  if (!verified.ok) {
    const code = verified.code === ERROR.tokenExpired ? CLOSE.tokenExpired : CLOSE.badToken;
    return session.close(code, verified.message);
  }
  const identity = verified.value;
  if (identity.deviceId !== frame.deviceId) {
    return session.close(CLOSE.badToken, 'the token belongs to another device');
  }
  if (moves.left(identity.userId, identity.deviceId)) {
    return session.close(CLOSE.revoked, 'the account moved to another device');
  }
  if (hub.attaching >= LIMITS.attachingMax) return session.close(CLOSE.overloaded, 'try again later');
  session.phase = 'attaching';
  session.user = { kind: 'user', id: identity.userId };
  session.resume = frame.resume;
  armToken(hub, session, identity);
  attach(hub, session);
};

/** Asks the actor. Each time under a name of its own: an earlier ask may have been heard all the same. */
export const attach = (hub: Hub, session: Session): void => {
  const { door, gatewayId, randomId } = hub.options;
  const { identity, user, resume } = session;
  if (identity === null || user === null) return;
  hub.unregister(session);
  session.ref = { gateway: gatewayId, id: randomId() };
  session.connSeq = hub.nextConnSeq();
  hub.register(session);
  hub.attaching++;
  const message: UserMessage = {
    type: 'attach',
    session: session.ref,
    deviceId: identity.deviceId,
    connSeq: session.connSeq,
    resume,
  };
  const span = hub.options.tracer?.begin('attach', session.trace) ?? null;
  const answered = (result: Result<unknown>): void => {
    hub.attaching--;
    span?.end(result.ok ? undefined : result.message);
    try {
      welcome(hub, session, result as Result<Attached>);
    } catch (error) {
      hub.broken(session, error);
    }
  };
  door.ask(user, message, answered, { timeoutMs: LIMITS.attachMs, trace: span?.trace ?? null });
};

/** The close code that tells a client what to do about a refused attach. */
const closeFor = (refusal: Refusal): number => {
  if (refusal.retryable) return CLOSE.overloaded;
  switch (refusal.code) {
    case ERROR.notFound:
    case ERROR.unauthorized:
      return CLOSE.badToken;
    case ERROR.forbidden:
    case ERROR.gone:
      return CLOSE.revoked;
    case ERROR.conflict:
      return CLOSE.replaced;
    default:
      return CLOSE.internal;
  }
};

const welcome = (hub: Hub, session: Session, result: Result<Attached>): void => {
  const { identity, ref } = session;
  if (session.phase !== 'attaching' || identity === null || ref === null) return;
  const { clock, metrics } = hub.options;
  if (!result.ok) {
    const nowMs = clock.monotonicMs();
    const again = result.retryable && !hub.leaving && nowMs - session.openedMs < LIMITS.attachTotalMs;
    if (again) hub.attachAt(session, nowMs + Math.max(LIMITS.attachRetryMs, result.retryAfterMs));
    // whoever leaves sends nobody into a long backoff: there are others
    else if (result.retryable && hub.leaving) session.close(CLOSE.restart, 'restart');
    else session.close(closeFor(result), result.message);
    return;
  }
  session.resume = null;
  const { epoch, offset, resumed, frames } = result.value;
  const first = encodeServerFrame({
    type: 'welcome',
    version: PROTOCOL_VERSION,
    sessionId: ref.id,
    epoch,
    offset,
    resumed,
    nowMs: clock.nowMs(),
    config: {
      pingS: LIMITS.pingS,
      maxBytes: LIMITS.inboundBytes,
      tokenTtlS: tokenLeftS(hub, identity),
      reconnectJitterMs: returnMs(hub.size),
    },
  });
  const queued = session.queue;
  session.queue = null;
  session.phase = 'open';
  session.socket.cork(() => {
    session.send(first);
    for (const frame of frames) session.send(frame);
    if (queued !== null) for (const frame of queued) session.send(frame);
  });
  metrics.observe('rt_handshake_seconds', (clock.monotonicMs() - session.openedMs) / 1_000);
};
