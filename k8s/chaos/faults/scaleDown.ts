/** All nodes but one are told to end at once, as a replica count does that is cut; then they come back. */
import type { Fault } from '../fault.ts';

export const scaleDown: Fault = {
  name: 'scale-down',
  row: '17',
  weight: 1,
  reach: 'all',
  run: async ({ target, random, hit, counted }) => {
    const nodes = random.shuffled(target.nodes.filter(node => node.isRunning)).slice(1);
    if (nodes.length === 0) return;
    const ids = nodes.map(node => node.id);
    hit({ targets: ids, what: `${ids.join(' and ')} are told to end at once`, counts: {} });
    try {
      counted((await target.drain(nodes)).counts);
    } finally {
      for (const node of nodes) if (!node.isRunning) await target.start(node);
    }
  },
};
