import { generateKeyPairSync } from 'node:crypto';
import { expect, it } from 'vitest';
import { decodeBase45, encodeBase45 } from './base45.ts';
import { type HubMinting, isHubText, mintHubToken, verifyHubToken } from './hubToken.ts';
import { mintToken, verifyToken } from './qr.ts';

const NOW_MS = 1_795_000_005_000;
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const publicKeys = new Map([[9, publicKey]]);
const hub: HubMinting = {
  kid: 9,
  privateKey,
  hubNumber: 2 ** 47 + 12_345,
  posterNumber: 40_000,
  untilMs: null,
  nonce: 5,
};
const text = mintHubToken(hub);
const verify = (token: string, nowMs = NOW_MS) => verifyHubToken(token, { nowMs, publicKeys });

it('is 130 characters that name the hub and its poster, for ever', () => {
  expect(text).toHaveLength(130);
  expect(isHubText(text)).toBe(true);
  for (const nowMs of [0, NOW_MS, 60_000_000_000_000])
    expect(verify(text, nowMs)).toEqual({
      ok: true,
      value: { hubNumber: 2 ** 47 + 12_345, posterNumber: 40_000 },
    });
});

it('ends when it is to end', () => {
  const dated = mintHubToken({ ...hub, untilMs: NOW_MS });
  expect(verify(dated, NOW_MS)).toMatchObject({ ok: true });
  expect(verify(dated, NOW_MS + 60_000)).toMatchObject({ code: 410 });
});

it('with any of its 672 bits flipped is refused', () => {
  const good = decodeBase45(text, 4)!;
  for (let bit = 0; bit < good.length * 8; bit++) {
    const bad = good.slice();
    bad[bit >> 3]! ^= 1 << (bit & 7);
    expect(verify(`HB1:${encodeBase45(bad)}`), `bit ${bit}`).toMatchObject({ ok: false, code: 422 });
  }
});

it('is nothing else than a code of a hub, under a key that is known', () => {
  const master = new Uint8Array(32);
  const person = { kid: 9, master, userNumber: 1, deviceNumber: 1, nowMs: NOW_MS, nonce: 1, flags: 0 };
  for (const bad of [
    '',
    text.toLowerCase(),
    `${text}0`,
    mintHubToken({ ...hub, kid: 8 }),
    mintToken({ ...person, kind: 'officer' }),
  ])
    expect(verify(bad)).toMatchObject({ code: 422, message: 'this is not a code of a HeyBlue hub' });
  const forged = mintHubToken({ ...hub, privateKey: generateKeyPairSync('ed25519').privateKey });
  expect(verify(forged)).toMatchObject({ code: 422, message: 'this code is forged' });
});

it('is not taken for a person, and a person who claims to be a hub is taken for nobody', () => {
  const master = new Uint8Array(32);
  const masters = new Map([[9, master]]);
  const kinds = ['civilian', 'officer', 'hub', 'merchant'] as const;
  expect(verifyToken(text, { nowMs: NOW_MS, masters, kinds })).toMatchObject({
    code: 422,
    message: 'a code of a hub cannot be scanned here',
  });
  const claimed = mintToken({
    kind: 'hub',
    kid: 9,
    master,
    userNumber: 1,
    deviceNumber: 1,
    nowMs: NOW_MS,
    nonce: 1,
    flags: 0,
  });
  expect(verifyToken(claimed, { nowMs: NOW_MS, masters, kinds })).toMatchObject({ code: 422 });
});

it('does not take numbers that do not fit', () => {
  for (const bad of [{ hubNumber: 2 ** 48 }, { hubNumber: -1 }, { posterNumber: 65_536 }, { kid: 256 }])
    expect(() => mintHubToken({ ...hub, ...bad })).toThrow(RangeError);
});
