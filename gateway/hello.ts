/**
 * From the first frame to WELCOME. The token says who speaks; nothing in a frame does. The actor is asked to attach the
 * session before anything is promised, and what it pushes meanwhile waits, so that a phone hears in this order: WELCOME,
 * what it missed (or a snapshot), what happens from now on.
 */
import type { Attached, UserMessage } from '../nodes/gatewayPort.ts';
import { PROTOCOL_VERSION } from '../protocol/catalogue.ts';
import { encodeServerFrame } from '../protocol/codec.ts';
import { CLOSE, ERROR, ok, type Refusal, type Result, refuse } from '../protocol/errors.ts';
import type { ClientFrame } from '../protocol/frames.ts';
import type { Identity } from './auth/tokens.ts';
import { LIMITS, returnMs } from './limits.ts';
import type { Hub } from './realtime.ts';
import { refOf, type Session } from './session.ts';

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
  const { tokens, revocations } = hub.options;
  if (frame.version !== PROTOCOL_VERSION) {
    return session.close(CLOSE.unsupportedVersion, `version ${PROTOCOL_VERSION} is spoken here`);
  }
  const { bearer = null } = session.socket;
  session.phase = 'verifying';
  const verified = bearer !== null && frame.token === '' ? ok(bearer) : await tokens.verify(frame.token);
  if (session.phase !== 'verifying') return;
  if (!verified.ok) {
    const code = verified.code === ERROR.tokenExpired ? CLOSE.tokenExpired : CLOSE.badToken;
    return session.close(code, verified.message);
  }
  const identity = verified.value;
  if (bearer !== null && (bearer.userId !== identity.userId || bearer.deviceId !== identity.deviceId)) {
    return session.close(CLOSE.badToken, 'the handshake was made with the token of someone else');
  }
  if (identity.deviceId !== frame.deviceId) {
    return session.close(CLOSE.badToken, 'the token belongs to another device');
  }
  // Also of a token that was good when the handshake was made: it may have been revoked since.
  if (revocations.covers(identity)) {
    return session.close(CLOSE.revoked, 'the token was revoked');
  }
  hub.admission.authenticated(session, identity.userId);
  session.phase = 'attaching';
  session.user = { kind: 'user', id: identity.userId };
  session.app = hub.appOf(frame.app);
  // A session is resumed by its owner only; whoever names another one gets its own state, as after a long absence.
  session.foreign = frame.resume !== null && !hub.options.sessionIds.owns(frame.resume.sessionId, identity);
  session.resume = session.foreign ? null : frame.resume;
  // once: an ask that is repeated is of no younger connection
  session.connSeq = hub.nextConnSeq();
  armToken(hub, session, identity);
  attach(hub, session);
};

/** Whose token this is, unless it was revoked. */
export const recognise = async (hub: Hub, token: string): Promise<Result<Identity>> => {
  const { tokens, revocations } = hub.options;
  const verified = await tokens.verify(token);
  if (!verified.ok) return verified;
  return revocations.covers(verified.value) ? refuse(ERROR.unauthorized, 'the token was revoked') : verified;
};

/** Asks the actor, now or when it is this session's turn; a crowd that is longer than the line is sent away. */
export const attach = (hub: Hub, session: Session): void => {
  // nobody is attached here any more: there are others
  if (hub.leaving) return session.close(CLOSE.restart, 'restart');
  const turn = hub.attaches.enter(session);
  if (turn === 'full') session.close(CLOSE.overloaded, 'try again later');
  else if (turn === 'now') ask(hub, session);
};

/** Each time under a name of its own: an earlier ask may have been heard all the same. */
const ask = (hub: Hub, session: Session): void => {
  const { door, gatewayId, sessionIds, revocations } = hub.options;
  const { resume } = session;
  const [identity, user] = [session.identity!, session.user!];
  // it may have been revoked while the session stood in line
  if (revocations.covers(identity)) {
    session.close(CLOSE.revoked, 'the token was revoked');
    return hub.attaches.answered(one => ask(hub, one));
  }
  hub.unregister(session);
  session.ref = refOf(gatewayId, sessionIds.mint(identity), session);
  hub.register(session);
  // what was said under the earlier name stands in what this ask is answered with
  session.queue = null;
  session.queuedBytes = 0;
  const message: UserMessage = {
    type: 'attach',
    session: session.ref,
    deviceId: identity.deviceId,
    connSeq: session.connSeq,
    resume,
  };
  const span = hub.options.tracer?.begin('attach', session.trace) ?? null;
  let done = false;
  const over = (): void => {
    if (done) return;
    done = true;
    hub.attaches.answered(one => ask(hub, one));
  };
  const answered = (result: Result<unknown>): void => {
    span?.end(result.ok ? undefined : result.message);
    try {
      welcome(hub, session, result as Result<Attached>);
    } catch (error) {
      hub.broken(session, error);
    }
    over();
  };
  try {
    door.ask(user, message, answered, { timeoutMs: LIMITS.attachMs, trace: span?.trace ?? null });
  } catch (error) {
    hub.broken(session, error);
    over();
  }
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
      return CLOSE.tooManySessions;
    default:
      return CLOSE.internal;
  }
};

/** What a phone got: all that it missed, or its state, and why. `full`: it did not ask to resume. */
const resumption = ({ foreign, resume }: Session, { resumed, lost }: Attached): string => {
  if (foreign) return 'foreign';
  if (resume === null) return 'full';
  return resumed ? 'replayed' : (lost ?? 'snapshot');
};

const welcome = (hub: Hub, session: Session, result: Result<Attached>): void => {
  const { identity, ref } = session;
  if (session.phase !== 'attaching' || identity === null || ref === null) return;
  const { clock, metrics } = hub.options;
  if (!result.ok) {
    const nowMs = clock.monotonicMs();
    const isCutOff = hub.options.serving?.() === false;
    const patienceMs = isCutOff ? LIMITS.attachCutOffMs : LIMITS.attachTotalMs;
    const again = result.retryable && !hub.leaving && nowMs - session.openedMs < patienceMs;
    if (again) hub.attachAt(session, nowMs + Math.max(LIMITS.attachRetryMs, result.retryAfterMs));
    // whoever leaves sends nobody into a long backoff: there are others
    else if (result.retryable && hub.leaving) session.close(CLOSE.restart, 'restart');
    else if (result.retryable && isCutOff) session.close(CLOSE.moved, 'this node is cut off, connect again');
    else session.close(closeFor(result), result.message);
    return;
  }
  metrics.count('rt_resume_total', { result: resumption(session, result.value) });
  if (result.value.resumed) metrics.observe('rt_replayed_events', result.value.frames.length);
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
      reconnectJitterMs: returnMs(hub.size, hub.admission.welcomePerS),
    },
  });
  hub.tally.told('welcome');
  hub.tally.replayed(frames.length);
  hub.delivery.begin(session, first, frames);
  hub.saw(session);
  metrics.observe('rt_handshake_seconds', (clock.monotonicMs() - session.openedMs) / 1_000);
};
