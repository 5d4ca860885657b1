/** What a coordinator is made from. */
import type { CLUSTER_LIMITS } from '../limits.ts';
import type {
  Clock,
  EpochStore,
  KvStore,
  Log,
  Metrics,
  Random,
  Scheduler,
  ShardHost,
  Shipper,
} from '../ports.ts';

export type ClusterLimits = { readonly [K in keyof typeof CLUSTER_LIMITS]: number };

export interface ClusterCoordinatorOptions {
  /** Configured and kept over restarts: `[A-Za-z0-9_-]{1,63}`. */
  readonly nodeId: string;
  /** Of the gateway in this process; lives as long as the process. */
  readonly gatewayId: string;
  /** Of the program; while two are about, orphans go to the newest. */
  readonly version: string;
  /** Share of the shards relative to others; cores for example. */
  readonly weight: number;
  /** Realtime address of this node as phones reach it; stands in its record for the others. */
  readonly url?: string;
  readonly kv: KvStore;
  readonly epochs: EpochStore;
  readonly host: ShardHost;
  readonly shipper: Shipper;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** For tests, which shrink the times; the inequalities hold all the same. */
  readonly limits?: Partial<ClusterLimits>;
  /** Called when `renewalsFailed` renewals in a row came to nothing: the connection may be dead without knowing it. */
  readonly reconnect?: () => void;
}
