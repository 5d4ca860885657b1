/** What a hostile or broken client might send: seeded damage to good frames. Used by the fuzzer and its test. */

/** Whole numbers below a bound. */
export type Dice = (below: number) => number;

/** A small generator (mulberry32): the same seed throws the same dice on every machine. */
export const dice = (seed: number): Dice => {
  let state = seed | 0;
  return below => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
};

type Mutation = (good: Uint8Array, roll: Dice, corpus: readonly Uint8Array[]) => Uint8Array;

/** Heads that open something long, deep or forbidden. */
const HEADS = [
  0xc0, 0xc1, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3,
  0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0x8f, 0x9f, 0xbf, 0xff, 0x7f, 0x00,
] as const;

const pick = <T>(items: readonly T[], roll: Dice): T => items[roll(items.length)]!;

const flipBits: Mutation = (good, roll) => {
  const out = good.slice();
  for (let n = 1 + roll(3); n > 0; n--) out[roll(out.length)]! ^= 1 << roll(8);
  return out;
};
const truncate: Mutation = (good, roll) => good.slice(0, roll(good.length));
const replaceHead: Mutation = (good, roll) => {
  const out = good.slice();
  out[roll(out.length)] = pick(HEADS, roll);
  return out;
};
/** Puts the beginning of one frame before the end of another. */
const splice: Mutation = (good, roll, corpus) => {
  const other = pick(corpus, roll);
  const head = good.subarray(0, roll(good.length + 1));
  const tail = other.subarray(roll(other.length + 1));
  const out = new Uint8Array(head.length + tail.length);
  out.set(head);
  out.set(tail, head.length);
  return out;
};
/** Writes a long length where a short value was. */
const lie: Mutation = (good, roll) => {
  const out = good.slice();
  const at = roll(out.length);
  out[at] = pick([0xc4, 0xc5, 0xc6, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf] as const, roll);
  for (let i = 1; i <= 4 && at + i < out.length; i++) out[at + i] = roll(4) === 0 ? 0xff : roll(256);
  return out;
};
const append: Mutation = (good, roll) => {
  const out = new Uint8Array(good.length + 1 + roll(8));
  out.set(good);
  for (let i = good.length; i < out.length; i++) out[i] = roll(256);
  return out;
};
const noise: Mutation = (_, roll) => {
  const out = new Uint8Array(roll(96));
  for (let i = 0; i < out.length; i++) out[i] = roll(256);
  return out;
};
/** Well-formed array around noise: past the first gate. */
const frameOfNoise: Mutation = (_, roll) => {
  const out = noise(_, roll, []);
  if (out.length > 1) {
    out[0] = 0x90 | (1 + roll(10));
    out[1] = roll(11);
  }
  return out;
};
/** Arrays (or maps) in arrays; now and then to the end of the largest message, as in the attack on msgpackr. */
const bomb: Mutation = (_, roll) => {
  const out = new Uint8Array(roll(64) === 0 ? 8_192 : 8 + roll(120));
  const width = pick([0x91, 0x92, 0x9f, 0x81, 0xdc] as const, roll);
  out.fill(width);
  if (roll(2) === 0) out.set([0x94, 1, 1, 1]);
  return out;
};
/** The payload that ended processes with older msgpackr: array32 that each claim much, inside each other. */
const wideBomb: Mutation = (_, roll) => {
  const out = new Uint8Array(5 * (2 + roll(roll(32) === 0 ? 1_600 : 24)));
  for (let i = 0; i < out.length; i += 5) out.set([0xdd, 0, roll(2) === 0 ? 0xff : 0, 0xff, 0xff], i);
  return out;
};
const oversize: Mutation = (good, roll) => {
  const out = new Uint8Array(Math.max(8_193, good.length) + roll(64));
  out.set(good);
  return out;
};
const untouched: Mutation = good => good;

/** Cheap damage often, long messages seldom: ten million of them should end in minutes. */
const WEIGHTED: readonly (readonly [Mutation, number])[] = [
  [flipBits, 260],
  [truncate, 110],
  [replaceHead, 170],
  [splice, 150],
  [lie, 100],
  [append, 50],
  [noise, 50],
  [frameOfNoise, 60],
  [bomb, 20],
  [wideBomb, 15],
  [oversize, 1],
  [untouched, 14],
];
const TABLE: readonly Mutation[] = WEIGHTED.flatMap(([mutation, weight]) =>
  new Array<Mutation>(weight).fill(mutation),
);

/** One damaged frame. `corpus` holds good ones, none of them empty. */
export const mutate = (corpus: readonly Uint8Array[], roll: Dice): Uint8Array => {
  const once = pick(TABLE, roll)(pick(corpus, roll), roll, corpus);
  // One in eight is damaged twice.
  return roll(8) === 0 && once.length > 0 ? pick(TABLE, roll)(once, roll, corpus) : once;
};
