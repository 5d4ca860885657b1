/** The wall clock of one node jumps by an hour, or to and fro; nobody's ownership and no score may depend on it. */
import type { Fault } from '../fault.ts';

const HOUR_MS = 3_600_000;
const MS_MIN = 4_000;
const MS_MAX = 12_000;
const STROBES = 12;
const STROBE_MS = 400;

export const clockJump: Fault = {
  name: 'clock-jump',
  row: '8',
  weight: 1,
  reach: 'node',
  needs: ['clockJump'],
  run: async ({ target, random, victim, lasts, hit }) => {
    const node = victim();
    if (node === null) return;
    hit(target.clockJump(node, random.pick([-HOUR_MS, HOUR_MS])));
    await lasts(random.between(MS_MIN, MS_MAX));
    target.clockJump(node, 0);
  },
};

export const clockStrobe: Fault = {
  name: 'clock-strobe',
  row: '8',
  weight: 1,
  reach: 'node',
  needs: ['clockJump'],
  run: async ({ target, random, victim, lasts, hit }) => {
    const node = victim();
    if (node === null) return;
    hit({ targets: [node.id], what: `the clock of ${node.id} jumps to and fro`, counts: { jumps: STROBES } });
    for (let i = 0; i < STROBES; i++) {
      target.clockJump(node, Math.round(random.between(-60_000, 60_000)));
      await lasts(STROBE_MS);
    }
    target.clockJump(node, 0);
  },
};
