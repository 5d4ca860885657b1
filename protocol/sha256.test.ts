import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hmac, hmacKey, sha256 } from './sha256.ts';

const message = fc.uint8Array({ maxLength: 300 });

it('hashes the examples of the standard', () => {
  const hex = (text: string): string => Buffer.from(sha256(new TextEncoder().encode(text))).toString('hex');
  expect(hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(hex('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});

it('hashes as node:crypto does, at every length around its blocks', () => {
  const same = (bytes: Uint8Array): void => {
    expect(Buffer.from(sha256(bytes))).toEqual(createHash('sha256').update(bytes).digest());
  };
  for (let length = 0; length <= 200; length++) same(new Uint8Array(length).map((_, i) => i * 7 + length));
  fc.assert(fc.property(message, same));
});

it('signs as node:crypto does, with keys of any length, however often a key is used', () => {
  fc.assert(
    fc.property(message, fc.array(message, { minLength: 1, maxLength: 3 }), (secret, messages) => {
      const key = hmacKey(secret);
      for (const one of messages)
        expect(Buffer.from(hmac(key, one))).toEqual(createHmac('sha256', secret).update(one).digest());
    }),
  );
});
