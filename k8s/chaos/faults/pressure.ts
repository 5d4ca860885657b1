/** Too little memory, or too little processor time. */
import type { Fault } from '../fault.ts';

const HEAP_MB = 96;
const SQUEEZED_MS_MIN = 10_000;
const SQUEEZED_MS_MAX = 20_000;
const BURNERS = 6;
const BURN_MS_MIN = 4_000;
const BURN_MS_MAX = 8_000;

export const memory: Fault = {
  name: 'memory',
  row: '14',
  weight: 1,
  reach: 'node',
  needs: ['startSqueezed'],
  run: async ({ target, random, victim, lasts, hit }) => {
    const node = victim();
    if (node === null) return;
    await target.kill(node);
    hit(await target.startSqueezed(node, HEAP_MB));
    await lasts(random.between(SQUEEZED_MS_MIN, SQUEEZED_MS_MAX));
    if (node.isRunning) await target.kill(node);
    await target.start(node);
  },
};

export const processor: Fault = {
  name: 'processor',
  row: '15',
  weight: 1,
  reach: 'all',
  needs: ['burn'],
  run: async ({ target, random, lasts, hit }) => {
    hit(target.burn(BURNERS));
    await lasts(random.between(BURN_MS_MIN, BURN_MS_MAX));
    target.burn(0);
  },
};
