/**
 * Wires of all nodes are stopped one by one over some seconds and let go in another order. FoundationDB found more with
 * this than with anything else: it makes orders of events that no single fault makes.
 */
import { summed } from '../../swarm/counts.ts';
import type { Fault } from '../fault.ts';
import type { Link } from '../target.ts';

const STEP_MS_MAX = 1_500;
const LINKS: readonly Link[] = ['nats', 'postgres'];

export const swizzleClog: Fault = {
  name: 'swizzle-clog',
  row: '3b',
  weight: 1,
  reach: 'all',
  needs: ['partition'],
  run: async ({ target, random, lasts, hit, counted }) => {
    const all = target.nodes.filter(node => node.isRunning);
    const wires = all.flatMap(node => LINKS.map(link => ({ node, link })));
    const chosen = random.shuffled(wires).slice(0, 1 + random.below(wires.length));
    const names = chosen.map(({ node, link }) => `${node.id}-${link}`).join(', ');
    hit({ targets: [...new Set(chosen.map(one => one.node.id))], what: `clogs ${names}`, counts: {} });
    for (const { node, link } of chosen) {
      target.partition(node, link, 'both', 'drop');
      await lasts(random.between(0, STEP_MS_MAX));
    }
    const healed: Readonly<Record<string, number>>[] = [];
    for (const { node, link } of random.shuffled(chosen)) {
      healed.push(await target.heal(node, link));
      await lasts(random.between(0, STEP_MS_MAX));
    }
    counted(summed(healed));
  },
};
