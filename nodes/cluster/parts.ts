/** What the parts of the coordinator share. */
import type { Random } from '../ports.ts';
import type { ClusterCoordinatorOptions, ClusterLimits } from './options.ts';
import type { StoreCalls } from './storeCalls.ts';

type Handed = Pick<
  ClusterCoordinatorOptions,
  'version' | 'weight' | 'url' | 'host' | 'shipper' | 'clock' | 'scheduler' | 'random' | 'log' | 'metrics'
>;

export interface ClusterParts extends Handed {
  /** This node's id, and what its record says besides. */
  readonly id: string;
  readonly gateway: string;
  readonly calls: StoreCalls;
  readonly limits: ClusterLimits;
}

/**
 * The time from a join to an eviction under one incarnation. Everything that was begun under it stops when it has ended:
 * whatever comes back later, of a store or of a timer, belongs to nobody.
 */
export class Tenure {
  readonly id: string;
  readonly incarnation: string;
  readonly ref: string;
  ended = false;

  constructor(id: string, incarnation: string) {
    this.id = id;
    this.incarnation = incarnation;
    this.ref = `${id}.${incarnation}`;
  }
}

/** A random part of `ms`, so that nodes do not all do the same in one moment. */
export const jitter = (random: Random, ms: number): number => (random.uint32() / 2 ** 32) * ms;
