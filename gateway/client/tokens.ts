/** The usual source of tokens: the one of signing in, renewed over REST before it ends. */
import { wallMs } from './platform.ts';
import type { Granted, RestClient } from './rest.ts';
import { type TokenReason, Unauthorized } from './types.ts';

/** A token that lives no longer than this is renewed before it is used. */
const LEFT_MS = 30_000;

/**
 * What `getToken` of a client may be. A token that the server does not renew any more ends the client (`Unauthorized`):
 * the person has to sign in again. A server that cannot be reached is tried again.
 * @param granted the answer of `signUp` or `signIn`
 * @param keep hears of every renewed token, for apps that stay signed in over restarts
 */
export const tokenSource = (
  rest: Pick<RestClient, 'token'>,
  granted: Granted,
  keep: (granted: Granted) => void = () => {},
): ((reason: TokenReason) => Promise<string>) => {
  let held = granted;
  let endsMs = wallMs() + granted.expiresInS * 1_000;
  return async reason => {
    if (reason === 'connect' && wallMs() < endsMs - LEFT_MS) return held.accessToken;
    const fresh = await rest.token(held.accessToken);
    if (!fresh.ok) throw fresh.retryable ? new Error(fresh.message) : new Unauthorized(fresh.message);
    held = fresh.value;
    endsMs = wallMs() + held.expiresInS * 1_000;
    keep(held);
    return held.accessToken;
  };
};
