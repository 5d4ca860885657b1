/** What the parts of the coordinator share. */
import type { CLUSTER_LIMITS } from '../limits.ts';
import type { Clock, Log, Metrics, Random, Scheduler, ShardHost, Shipper } from '../ports.ts';
import type { StoreCalls } from './storeCalls.ts';

export type ClusterLimits = { readonly [K in keyof typeof CLUSTER_LIMITS]: number };

export interface ClusterParts {
  /** This node's id, and what its record says besides. */
  readonly id: string;
  readonly gateway: string;
  readonly version: string;
  readonly weight: number;
  /** Realtime address of the node as phones reach it. */
  readonly url?: string;
  readonly calls: StoreCalls;
  readonly host: ShardHost;
  readonly shipper: Shipper;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
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
