/** A coordinator for tests of one node: it owns what `epochOf` says, for ever. */
import { LIMITS } from '../limits.ts';
import type { Coordinator } from '../ports.ts';

export function soleOwner(
  ref = 'n1.0',
  epochOf: (shard: number) => number | null = () => 1,
  lost: (shard: number) => void = () => {},
): Coordinator {
  const ownerOf = (shard: number) => {
    const epoch = epochOf(shard);
    return epoch === null ? null : { node: ref, epoch };
  };
  const shards = Array.from({ length: LIMITS.shards }, (_, shard) => shard);
  return {
    ref,
    mapRevision: 1,
    start: async () => {},
    serving: () => true,
    epochOf,
    ownerOf,
    lost,
    unheard: () => {},
    received: () => {},
    drain: async () => {},
    stop: async () => {},
    view: () => ({
      node: ref,
      incarnation: '',
      serving: true,
      leaseLeftMs: null,
      mapRevision: 1,
      nodes: [],
      owners: shards.map(shard => ownerOf(shard)?.node ?? null),
      epochs: shards.map(epochOf),
      handoffs: [],
    }),
  };
}
