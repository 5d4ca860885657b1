/** Passwords of the servers are changed under load. */
import type { Fault } from '../fault.ts';

export const rotation: Fault = {
  name: 'rotation',
  row: '19',
  weight: 1,
  reach: 'all',
  needs: ['rotate'],
  run: async ({ target, hit }) => {
    hit(await target.rotate());
  },
};
