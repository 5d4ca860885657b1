/**
 * A new token in place of the old one, over the socket that is open: the same person on the same device, or nothing. One
 * at a time for each connection: while a token is being verified, another one is refused, so the last word is always that
 * of the newest request that was taken.
 */
import type { CommandResult } from '../protocol/catalogue.ts';
import { CLOSE, ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import { armToken, tokenLeftS } from './hello.ts';
import type { Hub } from './realtime.ts';
import type { Session } from './session.ts';

const underWay = refuse(ERROR.conflict, 'another renewal of this connection is under way');
const someoneElse = refuse(ERROR.forbidden, 'the token belongs to someone else');
const revoked = refuse(ERROR.unauthorized, 'the token was revoked');

export const renew = async (
  hub: Hub,
  session: Session,
  token: string,
  done: (result: Result<CommandResult<'auth.refresh'>>) => void,
): Promise<void> => {
  const { tokens, revocations, metrics } = hub.options;
  const refused = (result: Result<never>): void => {
    metrics.count('rt_token_refresh_total', { result: 'refused' });
    done(result);
  };
  if (session.renewing) return refused(underWay);
  session.renewing = true;
  const verified = await tokens.verify(token);
  session.renewing = false;
  if (session.phase !== 'open') return;
  if (!verified.ok) return refused(verified);
  const [old, fresh] = [session.identity!, verified.value];
  if (fresh.userId !== old.userId || fresh.deviceId !== old.deviceId) return refused(someoneElse);
  if (revocations.covers(fresh)) {
    refused(revoked);
    return session.close(CLOSE.revoked, 'the token was revoked');
  }
  armToken(hub, session, fresh);
  hub.saw(session);
  metrics.count('rt_token_refresh_total', { result: 'renewed' });
  done(ok({ ttlS: tokenLeftS(hub, fresh) }));
};
