/** A node is gone without a word, and comes back. */
import type { Fault } from '../fault.ts';

const AWAY_MS_MIN = 1_000;
const AWAY_MS_MAX = 12_000;

export const kill: Fault = {
  name: 'kill',
  row: '1',
  weight: 3,
  reach: 'node',
  run: async ({ target, random, victim, lasts, hit }) => {
    const node = victim();
    if (node === null) return;
    hit(await target.kill(node));
    await lasts(random.between(AWAY_MS_MIN, AWAY_MS_MAX));
    await target.start(node);
  },
};
