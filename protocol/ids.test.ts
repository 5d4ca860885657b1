import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derivedId } from './derivedId.ts';
import {
  bytesToUuid,
  isUuid,
  tryUuidToBytes,
  uuidFromHash,
  uuidToBytes,
  uuidv7,
  uuidv7TimeMs,
} from './ids.ts';

const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 });

describe('ids', () => {
  it('go to bytes and back', () => {
    fc.assert(fc.property(bytes16, bytes => void expect(uuidToBytes(bytesToUuid(bytes))).toEqual(bytes)));
    fc.assert(fc.property(fc.uuid(), id => void expect(bytesToUuid(uuidToBytes(id))).toBe(id)));
  });

  it('read upper case, say lower case', () => {
    const id = '0192F0C1-7D3E-7A3B-8C4D-5E6F708192A3';
    expect(bytesToUuid(uuidToBytes(id))).toBe(id.toLowerCase());
  });

  it('refuse everything else', () => {
    const good = '0192f0c1-7d3e-7a3b-8c4d-5e6f708192a3';
    for (const bad of [
      '',
      good.slice(1),
      `${good}0`,
      good.replace('a', 'g'),
      good.replace('-', '0'),
      good.replace('0', 'Ā'),
    ]) {
      expect(tryUuidToBytes(bad)).toBeNull();
      expect(isUuid(bad)).toBe(false);
      expect(() => uuidToBytes(bad)).toThrow(RangeError);
    }
    expect(() => bytesToUuid(new Uint8Array(15))).toThrow(RangeError);
  });

  it('of version 7 hold their time and sort by it', () => {
    // RFC 9562, appendix A.6
    const random = new Uint8Array([0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f]);
    expect(uuidv7(0x017f22e279b0, random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
    const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });
    const random10 = fc.uint8Array({ minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(time, time, random10, random10, (a, b, ra, rb) => {
        const x = uuidv7(a, ra);
        expect(uuidv7TimeMs(x)).toBe(a);
        expect(x).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        if (a < b) expect(x < uuidv7(b, rb)).toBe(true);
      }),
    );
    expect(() => uuidv7(-1, random)).toThrow(RangeError);
    expect(() => uuidv7(2 ** 48, random)).toThrow(RangeError);
    expect(() => uuidv7(0, random.subarray(1))).toThrow(RangeError);
    expect(uuidv7TimeMs(uuidFromHash(new Uint8Array(16)))).toBeNull();
  });

  it('derived from the same names are the same, from others differ', () => {
    expect(uuidFromHash(new Uint8Array(32).fill(255))).toBe('ffffffff-ffff-8fff-bfff-ffffffffffff');
    expect(() => uuidFromHash(new Uint8Array(15))).toThrow(RangeError);
    expect(derivedId('pair', 'a', 'bc')).toBe(derivedId('pair', 'a', 'bc'));
    expect(derivedId('pair', 'a', 'bc')).not.toBe(derivedId('pair', 'ab', 'c'));
    expect(derivedId('pair', 'a')).not.toBe(derivedId('hey', 'a'));
  });
});
