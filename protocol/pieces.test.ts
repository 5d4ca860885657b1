import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeServerFrame, encodeServerFrame } from './codec.ts';
import type { ServerFrame } from './frames.ts';
import { encodeError, encodeEvent, encodeVolatile } from './messages.ts';
import { joined, volatileHead } from './pieces.ts';

/** What is read of encoded frames without decoding them is what decoding says. */

const volatile = fc.record({
  type: fc.constant('volatile' as const),
  kind: fc.integer({ min: 0, max: 65_535 }),
  key: fc.oneof(fc.string({ maxLength: 40 }), fc.string({ minLength: 250, maxLength: 300 })),
  version: fc.oneof(
    fc.integer({ min: 0, max: 300 }),
    fc.maxSafeNat(),
    fc.constantFrom(127, 128, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296),
  ),
  body: fc.option(fc.array(fc.oneof(fc.integer(), fc.string()), { maxLength: 3 })),
});

test('the head of every VOLATILE frame is read where it lies', () => {
  fc.assert(
    fc.property(volatile, frame => {
      const head = volatileHead(encodeServerFrame(frame));
      expect(head).toMatchObject({ kind: frame.kind, version: frame.version });
    }),
  );
});

test('two frames are about the same thing exactly if kind and key are equal', () => {
  const thing = (kind: number, key: string): string =>
    volatileHead(encodeServerFrame({ type: 'volatile', kind, key, version: 1, body: null }))!.thing;
  const kinds = fc.constantFrom(4, 40, 41);
  const keys = fc.constantFrom('', '1', '0 1', ' ', 'ä', 'a', 'é', '日本', '日');
  fc.assert(
    fc.property(kinds, keys, kinds, keys, (kind, key, otherKind, otherKey) => {
      expect(thing(kind, key) === thing(otherKind, otherKey)).toBe(kind === otherKind && key === otherKey);
    }),
  );
});

test('other frames have no such head', () => {
  const id = '01900000-0000-7000-8000-0000000000aa';
  expect(volatileHead(encodeEvent('sharing.ended', 3, id, { reason: 'timeout' }))).toBeNull();
  expect(
    volatileHead(encodeError(0, { ok: false, code: 410, message: '', retryable: false, retryAfterMs: 0 })),
  ).toBeNull();
  expect(volatileHead(encodeServerFrame({ type: 'pong', n: 3 }))).toBeNull();
  expect(volatileHead(new Uint8Array(0))).toBeNull();
});

test('joined frames are the BATCH of them, byte for byte; one alone is itself', () => {
  fc.assert(
    fc.property(fc.array(volatile, { minLength: 2, maxLength: 16 }), frames => {
      const pieces = frames.map(frame => encodeServerFrame(frame));
      const whole = joined(pieces, 0, pieces.length);
      expect(whole).toEqual(encodeServerFrame({ type: 'batch', frames }));
      expect((decodeServerFrame(whole) as ServerFrame & { type: 'batch' }).frames).toHaveLength(
        frames.length,
      );
    }),
  );
  const one = encodeVolatile('report.next', '', 1, { periodS: 5 });
  expect(joined([one, one, one], 1, 2)).toBe(one);
  expect(() => joined(Array(17).fill(one), 0, 17)).toThrow(RangeError);
});
