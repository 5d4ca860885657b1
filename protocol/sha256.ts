/**
 * SHA-256 (FIPS 180-4) and HMAC (RFC 2104) without Node, for two reasons. A phone in a browser makes its codes with them.
 * And a code that a server checks costs seven HMACs of a few bytes each, of which node:crypto spends most on the way in and
 * out: 1 to 4 µs each. Here a key is hashed once ({@link hmacKey}) and a short message costs two compressions of 0.2 µs
 * (`npm run bench -- qr`). No branch and no index depends on secret bytes. The tests compare with node:crypto.
 */

/** First 32 bits of the fractions of the cube roots of the first 64 primes. */
const K = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
]);
/** The same of the square roots of the first eight. */
const START = new Int32Array([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

const BLOCK = 64;
/** The block at work. Nothing here waits, so one is enough. */
const W = new Int32Array(16);

/**
 * Mixes the block in `W` into the eight words of `from`; `to` may be the same. Sixteen rounds stand side by side, so that
 * no word moves and the schedule needs no memory: 0.21 µs, where a loop over single rounds takes 0.29.
 */
const compress = (from: Int32Array, to: Int32Array): void => {
  // biome-ignore format: one line a name
  let a = from[0]!, b = from[1]!, c = from[2]!, d = from[3]!, e = from[4]!, f = from[5]!, g = from[6]!, h = from[7]!;
  // biome-ignore format: one line a name
  let w0 = W[0]!, w1 = W[1]!, w2 = W[2]!, w3 = W[3]!, w4 = W[4]!, w5 = W[5]!, w6 = W[6]!, w7 = W[7]!, w8 = W[8]!, w9 = W[9]!, w10 = W[10]!, w11 = W[11]!, w12 = W[12]!, w13 = W[13]!, w14 = W[14]!, w15 = W[15]!;
  // biome-ignore format: a round is two lines, each like the one before with its names shifted
  for (let i = 0; ; i += 16) {
    h = (h + (((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))) | 0) + ((g ^ (e & (f ^ g))) + (K[i + 0]! + w0 | 0) | 0) | 0;
    d = d + h | 0; h = h + ((((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))) + ((a & b) | (c & (a | b))) | 0) | 0;
    g = (g + (((d >>> 6) | (d << 26)) ^ ((d >>> 11) | (d << 21)) ^ ((d >>> 25) | (d << 7))) | 0) + ((f ^ (d & (e ^ f))) + (K[i + 1]! + w1 | 0) | 0) | 0;
    c = c + g | 0; g = g + ((((h >>> 2) | (h << 30)) ^ ((h >>> 13) | (h << 19)) ^ ((h >>> 22) | (h << 10))) + ((h & a) | (b & (h | a))) | 0) | 0;
    f = (f + (((c >>> 6) | (c << 26)) ^ ((c >>> 11) | (c << 21)) ^ ((c >>> 25) | (c << 7))) | 0) + ((e ^ (c & (d ^ e))) + (K[i + 2]! + w2 | 0) | 0) | 0;
    b = b + f | 0; f = f + ((((g >>> 2) | (g << 30)) ^ ((g >>> 13) | (g << 19)) ^ ((g >>> 22) | (g << 10))) + ((g & h) | (a & (g | h))) | 0) | 0;
    e = (e + (((b >>> 6) | (b << 26)) ^ ((b >>> 11) | (b << 21)) ^ ((b >>> 25) | (b << 7))) | 0) + ((d ^ (b & (c ^ d))) + (K[i + 3]! + w3 | 0) | 0) | 0;
    a = a + e | 0; e = e + ((((f >>> 2) | (f << 30)) ^ ((f >>> 13) | (f << 19)) ^ ((f >>> 22) | (f << 10))) + ((f & g) | (h & (f | g))) | 0) | 0;
    d = (d + (((a >>> 6) | (a << 26)) ^ ((a >>> 11) | (a << 21)) ^ ((a >>> 25) | (a << 7))) | 0) + ((c ^ (a & (b ^ c))) + (K[i + 4]! + w4 | 0) | 0) | 0;
    h = h + d | 0; d = d + ((((e >>> 2) | (e << 30)) ^ ((e >>> 13) | (e << 19)) ^ ((e >>> 22) | (e << 10))) + ((e & f) | (g & (e | f))) | 0) | 0;
    c = (c + (((h >>> 6) | (h << 26)) ^ ((h >>> 11) | (h << 21)) ^ ((h >>> 25) | (h << 7))) | 0) + ((b ^ (h & (a ^ b))) + (K[i + 5]! + w5 | 0) | 0) | 0;
    g = g + c | 0; c = c + ((((d >>> 2) | (d << 30)) ^ ((d >>> 13) | (d << 19)) ^ ((d >>> 22) | (d << 10))) + ((d & e) | (f & (d | e))) | 0) | 0;
    b = (b + (((g >>> 6) | (g << 26)) ^ ((g >>> 11) | (g << 21)) ^ ((g >>> 25) | (g << 7))) | 0) + ((a ^ (g & (h ^ a))) + (K[i + 6]! + w6 | 0) | 0) | 0;
    f = f + b | 0; b = b + ((((c >>> 2) | (c << 30)) ^ ((c >>> 13) | (c << 19)) ^ ((c >>> 22) | (c << 10))) + ((c & d) | (e & (c | d))) | 0) | 0;
    a = (a + (((f >>> 6) | (f << 26)) ^ ((f >>> 11) | (f << 21)) ^ ((f >>> 25) | (f << 7))) | 0) + ((h ^ (f & (g ^ h))) + (K[i + 7]! + w7 | 0) | 0) | 0;
    e = e + a | 0; a = a + ((((b >>> 2) | (b << 30)) ^ ((b >>> 13) | (b << 19)) ^ ((b >>> 22) | (b << 10))) + ((b & c) | (d & (b | c))) | 0) | 0;
    h = (h + (((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))) | 0) + ((g ^ (e & (f ^ g))) + (K[i + 8]! + w8 | 0) | 0) | 0;
    d = d + h | 0; h = h + ((((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))) + ((a & b) | (c & (a | b))) | 0) | 0;
    g = (g + (((d >>> 6) | (d << 26)) ^ ((d >>> 11) | (d << 21)) ^ ((d >>> 25) | (d << 7))) | 0) + ((f ^ (d & (e ^ f))) + (K[i + 9]! + w9 | 0) | 0) | 0;
    c = c + g | 0; g = g + ((((h >>> 2) | (h << 30)) ^ ((h >>> 13) | (h << 19)) ^ ((h >>> 22) | (h << 10))) + ((h & a) | (b & (h | a))) | 0) | 0;
    f = (f + (((c >>> 6) | (c << 26)) ^ ((c >>> 11) | (c << 21)) ^ ((c >>> 25) | (c << 7))) | 0) + ((e ^ (c & (d ^ e))) + (K[i + 10]! + w10 | 0) | 0) | 0;
    b = b + f | 0; f = f + ((((g >>> 2) | (g << 30)) ^ ((g >>> 13) | (g << 19)) ^ ((g >>> 22) | (g << 10))) + ((g & h) | (a & (g | h))) | 0) | 0;
    e = (e + (((b >>> 6) | (b << 26)) ^ ((b >>> 11) | (b << 21)) ^ ((b >>> 25) | (b << 7))) | 0) + ((d ^ (b & (c ^ d))) + (K[i + 11]! + w11 | 0) | 0) | 0;
    a = a + e | 0; e = e + ((((f >>> 2) | (f << 30)) ^ ((f >>> 13) | (f << 19)) ^ ((f >>> 22) | (f << 10))) + ((f & g) | (h & (f | g))) | 0) | 0;
    d = (d + (((a >>> 6) | (a << 26)) ^ ((a >>> 11) | (a << 21)) ^ ((a >>> 25) | (a << 7))) | 0) + ((c ^ (a & (b ^ c))) + (K[i + 12]! + w12 | 0) | 0) | 0;
    h = h + d | 0; d = d + ((((e >>> 2) | (e << 30)) ^ ((e >>> 13) | (e << 19)) ^ ((e >>> 22) | (e << 10))) + ((e & f) | (g & (e | f))) | 0) | 0;
    c = (c + (((h >>> 6) | (h << 26)) ^ ((h >>> 11) | (h << 21)) ^ ((h >>> 25) | (h << 7))) | 0) + ((b ^ (h & (a ^ b))) + (K[i + 13]! + w13 | 0) | 0) | 0;
    g = g + c | 0; c = c + ((((d >>> 2) | (d << 30)) ^ ((d >>> 13) | (d << 19)) ^ ((d >>> 22) | (d << 10))) + ((d & e) | (f & (d | e))) | 0) | 0;
    b = (b + (((g >>> 6) | (g << 26)) ^ ((g >>> 11) | (g << 21)) ^ ((g >>> 25) | (g << 7))) | 0) + ((a ^ (g & (h ^ a))) + (K[i + 14]! + w14 | 0) | 0) | 0;
    f = f + b | 0; b = b + ((((c >>> 2) | (c << 30)) ^ ((c >>> 13) | (c << 19)) ^ ((c >>> 22) | (c << 10))) + ((c & d) | (e & (c | d))) | 0) | 0;
    a = (a + (((f >>> 6) | (f << 26)) ^ ((f >>> 11) | (f << 21)) ^ ((f >>> 25) | (f << 7))) | 0) + ((h ^ (f & (g ^ h))) + (K[i + 15]! + w15 | 0) | 0) | 0;
    e = e + a | 0; a = a + ((((b >>> 2) | (b << 30)) ^ ((b >>> 13) | (b << 19)) ^ ((b >>> 22) | (b << 10))) + ((b & c) | (d & (b | c))) | 0) | 0;
    if (i === 48) break;
    w0 = (((w1 >>> 7 | w1 << 25) ^ (w1 >>> 18 | w1 << 14) ^ w1 >>> 3) + w9 | 0) + (((w14 >>> 17 | w14 << 15) ^ (w14 >>> 19 | w14 << 13) ^ w14 >>> 10) + w0 | 0) | 0;
    w1 = (((w2 >>> 7 | w2 << 25) ^ (w2 >>> 18 | w2 << 14) ^ w2 >>> 3) + w10 | 0) + (((w15 >>> 17 | w15 << 15) ^ (w15 >>> 19 | w15 << 13) ^ w15 >>> 10) + w1 | 0) | 0;
    w2 = (((w3 >>> 7 | w3 << 25) ^ (w3 >>> 18 | w3 << 14) ^ w3 >>> 3) + w11 | 0) + (((w0 >>> 17 | w0 << 15) ^ (w0 >>> 19 | w0 << 13) ^ w0 >>> 10) + w2 | 0) | 0;
    w3 = (((w4 >>> 7 | w4 << 25) ^ (w4 >>> 18 | w4 << 14) ^ w4 >>> 3) + w12 | 0) + (((w1 >>> 17 | w1 << 15) ^ (w1 >>> 19 | w1 << 13) ^ w1 >>> 10) + w3 | 0) | 0;
    w4 = (((w5 >>> 7 | w5 << 25) ^ (w5 >>> 18 | w5 << 14) ^ w5 >>> 3) + w13 | 0) + (((w2 >>> 17 | w2 << 15) ^ (w2 >>> 19 | w2 << 13) ^ w2 >>> 10) + w4 | 0) | 0;
    w5 = (((w6 >>> 7 | w6 << 25) ^ (w6 >>> 18 | w6 << 14) ^ w6 >>> 3) + w14 | 0) + (((w3 >>> 17 | w3 << 15) ^ (w3 >>> 19 | w3 << 13) ^ w3 >>> 10) + w5 | 0) | 0;
    w6 = (((w7 >>> 7 | w7 << 25) ^ (w7 >>> 18 | w7 << 14) ^ w7 >>> 3) + w15 | 0) + (((w4 >>> 17 | w4 << 15) ^ (w4 >>> 19 | w4 << 13) ^ w4 >>> 10) + w6 | 0) | 0;
    w7 = (((w8 >>> 7 | w8 << 25) ^ (w8 >>> 18 | w8 << 14) ^ w8 >>> 3) + w0 | 0) + (((w5 >>> 17 | w5 << 15) ^ (w5 >>> 19 | w5 << 13) ^ w5 >>> 10) + w7 | 0) | 0;
    w8 = (((w9 >>> 7 | w9 << 25) ^ (w9 >>> 18 | w9 << 14) ^ w9 >>> 3) + w1 | 0) + (((w6 >>> 17 | w6 << 15) ^ (w6 >>> 19 | w6 << 13) ^ w6 >>> 10) + w8 | 0) | 0;
    w9 = (((w10 >>> 7 | w10 << 25) ^ (w10 >>> 18 | w10 << 14) ^ w10 >>> 3) + w2 | 0) + (((w7 >>> 17 | w7 << 15) ^ (w7 >>> 19 | w7 << 13) ^ w7 >>> 10) + w9 | 0) | 0;
    w10 = (((w11 >>> 7 | w11 << 25) ^ (w11 >>> 18 | w11 << 14) ^ w11 >>> 3) + w3 | 0) + (((w8 >>> 17 | w8 << 15) ^ (w8 >>> 19 | w8 << 13) ^ w8 >>> 10) + w10 | 0) | 0;
    w11 = (((w12 >>> 7 | w12 << 25) ^ (w12 >>> 18 | w12 << 14) ^ w12 >>> 3) + w4 | 0) + (((w9 >>> 17 | w9 << 15) ^ (w9 >>> 19 | w9 << 13) ^ w9 >>> 10) + w11 | 0) | 0;
    w12 = (((w13 >>> 7 | w13 << 25) ^ (w13 >>> 18 | w13 << 14) ^ w13 >>> 3) + w5 | 0) + (((w10 >>> 17 | w10 << 15) ^ (w10 >>> 19 | w10 << 13) ^ w10 >>> 10) + w12 | 0) | 0;
    w13 = (((w14 >>> 7 | w14 << 25) ^ (w14 >>> 18 | w14 << 14) ^ w14 >>> 3) + w6 | 0) + (((w11 >>> 17 | w11 << 15) ^ (w11 >>> 19 | w11 << 13) ^ w11 >>> 10) + w13 | 0) | 0;
    w14 = (((w15 >>> 7 | w15 << 25) ^ (w15 >>> 18 | w15 << 14) ^ w15 >>> 3) + w7 | 0) + (((w12 >>> 17 | w12 << 15) ^ (w12 >>> 19 | w12 << 13) ^ w12 >>> 10) + w14 | 0) | 0;
    w15 = (((w0 >>> 7 | w0 << 25) ^ (w0 >>> 18 | w0 << 14) ^ w0 >>> 3) + w8 | 0) + (((w13 >>> 17 | w13 << 15) ^ (w13 >>> 19 | w13 << 13) ^ w13 >>> 10) + w15 | 0) | 0;
  }
  to[0] = from[0]! + a;
  to[1] = from[1]! + b;
  to[2] = from[2]! + c;
  to[3] = from[3]! + d;
  to[4] = from[4]! + e;
  to[5] = from[5]! + f;
  to[6] = from[6]! + g;
  to[7] = from[7]! + h;
};

/** Puts `length` bytes into `W`, zeros behind them. */
const load = (bytes: Uint8Array, at: number, length: number): void => {
  for (let i = 0; i < 16; i++) W[i] = 0;
  for (let i = 0; i < length; i++) W[i >> 2]! |= bytes[at + i]! << (24 - (i & 3) * 8);
};

/** The hash of `length` bytes that follow `before` bytes which are in `from` already. */
const finish = (
  from: Int32Array,
  before: number,
  message: Uint8Array,
  length: number,
  to: Int32Array,
): void => {
  let state = from;
  let at = 0;
  for (; length - at >= BLOCK; at += BLOCK) {
    load(message, at, BLOCK);
    compress(state, to);
    state = to;
  }
  const left = length - at;
  load(message, at, left);
  W[left >> 2]! |= 0x80 << (24 - (left & 3) * 8);
  if (left > BLOCK - 9) {
    compress(state, to);
    state = to;
    W.fill(0, 0, 16);
  }
  const bits = (before + length) * 8;
  W[14] = Math.floor(bits / 2 ** 32);
  W[15] = bits;
  compress(state, to);
};

/** Eight words as 32 bytes. */
export const bytesOf = (words: Int32Array): Uint8Array => {
  const bytes = new Uint8Array(32);
  for (let i = 0; i < 32; i++) bytes[i] = words[i >> 2]! >>> (24 - (i & 3) * 8);
  return bytes;
};

/** 32 bytes. */
export const sha256 = (message: Uint8Array): Uint8Array => {
  const words = new Int32Array(8);
  finish(START, 0, message, message.length, words);
  return bytesOf(words);
};

/** A key ready for use: what is hashed before and around every message, eight words each. */
export interface HmacKey {
  readonly inner: Int32Array;
  readonly outer: Int32Array;
}

const INNER_PAD = 0x36363636;
const OUTER_PAD = 0x5c5c5c5c;

export const emptyHmacKey = (): HmacKey => ({ inner: new Int32Array(8), outer: new Int32Array(8) });

const pad = (with32: number, to: Int32Array): void => {
  for (let i = 0; i < 16; i++) W[i]! ^= with32;
  compress(START, to);
};

/** A key of any length. */
export const hmacKey = (secret: Uint8Array): HmacKey => {
  const short = secret.length > BLOCK ? sha256(secret) : secret;
  const key = emptyHmacKey();
  load(short, 0, short.length);
  pad(INNER_PAD, key.inner);
  load(short, 0, short.length);
  pad(OUTER_PAD, key.outer);
  return key;
};

/** Makes `key` the key of 32 bytes that are at hand as eight words. */
export const rekey = (key: HmacKey, secret: Int32Array): void => {
  for (let i = 0; i < 16; i++) W[i] = i < 8 ? secret[i]! : 0;
  pad(INNER_PAD, key.inner);
  for (let i = 0; i < 16; i++) W[i] = i < 8 ? secret[i]! : 0;
  pad(OUTER_PAD, key.outer);
};

/** HMAC-SHA-256 of the first `length` bytes of a message as eight words, into `to`. */
export const hmacWords = (key: HmacKey, message: Uint8Array, length: number, to: Int32Array): void => {
  finish(key.inner, BLOCK, message, length, to);
  for (let i = 0; i < 8; i++) W[i] = to[i]!;
  W[8] = 0x80000000;
  for (let i = 9; i < 15; i++) W[i] = 0;
  W[15] = (BLOCK + 32) * 8;
  compress(key.outer, to);
};

/** HMAC-SHA-256, 32 bytes. */
export const hmac = (key: HmacKey, message: Uint8Array): Uint8Array => {
  const words = new Int32Array(8);
  hmacWords(key, message, message.length, words);
  return bytesOf(words);
};
