/**
 * Access tokens: EdDSA JWTs (RFC 9068) that say who, on which device, with which scopes, and that any door verifies
 * without asking a database. What is accepted is a closed list: the algorithm, the issuer, the audience, the type, a
 * key that we published; everything else is refused with one sentence, and the reason is not told to the caller.
 */
import { type KeyObject, randomUUID } from 'node:crypto';
import { errors, type JSONWebKeySet, type JWSHeaderParameters, jwtVerify, SignJWT } from 'jose';
import { ACCOUNT_KINDS, type AccountKind } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { isUuid } from '../../protocol/ids.ts';
import { LIMITS } from '../limits.ts';
import { scopeBits, scopesOf } from './scopes.ts';

const AUDIENCE = 'heyblue';
const ISSUER = 'heyblue';
const TYPE = 'at+jwt';
const ALGORITHM = 'EdDSA';

/** Kind, scope and device of a machine: words that no person's token has. */
export const SERVICE = 'service';

interface Claimed {
  readonly scope: string;
  readonly kind: string;
  readonly handle: string;
  readonly dev: string;
}

interface Said extends Claimed {
  readonly subject: string;
  readonly tokenId: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/** Keys as they are now: the same list until they change. The first signs, all verify. */
export type SigningKeys = readonly SigningKey[] | (() => readonly SigningKey[]);
export const keysNow = (keys: SigningKeys): readonly SigningKey[] =>
  typeof keys === 'function' ? keys() : keys;

/** One signing key; the newest signs, all verify. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** Whom a verified token speaks for. */
export interface Identity {
  readonly userId: string;
  readonly kind: AccountKind;
  readonly handle: string;
  readonly deviceId: string;
  /** `jti`: the token's own. */
  readonly tokenId: string;
  /** Bits of `scopes.ts`. */
  readonly scopes: number;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/** For which machine a verified token speaks. */
export interface ServiceIdentity {
  readonly serviceId: string;
  readonly name: string;
  readonly tokenId: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

export interface Tokens {
  readonly ttlS: number;
  /** A token for this person on this device. */
  mint(who: { userId: string; kind: AccountKind; handle: string; deviceId: string }): Promise<string>;
  /** Refuses with 498 what has expired and with 401 everything else that is not right. */
  verify(token: string): Promise<Result<Identity>>;
  /** The public keys, for others that verify our tokens. */
  readonly jwks: JSONWebKeySet;
}

export interface ServiceTokens {
  /** A token for a machine; no door of people takes it. */
  mintService(who: { serviceId: string; name: string }): Promise<string>;
  /** As `verify`, for tokens of machines alone. */
  verifyService(token: string): Promise<Result<ServiceIdentity>>;
}

/** What is made of keys, once for each list. */
interface Ring {
  readonly keys: readonly SigningKey[];
  readonly signing: SigningKey;
  readonly byKid: ReadonlyMap<string, KeyObject>;
  readonly jwks: JSONWebKeySet;
}

const ringOf = (keys: readonly SigningKey[]): Ring => {
  const [signing] = keys;
  if (signing === undefined) throw new Error('at least one signing key is needed');
  const jwks = {
    keys: keys.map(({ kid, publicKey }) => {
      const { kty = 'OKP', crv, x } = publicKey.export({ format: 'jwk' });
      return { kty, crv, x, kid, alg: ALGORITHM, use: 'sig' };
    }),
  } as JSONWebKeySet;
  return { keys, signing, jwks, byKid: new Map(keys.map(({ kid, publicKey }) => [kid, publicKey])) };
};

/**
 * @param wallMs Unix milliseconds of the real clock: tokens do not follow a town clock that is scaled for a replay
 * @param issuedUntilMs tokens of this user on this device that were issued until then are revoked: a new one is issued
 *   later, by a second at most, for a token says its second only
 */
export const createTokens = (
  keys: SigningKeys,
  ttlS: number,
  wallMs: () => number = Date.now,
  issuedUntilMs: (userId: string, deviceId: string) => number = () => 0,
): Tokens & ServiceTokens => {
  let ring = ringOf(keysNow(keys));
  const now = (): Ring => {
    const list = keysNow(keys);
    if (list !== ring.keys) ring = ringOf(list);
    return ring;
  };
  /** Only a key that we published, named by its id; a header that brings its own key is not looked at. */
  const find = ({ kid = '' }: JWSHeaderParameters): KeyObject => {
    const key = now().byKid.get(kid);
    if (key === undefined) throw new errors.JWKSNoMatchingKey();
    return key;
  };
  const bad = refuse(ERROR.unauthorized, 'the access token is not valid');
  const expired = refuse(ERROR.tokenExpired, 'the access token has expired');

  const sign = (subject: string, claims: Claimed): Promise<string> => {
    const revokedS = Math.floor(issuedUntilMs(subject, claims.dev) / 1_000);
    const { signing } = now();
    const nowS = Math.max(Math.floor(wallMs() / 1_000), revokedS + 1);
    return new SignJWT({ ...claims })
      .setProtectedHeader({ alg: ALGORITHM, kid: signing.kid, typ: TYPE })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject(subject)
      .setJti(randomUUID())
      .setIssuedAt(nowS)
      .setExpirationTime(nowS + ttlS)
      .sign(signing.privateKey);
  };

  /** What a token claims that we signed and that is in its time. */
  const read = async (token: string): Promise<Result<Said>> => {
    const nowMs = wallMs();
    try {
      const { payload } = await jwtVerify(token, find, {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        audience: AUDIENCE,
        typ: TYPE,
        requiredClaims: ['sub', 'iat', 'exp', 'jti', 'kind', 'dev', 'scope'],
        currentDate: new Date(nowMs),
        clockTolerance: LIMITS.clockSkewMs / 1_000,
      });
      const { sub = '', jti = '', iat = 0, exp = 0, kind, handle, dev, scope } = payload;
      if (iat * 1_000 > nowMs + LIMITS.clockSkewMs) return bad;
      if (!isUuid(sub) || !isUuid(jti) || typeof dev !== 'string' || typeof scope !== 'string') return bad;
      return ok({
        subject: sub,
        kind: String(kind),
        handle: typeof handle === 'string' ? handle : '',
        dev,
        tokenId: jti.toLowerCase(),
        scope,
        issuedAtMs: iat * 1_000,
        expiresAtMs: exp * 1_000,
      });
    } catch (error) {
      return error instanceof errors.JWTExpired ? expired : bad;
    }
  };

  return {
    ttlS,
    get jwks() {
      return now().jwks;
    },
    mint: ({ userId, kind, handle, deviceId }) =>
      sign(userId, { scope: scopesOf(kind).join(' '), kind, handle, dev: deviceId }),
    mintService: ({ serviceId, name }) =>
      sign(serviceId, { scope: SERVICE, kind: SERVICE, handle: name, dev: SERVICE }),
    verify: async token => {
      const said = await read(token);
      if (!said.ok) return said;
      const { subject, kind, handle, dev, tokenId, scope, issuedAtMs, expiresAtMs } = said.value;
      if (!ACCOUNT_KINDS.includes(kind as AccountKind)) return bad;
      const scopes = scopeBits(scope.split(' '));
      const who = { userId: subject, kind: kind as AccountKind, handle, deviceId: dev };
      return ok({ ...who, tokenId, scopes, issuedAtMs, expiresAtMs });
    },
    verifyService: async token => {
      const said = await read(token);
      if (!said.ok) return said;
      const { subject, kind, handle, dev, tokenId, scope, issuedAtMs, expiresAtMs } = said.value;
      if (kind !== SERVICE || scope !== SERVICE || dev !== SERVICE) return bad;
      return ok({ serviceId: subject, name: handle, tokenId, issuedAtMs, expiresAtMs });
    },
  };
};
