/** A node stands still for less than its lease lives: nothing may happen but that its people wait. */
import type { Fault } from '../fault.ts';

const MS_MIN = 500;
const MS_MAX = 3_000;

export const pause: Fault = {
  name: 'pause',
  row: '2',
  weight: 2,
  reach: 'node',
  needs: ['pause'],
  run: async ({ target, random, victim, lasts, hit }) => {
    const node = victim();
    if (node === null) return;
    hit(target.pause(node));
    await lasts(random.between(MS_MIN, MS_MAX));
    target.wake(node);
  },
};
