/**
 * A moment in 32 bits, the same in every process of this machine: microseconds of the monotonic clock, so that an event
 * carries the moment at which it was due and its receiver knows how late it came.
 */

/** Wraps after 35 minutes, longer than any run; never below 2^16, so that it always takes five bytes of msgpack. */
const MODULUS = 2 ** 31;
const LEAST = 2 ** 16;

/** `performance.now()` counts from the start of its process. */
const originUs = Number(process.hrtime.bigint() / 1_000n) - performance.now() * 1_000;

const wrapped = (us: number): number => LEAST + (Math.floor(originUs + us) % MODULUS);

/** The stamp of a moment of `performance.now()`. */
export const stampOf = (atMs: number): number => wrapped(atMs * 1_000);

/** Milliseconds since a stamp was due. */
export const msSince = (stamp: number): number => {
  const us = wrapped(performance.now() * 1_000) - stamp;
  return (us < -MODULUS / 2 ? us + MODULUS : us) / 1_000;
};
