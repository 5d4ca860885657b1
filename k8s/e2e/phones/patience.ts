/** Waiting for what comes in its own time. */
import { setTimeout as pause } from 'node:timers/promises';

/** A machine that has other work takes so many times as long. */
export const BUSY = 3;
const POLL_MS = 50;

/** Why it is not yet so; null: it is. */
export type Why = () => Promise<string | null> | string | null;

/** Null as soon as it is so, else what was missing last: the time, in milliseconds, is over, or nobody cares any more. */
export const waitFor = async (ms: number, over: () => boolean, why: Why): Promise<string | null> => {
  const end = performance.now() + ms * BUSY;
  for (;;) {
    const words = await why();
    if (words === null || over() || performance.now() > end) return words;
    await pause(POLL_MS);
  }
};
