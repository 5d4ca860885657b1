/** Between phones and the realtime doors of nodes. */
import type { Wire } from '../swarm/wire.ts';
import type { Hit } from './target.ts';

interface Doored {
  readonly id: string;
  readonly door: Wire;
}

/** Nothing that these nodes say reaches a phone; what phones say comes through. */
export const muteDoors = (nodes: readonly Doored[]): void => {
  for (const { door } of nodes) door.drop('toNode');
};

/** Ends every socket of phones with the nodes, and their doors are as before. */
export const slamDoors = (nodes: readonly Doored[]): Hit => {
  let closed = 0;
  for (const { door } of nodes) {
    const before = door.counts.closed;
    door.hangUp();
    void door.heal();
    closed += door.counts.closed - before;
  }
  const ids = nodes.map(node => node.id);
  return { targets: ids, what: `every socket with ${ids.join(', ')} ends`, counts: { closed } };
};
