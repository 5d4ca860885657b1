import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

/** Plain code must say the same as the platform, where there is one. */

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const outcome = (decode: (bytes: Uint8Array) => string, bytes: Uint8Array): string | null => {
  try {
    return decode(bytes);
  } catch {
    return null;
  }
};

test('every text comes back, as the platform writes it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const bytes: number[] = [];
      encodeUtf8(text.toWellFormed(), bytes);
      expect(bytes).toEqual([...encoder.encode(text)]);
      expect(decodeUtf8(Uint8Array.from(bytes))).toBe(text.toWellFormed());
    }),
  );
});

test('any bytes are taken or refused as the platform does', () => {
  const lead = fc.constantFrom(
    0x41,
    0x80,
    0xbf,
    0xc0,
    0xc2,
    0xdf,
    0xe0,
    0xed,
    0xef,
    0xf0,
    0xf4,
    0xf5,
    0xff,
    0xa0,
    0x9f,
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(lead, fc.nat(255)), { maxLength: 12 }), list => {
      const bytes = Uint8Array.from(list);
      expect(outcome(decodeUtf8, bytes)).toBe(outcome(b => strict.decode(b), bytes));
    }),
    { numRuns: 5_000 },
  );
});
