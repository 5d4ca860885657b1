import { describe, expect, it } from 'vitest';
import { shardOf, xxh32 } from './shard.ts';

const PRIME = 2_654_435_761;
/** The buffer of the reference implementation's own self-test. */
const sanity = (length: number): Uint8Array => {
  const out = new Uint8Array(length);
  let generator = PRIME;
  for (let i = 0; i < length; i++) {
    out[i] = generator >>> 24;
    generator = Math.imul(generator, generator) >>> 0;
  }
  return out;
};
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

describe('xxh32', () => {
  it.each([
    [0, 0, 0x02cc5d05],
    [0, PRIME, 0x36b78ae7],
    [1, 0, 0xb85cbee5],
    [1, PRIME, 0xd5845d64],
    [14, 0, 0xe5aa0ab4],
    [14, PRIME, 0x4481951d],
    [101, 0, 0x1f1aa412],
    [101, PRIME, 0x498ec8e2],
  ])('answers as the reference: %i bytes, seed %i', (length, seed, expected) => {
    expect(xxh32(sanity(length), seed)).toBe(expected);
  });

  it('answers as the reference for texts', () => {
    expect(xxh32(text('abc'))).toBe(0x32d153ff);
    expect(xxh32(text('Nobody inspects the spammish repetition'))).toBe(0xe2293b2f);
  });
});

describe('shardOf', () => {
  // Golden: an actor never changes its shard. If this fails, the function is wrong, not the numbers.
  it.each([
    ['user', '00000000-0000-0000-0000-000000000000', 313],
    ['user', '0192f0c1-7d3e-7a3b-8c4d-5e6f708192a3', 383],
    ['region', '407:-740', 193],
    ['pair', '0192f0c1-7d3e-7a3b-8c4d-5e6f708192a3|0192f0c1-7d3e-7a3b-8c4d-5e6f708192a4', 192],
    ['user', 'Zoë', 74],
  ])('places %s:%s in %i', (kind, id, shard) => {
    expect(shardOf(kind, id)).toBe(shard);
  });

  it('places long and short addresses by the same hash', () => {
    const id = 'é'.repeat(200);
    expect(shardOf('user', id)).toBe(xxh32(text(`user:${id}`)) & 511);
  });

  it('spreads actors evenly', () => {
    const counts = new Uint32Array(512);
    for (let i = 0; i < 51_200; i++)
      counts[shardOf('user', `0192f0c1-7d3e-7a3b-8c4d-${i.toString(16).padStart(12, '0')}`)]!++;
    expect(Math.min(...counts)).toBeGreaterThan(50);
    expect(Math.max(...counts)).toBeLessThan(160);
  });
});
