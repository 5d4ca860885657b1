/** What happens to whoever says too much, too fast. */
import { CLOSE, ERROR, refuse } from '../protocol/errors.ts';
import { LIMITS } from './limits.ts';
import { type Hub, sendError } from './realtime.ts';
import type { Session } from './session.ts';

/** Refuses for rate; the third time within the window ends the conversation. */
export const strike = (
  hub: Pick<Hub, 'tally' | 'delivery'>,
  session: Session,
  cid: number,
  wait: number,
  nowMs: number,
): void => {
  if (nowMs - session.strikeMs > LIMITS.strikeWindowMs) {
    session.strikeMs = nowMs;
    session.strikes = 0;
  }
  if (++session.strikes >= LIMITS.strikes) return session.close(CLOSE.rateLimited, 'too much, too fast');
  sendError(hub, session, cid, refuse(ERROR.rateLimited, 'too much, too fast', Math.ceil(wait)));
};
