/**
 * The one source of randomness: the system's, fetched in blocks, because one call into the kernel for every id is the
 * slowest part of making one. Spent bytes are wiped, so that a heap dump does not show ids to come or keys gone by.
 */
import { randomFillSync } from 'node:crypto';
import type { Random } from '../nodes/ports.ts';
import { uuidv7 } from '../protocol/ids.ts';

const POOL_BYTES = 8_192;
const UUID_RANDOM_BYTES = 10;

/** Randomness for a node, and bytes for tokens and keys. */
export interface SystemRandom extends Random {
  /** New bytes, the caller's own. */
  bytes(count: number): Uint8Array;
}

export function systemRandom(): SystemRandom {
  const pool = new Uint8Array(POOL_BYTES);
  let used = POOL_BYTES;

  function take(count: number): Uint8Array {
    if (count > POOL_BYTES) return randomFillSync(new Uint8Array(count));
    if (used + count > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    const bytes = pool.slice(used, used + count);
    pool.fill(0, used, used + count);
    used += count;
    return bytes;
  }

  return {
    bytes: take,
    uint32: () => {
      const [a = 0, b = 0, c = 0, d = 0] = take(4);
      return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
    },
    uuid: nowMs => uuidv7(nowMs, take(UUID_RANDOM_BYTES)),
  };
}
