/** Who calls, by the `Authorization` header of a request: the same rule on every port. */
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';
import type { TokenClaims } from './revokedTokens.ts';
import type { Services } from './services.ts';
import { type Identity, SERVICE, type ServiceIdentity, type ServiceTokens, type Tokens } from './tokens.ts';

export interface Verifier {
  readonly tokens: Pick<Tokens, 'verify'>;
  /** Which tokens are no good any more. */
  readonly revocations: { covers(token: TokenClaims): boolean };
}

const BEARER = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i;

const missing = refuse(ERROR.unauthorized, 'an access token is required: Authorization: Bearer');
const revoked = refuse(ERROR.unauthorized, 'the access token was revoked: sign in again');

/** As {@link identify}, for machines; `services` knows which there still are. */
export const identifyService = async (
  {
    tokens,
    revocations,
  }: { readonly tokens: Pick<ServiceTokens, 'verifyService'> } & Pick<Verifier, 'revocations'>,
  services: Pick<Services, 'has'>,
  authorization: string | undefined,
): Promise<Result<ServiceIdentity>> => {
  const match = BEARER.exec(authorization ?? '');
  if (match === null) return missing;
  const verified = await tokens.verifyService(match[1]!);
  if (!verified.ok) return verified;
  const { serviceId: userId, tokenId, issuedAtMs } = verified.value;
  const isEnded = revocations.covers({ userId, deviceId: SERVICE, tokenId, issuedAtMs });
  return isEnded || !services.has(userId) ? revoked : verified;
};

export const identify = async (
  { tokens, revocations }: Verifier,
  authorization: string | undefined,
): Promise<Result<Identity>> => {
  const match = BEARER.exec(authorization ?? '');
  if (match === null) return missing;
  const verified = await tokens.verify(match[1]!);
  if (!verified.ok) return verified;
  return revocations.covers(verified.value) ? revoked : verified;
};
