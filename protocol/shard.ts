/**
 * Which of the 512 shards an actor lives in: xxh32 of `kind:id`. The function is frozen: changing a bit of it would
 * move every actor, so golden vectors pin it. Written here because it is 40 lines and must be equal everywhere.
 */
import { SHARDS } from './limits.ts';

const P1 = 0x9e3779b1;
const P2 = 0x85ebca77;
const P3 = 0xc2b2ae3d;
const P4 = 0x27d4eb2f;
const P5 = 0x165667b1;

const rotl = (x: number, r: number): number => (x << r) | (x >>> (32 - r));
const lane = (b: Uint8Array, i: number): number =>
  b[i]! | (b[i + 1]! << 8) | (b[i + 2]! << 16) | (b[i + 3]! << 24);
const round = (acc: number, input: number): number =>
  Math.imul(rotl((acc + Math.imul(input, P2)) | 0, 13), P1);

/** xxHash, 32 bits (github.com/Cyan4973/xxHash, doc/xxhash_spec.md), of the first `length` bytes; unsigned. */
export const xxh32 = (bytes: Uint8Array, seed = 0, length = bytes.length): number => {
  let at = 0;
  let h: number;
  if (length >= 16) {
    let a = (seed + P1 + P2) | 0;
    let b = (seed + P2) | 0;
    let c = seed | 0;
    let d = (seed - P1) | 0;
    for (; at + 16 <= length; at += 16) {
      a = round(a, lane(bytes, at));
      b = round(b, lane(bytes, at + 4));
      c = round(c, lane(bytes, at + 8));
      d = round(d, lane(bytes, at + 12));
    }
    h = (rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18)) | 0;
  } else {
    h = (seed + P5) | 0;
  }
  h = (h + length) | 0;
  for (; at + 4 <= length; at += 4) h = Math.imul(rotl((h + Math.imul(lane(bytes, at), P3)) | 0, 17), P4);
  for (; at < length; at++) h = Math.imul(rotl((h + Math.imul(bytes[at]!, P5)) | 0, 11), P1);
  h = Math.imul(h ^ (h >>> 15), P2);
  h = Math.imul(h ^ (h >>> 13), P3);
  return (h ^ (h >>> 16)) >>> 0;
};

const utf8 = new TextEncoder();
const scratch = new Uint8Array(256);

/** The shard, 0 to 511, of an actor. `kind` and `id` are its address, e.g. ('user', '0192…'). */
export const shardOf = (kind: string, id: string): number => {
  const text = `${kind}:${id}`;
  if (text.length * 3 > scratch.length) return xxh32(utf8.encode(text)) & (SHARDS - 1);
  return xxh32(scratch, 0, utf8.encodeInto(text, scratch).written) & (SHARDS - 1);
};
