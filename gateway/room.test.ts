import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from './limits.ts';
import { Room } from './room.ts';

/** Memory for frames that wait: a copy is nobody else's while it is used, is used again afterwards, and is bounded. */

test('whatever is copied and given back in which order, a copy keeps what was copied', () => {
  const step = fc.record({ keep: fc.boolean(), bytes: fc.nat(LIMITS.volatileBytes + 100), which: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const room = new Room();
      const used: { copy: Uint8Array; of: number }[] = [];
      steps.forEach(({ keep, bytes, which }, i) => {
        if (keep || used.length === 0) {
          used.push({ copy: room.copy(new Uint8Array(bytes).fill(i)), of: i });
          expect(used.at(-1)!.copy).toHaveLength(bytes);
        } else room.free(used.splice(which % used.length, 1)[0]!.copy);
        if (which % 7 === 0) room.tidy();
        for (const { copy, of } of used) expect(copy.every(byte => byte === of)).toBe(true);
        expect(room.spareBytes).toBeLessThanOrEqual(LIMITS.spareBytes);
        expect(room.spareBytes).toBeGreaterThanOrEqual(0);
      });
    }),
    { numRuns: 30 },
  );
});

test('what one frame has left is what the next one gets', () => {
  const room = new Room();
  const first = room.copy(new Uint8Array(300));
  const { buffer } = first;
  room.free(first);
  expect(room.copy(new Uint8Array(500)).buffer).toBe(buffer);
  expect(room.copy(new Uint8Array(500)).buffer).not.toBe(buffer);
});

test('what was needed once and is not any more goes, and never more than a bound is kept', () => {
  const room = new Room();
  const pieces = Math.ceil(LIMITS.spareBytes / LIMITS.volatileBytes) + 10;
  const copies = Array.from({ length: pieces }, () => room.copy(new Uint8Array(LIMITS.volatileBytes)));
  for (const copy of copies) room.free(copy);
  expect(room.spareBytes).toBeLessThanOrEqual(LIMITS.spareBytes);
  expect(room.spareBytes).toBeGreaterThan(LIMITS.spareBytes / 2);
  for (let i = 0; i < 40; i++) room.tidy();
  expect(room.spareBytes).toBe(0);
});
