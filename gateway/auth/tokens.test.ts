import { createHmac, createPublicKey, sign } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { ERROR } from '../../protocol/errors.ts';
import { HandClock, signingKey } from '../testing/town.ts';
import { permits, scopeBits, scopesOf } from './scopes.ts';
import { createTokens } from './tokens.ts';

const USER = '01900000-0000-7000-8000-000000000001';
const ana = { userId: USER, kind: 'civilian', handle: 'ana', deviceId: 'phone-1' } as const;
const clock = new HandClock();
const key = signingKey();
const tokens = createTokens([key], 900, clock.nowMs);

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const nowS = Math.floor(clock.wall / 1_000);
const HEADER = { alg: 'EdDSA', kid: 'k1', typ: 'at+jwt' };
const CLAIMS = {
  iss: 'heyblue',
  aud: 'heyblue',
  sub: USER,
  iat: nowS,
  jti: '01900000-0000-4000-8000-00000000000a',
  exp: nowS + 900,
  scope: 'session',
  kind: 'civilian',
  dev: 'phone-1',
};

/** A token signed with our own key, whatever it says. */
const forge = (header: object = {}, claims: object = {}, by = key): string => {
  const text = `${part({ ...HEADER, ...header })}.${part({ ...CLAIMS, ...claims })}`;
  return `${text}.${sign(null, Buffer.from(text), by.privateKey).toString('base64url')}`;
};

test('a token says who, on which device, with which scopes, for how long', async () => {
  const verified = await tokens.verify(await tokens.mint(ana));
  expect(verified).toEqual({
    ok: true,
    value: {
      ...ana,
      tokenId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      scopes: scopeBits(scopesOf('civilian')),
      issuedAtMs: nowS * 1_000,
      expiresAtMs: nowS * 1_000 + 900_000,
    },
  });
});

test('the forge of these tests makes good tokens when it changes nothing', async () => {
  expect((await tokens.verify(forge())).ok).toBe(true);
});

const stranger = signingKey();
const none = `${part({ ...HEADER, alg: 'none' })}.${part(CLAIMS)}.`;
/** The classic: the public key, which everybody has, taken as the secret of an HMAC. */
const hs256 = (): string => {
  const text = `${part({ ...HEADER, alg: 'HS256' })}.${part(CLAIMS)}`;
  const pem = createPublicKey(key.privateKey).export({ type: 'spki', format: 'pem' });
  return `${text}.${createHmac('sha256', pem).update(text).digest('base64url')}`;
};

test.each([
  ['alg none', none],
  ['HS256 with the public key', hs256()],
  ['another audience', forge({}, { aud: 'elsewhere' })],
  ['another issuer', forge({}, { iss: 'elsewhere' })],
  ['an unknown key', forge({ kid: 'k9' })],
  ["somebody else's key under our name", forge({}, {}, signingKey())],
  ['another type', forge({ typ: 'JWT' })],
  ['no expiry', forge({}, { exp: undefined })],
  ['no id', forge({}, { jti: undefined })],
  ['an id that is none', forge({}, { jti: 'x' })],
  ['issued in the future', forge({}, { iat: nowS + 6 })],
  ['not valid yet', forge({}, { nbf: nowS + 6 })],
  ['no device', forge({}, { dev: undefined })],
  ['a subject that is not an id', forge({}, { sub: 'root' })],
  ['a kind that does not exist', forge({}, { kind: 'king' })],
  ['no key named', forge({ kid: undefined })],
  ['a key inside the header', forge({ jwk: stranger.publicKey.export({ format: 'jwk' }) }, {}, stranger)],
  [
    'one bit turned',
    forge()
      .replace(/.$/, c => (c === 'A' ? 'B' : 'A'))
      .replace('.', '.e'),
  ],
  ['no token at all', 'hello'],
  ['nothing', ''],
])('%s is refused', async (_what, token) => {
  expect(await tokens.verify(token)).toMatchObject({ ok: false, code: ERROR.unauthorized, retryable: false });
});

test('an expired token is told apart, so that a client knows to get a new one', async () => {
  expect(await tokens.verify(forge({}, { exp: nowS - 5 }))).toMatchObject({ code: ERROR.tokenExpired });
});

test('an older key still verifies while the newest signs', async () => {
  const newer = createTokens([signingKey('k2'), key], 900, clock.nowMs);
  expect((await newer.verify(forge())).ok).toBe(true);
  expect((await tokens.verify(await newer.mint(ana))).ok).toBe(false);
  expect(newer.jwks.keys.map(one => one.kid)).toEqual(['k2', 'k1']);
});

test('the published keys hold nothing private', () => {
  for (const one of tokens.jwks.keys)
    expect(Object.keys(one).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
});

test('scopes: only a civilian greets, only an officer accepts, an organisation does neither', () => {
  const can = (kind: Parameters<typeof scopesOf>[0]) => {
    const bits = scopeBits(scopesOf(kind));
    return (['session', 'meet', 'officer', 'civilian'] as const).filter(scope => permits(bits, scope));
  };
  expect(can('civilian')).toEqual(['session', 'meet', 'civilian']);
  expect(can('officer')).toEqual(['session', 'meet', 'officer']);
  expect(can('merchant')).toEqual(['session']);
  expect(scopeBits(['root', 'admin'])).toBe(0);
});

test('clocks may differ by five seconds, not by more', async () => {
  expect((await tokens.verify(forge({}, { exp: nowS - 4 }))).ok).toBe(true);
  expect((await tokens.verify(forge({}, { iat: nowS + 5, nbf: nowS + 5 }))).ok).toBe(true);
});

test('a key id that nobody published costs a look into a table: no signature is checked, nothing is fetched', async () => {
  const checked = vi.spyOn(crypto.subtle, 'verify');
  const fetched = vi.spyOn(globalThis, 'fetch');
  for (let n = 0; n < 100; n++) {
    expect(await tokens.verify(forge({ kid: `k${n + 5}`, jku: 'http://127.0.0.1:1/keys' }))).toMatchObject({
      code: ERROR.unauthorized,
    });
  }
  expect([checked.mock.calls.length, fetched.mock.calls.length]).toEqual([0, 0]);
  await tokens.verify(forge());
  expect(checked.mock.calls.length).toBe(1);
  vi.restoreAllMocks();
});

test('every token has an id of its own; one that is minted after a revocation is not hit by it', async () => {
  const cutMs = clock.wall + 400;
  const careful = createTokens([key], 900, clock.nowMs, () => cutMs);
  const [one, two] = [await careful.mint(ana), await careful.mint(ana)];
  const [first, second] = [await careful.verify(one), await careful.verify(two)];
  if (!first.ok || !second.ok) throw new Error('refused');
  expect(first.value.tokenId).not.toBe(second.value.tokenId);
  expect(first.value.issuedAtMs).toBeGreaterThan(cutMs);
});
