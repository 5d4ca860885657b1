import { createHmac, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import jsqr from 'jsqr';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { decodeBase45, encodeBase45 } from './base45.ts';
import { mintFrom } from './codeBook.ts';
import { openHandle, sealHandle } from './handle.ts';
import { dayKey } from './masterKey.ts';
import { codeBookOf, deviceKey, type Minting, mintToken, tokenExpiresS, verifyToken } from './qr.ts';
import { qrPng, qrSvg, qrTerminal } from './qrImage.ts';

const STEP_MS = 15_000;
const NOW_MS = 1_795_000_005_000;
const master = new Uint8Array(32).fill(7);
const masters = new Map([[3, master]]);
const officer: Minting = {
  kind: 'officer',
  kid: 3,
  userNumber: 123_456_789_012,
  deviceNumber: 2,
  nowMs: NOW_MS,
  nonce: 0xdeadbeef,
  flags: 2,
  master,
};
const text = mintToken(officer);
const GOLDEN = 'HB1:LC2QO9W953KSN5EP+0HFVZ6S96O200P7VQWK%U3F/F ET BAJX7SBJ';
const verify = (token: string, nowMs = NOW_MS) => verifyToken(token, { nowMs, masters, kinds: ['officer'] });
const bytesOf = (token: string): Uint8Array => decodeBase45(token.slice(4))!;

describe('base45', () => {
  it('spells the examples of RFC 9285', () => {
    for (const [plain, spelled] of [
      ['AB', 'BB8'],
      ['Hello!!', '%69 VD92EX0'],
      ['base-45', 'UJCLQE7W581'],
      ['ietf!', 'QED8WEX0'],
      ['', ''],
    ] as const) {
      const bytes = new TextEncoder().encode(plain);
      expect(encodeBase45(bytes)).toBe(spelled);
      expect(decodeBase45(spelled)).toEqual(bytes);
    }
  });

  it('goes to text and back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), bytes => void expect(decodeBase45(encodeBase45(bytes))).toEqual(bytes)),
    );
  });

  it('refuses what stands for no bytes', () => {
    for (const bad of ['A', 'abc', 'ÄÄÄ', 'GGW', ':::', '::', 'BB8A', 'BB8Ä0'])
      expect(decodeBase45(bad)).toBeNull();
    expect(decodeBase45('FGW')).toEqual(new Uint8Array([255, 255]));
  });
});

describe('a handle', () => {
  const user = fc.integer({ min: 0, max: 2 ** 48 - 1 });
  const device = fc.integer({ min: 0, max: 65_535 });
  const day = fc.nat(100_000);

  it('opens to the presenter that it was sealed for, and any handle is sealed from the presenter it opens to', () => {
    fc.assert(
      fc.property(user, device, day, (userNumber, deviceNumber, d) => {
        const key = dayKey(master, d);
        expect(openHandle(key, sealHandle(key, { userNumber, deviceNumber }))).toEqual({
          userNumber,
          deviceNumber,
        });
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), day, (handle, d) => {
        const key = dayKey(master, d);
        expect(sealHandle(key, openHandle(key, handle))).toEqual(handle);
      }),
    );
  });

  it('changes with the day', () => {
    const presenter = { userNumber: 1, deviceNumber: 1 };
    expect(sealHandle(dayKey(master, 1), presenter)).not.toEqual(sealHandle(dayKey(master, 2), presenter));
  });

  it('does not take numbers that do not fit', () => {
    for (const bad of [-1, 1.5, 2 ** 48]) {
      expect(() => sealHandle(dayKey(master, 1), { userNumber: bad, deviceNumber: 0 })).toThrow(RangeError);
    }
    for (const bad of [-1, 1.5, 65_536]) {
      expect(() => sealHandle(dayKey(master, 1), { userNumber: 0, deviceNumber: bad })).toThrow(RangeError);
    }
  });
});

describe('an HB1 token', () => {
  it('is the same for the same arguments, for ever', () => {
    expect(text).toHaveLength(58);
    expect(text).toBe(GOLDEN);
  });

  it('says who showed it', () => {
    expect(verify(text)).toEqual({
      ok: true,
      value: {
        kind: 'officer',
        userNumber: 123_456_789_012,
        deviceNumber: 2,
        step: Math.floor(NOW_MS / STEP_MS),
        nonce: 0xdeadbeef,
        flags: 2,
        tokenId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8/),
      },
    });
  });

  it('comes back for every presenter, kind and time', () => {
    const kinds = ['civilian', 'officer', 'merchant'] as const;
    const minting = fc.record({
      kind: fc.constantFrom(...kinds),
      kid: fc.constant(3),
      userNumber: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      deviceNumber: fc.integer({ min: 0, max: 65_535 }),
      nowMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
      nonce: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      flags: fc.integer({ min: 0, max: 65_535 }),
      master: fc.constant(master),
    });
    fc.assert(
      fc.property(minting, m => {
        const { kind, userNumber, deviceNumber, nonce, flags, nowMs } = m;
        const verified = verifyToken(mintToken(m), { nowMs, masters, kinds });
        expect(verified).toMatchObject({ ok: true, value: { kind, userNumber, deviceNumber, nonce, flags } });
      }),
    );
  });

  it('with any of its 288 bits flipped is refused', () => {
    const good = bytesOf(text);
    for (let bit = 0; bit < 288; bit++) {
      const bad = good.slice();
      bad[bit >> 3]! ^= 1 << (bit & 7);
      expect(verify(`HB1:${encodeBase45(bad)}`), `bit ${bit}`).toMatchObject({ ok: false });
    }
  });

  it('lives one step early to two steps late', () => {
    const codeAt = (steps: number) => {
      const verified = verify(text, NOW_MS + steps * STEP_MS);
      return verified.ok ? 200 : verified.code;
    };
    expect([-2, -1, 0, 1, 2, 3].map(codeAt)).toEqual([422, 200, 200, 200, 200, 410]);
    const end = tokenExpiresS(NOW_MS) * 1000;
    expect(verify(text, end - 1).ok).toBe(true);
    expect(verify(text, end)).toMatchObject({ code: 410 });
  });

  it('works across midnight, when the permutation changes', () => {
    const midnight = Math.ceil(NOW_MS / 86_400_000) * 86_400_000;
    const late = mintToken({ ...officer, nowMs: midnight - 1 });
    expect(verify(late, midnight)).toMatchObject({ ok: true, value: { userNumber: 123_456_789_012 } });
  });

  it('is refused for its own reason when foreign, forged, of another kind or under another key', () => {
    const message = (token: string) => {
      const verified = verify(token);
      return verified.ok ? '' : `${verified.code} ${verified.message}`;
    };
    for (const bad of [
      '',
      'HB1:',
      text.slice(1),
      `${text}0`,
      `HB2:${text.slice(4)}`,
      text.toLowerCase(),
      'x'.repeat(58),
    ]) {
      expect(message(bad)).toBe('422 this is not a HeyBlue code');
    }
    expect(message(mintToken({ ...officer, kid: 4 }))).toBe('422 this is not a HeyBlue code');
    expect(message(mintToken({ ...officer, master: new Uint8Array(32) }))).toBe('422 this code is forged');
    expect(message(mintToken({ ...officer, kind: 'civilian' }))).toBe(
      '422 a code of a civilian cannot be scanned here',
    );
    const stolen = bytesOf(text);
    stolen.set(bytesOf(mintToken({ ...officer, userNumber: 5 })).subarray(2, 10), 2);
    expect(message(`HB1:${encodeBase45(stolen)}`)).toBe('422 this code is forged');
  });

  it('differs from another only by its nonce, and has its own id', () => {
    const other = mintToken({ ...officer, nonce: 1 });
    const [a, b] = [verify(text), verify(other)];
    expect(a.ok && b.ok && a.value.tokenId !== b.value.tokenId).toBe(true);
  });

  it('does not take fields that do not fit', () => {
    for (const bad of [
      { kid: 256 },
      { nonce: 2 ** 32 },
      { flags: -1 },
      { nowMs: -1 },
      { nowMs: Number.NaN },
    ]) {
      expect(() => mintToken({ ...officer, ...bad })).toThrow(RangeError);
    }
  });

  it('is signed by a key of the device alone', () => {
    const key = deviceKey(master, officer);
    expect(key).toHaveLength(32);
    expect(key).not.toEqual(deviceKey(master, { ...officer, deviceNumber: 3 }));
    expect(key).not.toEqual(deviceKey(new Uint8Array(32), officer));
  });
});

describe('a code book', () => {
  const book = codeBookOf(officer);
  const day = Math.floor(NOW_MS / 86_400_000);

  it('lets a phone make the very codes that the server would make, for a week', () => {
    for (let days = -1; days <= 7; days++) {
      const nowMs = NOW_MS + days * 86_400_000;
      const shown = mintFrom(book, { nowMs, nonce: 7, flags: 1 });
      expect(shown).toEqual({
        ok: true,
        value: {
          token: mintToken({ ...officer, nowMs, nonce: 7, flags: 1 }),
          expiresS: tokenExpiresS(nowMs),
        },
      });
    }
    expect(book.handles.map(one => one.day)).toEqual(Array.from({ length: 9 }, (_, i) => day - 1 + i));
    expect(mintFrom(book, { nowMs: NOW_MS + 8 * 86_400_000, nonce: 7 })).toMatchObject({ code: 410 });
  });

  it('says that a code was made without network', () => {
    const shown = mintFrom(JSON.parse(JSON.stringify(book)), { nowMs: NOW_MS, nonce: 7 });
    expect(shown.ok && verify(shown.value.token)).toMatchObject({ ok: true, value: { flags: 1 } });
  });

  it('holds nothing of the master key, and nothing of another device', () => {
    const other = codeBookOf({ ...officer, deviceNumber: 3 });
    expect(other.key).not.toBe(book.key);
    for (const [i, { handle }] of book.handles.entries()) expect(other.handles[i]!.handle).not.toBe(handle);
    // A key with somebody else's handle is forged.
    expect(mintFrom({ ...book, handles: other.handles }, { nowMs: NOW_MS, nonce: 7 })).toMatchObject({
      ok: true,
    });
    const mixed = mintFrom({ ...book, handles: other.handles }, { nowMs: NOW_MS, nonce: 7 });
    expect(mixed.ok && verify(mixed.value.token)).toMatchObject({ message: 'this code is forged' });
  });
});

describe('the keys', () => {
  it('are what node:crypto makes of the same words', () => {
    const presenter = fc.record({
      userNumber: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      deviceNumber: fc.integer({ min: 0, max: 65_535 }),
    });
    const secret = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(presenter, secret, (who, bytes) => {
        const info = `HB1 device ${who.userNumber}/${who.deviceNumber}`;
        expect(deviceKey(bytes, who)).toEqual(new Uint8Array(hkdfSync('sha256', bytes, '', info, 32)));
      }),
    );
  });

  it('sign as node:crypto does', () => {
    const bytes = bytesOf(text);
    const code = createHmac('sha256', deviceKey(master, officer)).update(bytes.subarray(0, 20)).digest();
    expect(bytes.subarray(20)).toEqual(new Uint8Array(code.subarray(0, 16)));
  });

  it('of a day are the same however many days were asked for', () => {
    const first = sealHandle(dayKey(master, 20_000), officer);
    for (let d = 0; d < 100; d++) sealHandle(dayKey(master, d), officer);
    expect(sealHandle(dayKey(master, 20_000), officer)).toEqual(first);
  });
});

describe('its picture', () => {
  it('is read back by an independent reader at every allowed scale', async () => {
    for (const scale of [1, 4, 8]) {
      const png = PNG.sync.read(await qrPng(text, scale));
      // 29 modules (version 3) and a margin of 4 on each side.
      expect(png.width).toBe((29 + 8) * Math.max(4, scale));
      const read = jsqr.default(new Uint8ClampedArray(png.data), png.width, png.height);
      expect(read?.data).toBe(text);
      expect(read?.version).toBe(3);
    }
  });

  it('is an SVG of the same modules', async () => {
    expect(await qrSvg(text)).toMatch(/^<svg [^>]*viewBox="0 0 37 37"/);
  });

  it('is characters for a terminal, which the same reader reads', () => {
    const rows = qrTerminal(text)
      .split('\n')
      .map(line => line.slice('\x1b[47m\x1b[30m'.length, -'\x1b[0m'.length))
      .flatMap(line => [[...line].map(c => '▀█'.includes(c)), [...line].map(c => '▄█'.includes(c))]);
    const scale = 4;
    const width = rows[0]!.length * scale;
    const height = rows.length * scale;
    const pixels = new Uint8ClampedArray(width * height * 4);
    for (let i = 0; i < width * height; i++) {
      const dark = rows[Math.floor(i / width / scale)]![Math.floor((i % width) / scale)]!;
      pixels.set(dark ? [0, 0, 0, 255] : [255, 255, 255, 255], i * 4);
    }
    expect(jsqr.default(pixels, width, height)?.data).toBe(text);
  });
});
