import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Revocation } from '../../nodes/ports.ts';
import { RevokedTokens } from './revokedTokens.ts';

const USER = '01900000-0000-7000-8000-000000000001';
const DEVICES = ['phone-1', 'phone-2', 'phone-3'];

const revocation = (change: Partial<Revocation>): Revocation => ({
  id: 'r',
  userId: USER,
  tokenId: null,
  sparedDevice: null,
  issuedUntilMs: 0,
  expiresAtMs: 1_000,
  ...change,
});

/** As it is said: some revocation speaks of the token. */
const said = (all: readonly Revocation[], deviceId: string, issuedAtMs: number): boolean =>
  all.some(one => one.issuedUntilMs >= issuedAtMs && one.sparedDevice !== deviceId);

test('three values say the same as all revocations together, in whatever order they become known', () => {
  const one = fc
    .record({ sparedDevice: fc.constantFrom(null, ...DEVICES), issuedUntilMs: fc.nat(20) })
    .map(revocation);
  fc.assert(
    fc.property(fc.array(one, { maxLength: 12 }), all => {
      const list = new RevokedTokens();
      for (const each of all) list.add(each);
      for (const deviceId of [...DEVICES, 'phone-9']) {
        for (let issuedAtMs = 0; issuedAtMs <= 21; issuedAtMs++) {
          const claims = { userId: USER, deviceId, tokenId: 't', issuedAtMs };
          expect(list.covers(claims)).toBe(said(all, deviceId, issuedAtMs));
        }
      }
    }),
    { numRuns: 500, seed: 20_261_121 },
  );
});

test('one token, or one user: nobody else; a repeat is no news; what has expired is forgotten', () => {
  const list = new RevokedTokens();
  const claims = { userId: USER, deviceId: 'phone-1', tokenId: 't1', issuedAtMs: 5 };
  const token = revocation({ userId: null, tokenId: 't1', expiresAtMs: 50 });
  expect([list.add(token), list.add(token)]).toEqual([true, false]);
  expect([list.covers(claims), list.covers({ ...claims, tokenId: 't2' })]).toEqual([true, false]);
  const user = revocation({ issuedUntilMs: 5, expiresAtMs: 60 });
  expect([list.add(user), list.add(user)]).toEqual([true, false]);
  expect(list.covers({ ...claims, tokenId: 't2' })).toBe(true);
  expect(list.covers({ ...claims, tokenId: 't2', issuedAtMs: 6 })).toBe(false);
  expect(list.covers({ ...claims, tokenId: 't2', userId: 'x' })).toBe(false);
  list.prune(50);
  expect(list.size).toBe(1);
  list.prune(60);
  expect(list.size).toBe(0);
});
