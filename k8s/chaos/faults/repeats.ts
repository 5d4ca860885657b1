/** NATS delivers a fifth of the messages to a node twice, and some of them again much later. */
import type { Fault } from '../fault.ts';

const SHARE = 0.2;
const MS_MIN = 8_000;
const MS_MAX = 20_000;

export const repeats: Fault = {
  name: 'repeats',
  row: '9',
  weight: 1,
  reach: 'node',
  needs: ['repeat'],
  run: async ({ target, random, victim, lasts, hit, counted }) => {
    const node = victim();
    if (node === null) return;
    target.repeat(node, SHARE);
    hit({ targets: [node.id], what: `${node.id} hears messages twice and late`, counts: {} });
    await lasts(random.between(MS_MIN, MS_MAX));
    counted(target.repeat(node, 0));
  },
};
