/**
 * One node, composed: actors, the way to other nodes, ownership and the ledger writer, over ports and without any I/O of
 * its own. `main.ts` gives it the real world, the simulator a made one; both run this same code.
 *
 * A node without `cluster` is alone: it owns every shard and pays nothing for the others that are not there.
 */
import { ActorSystem } from './actorSystem.ts';
import { ClusterCoordinator } from './cluster/clusterCoordinator.ts';
import type { ClusterLimits } from './cluster/options.ts';
import type { Behaviours } from './effects.ts';
import { eventWriter } from './events/eventWriter.ts';
import type { ActorDoor } from './gatewayPort.ts';
import { LedgerWriter } from './ledgerWriter.ts';
import { LIMITS, type ROUTING_LIMITS, type WRITER_LIMITS } from './limits.ts';
import { LocalCoordinator } from './localCoordinator.ts';
import type {
  Bus,
  Clock,
  CommitStore,
  Coordinator,
  EpochStore,
  KvStore,
  Log,
  Metrics,
  NoteStore,
  PushSink,
  QueryStore,
  Random,
  Scheduler,
  ShardHost,
  Shipper,
  Tracer,
} from './ports.ts';
import { forgetful, routeOperations } from './routeOperations.ts';
import { Router } from './routing/router.ts';
import type { RulesPort } from './rules/port.ts';
import type { Sampler } from './sampling.ts';
import { DurableTimers } from './timers/durableTimers.ts';
import { Retelling } from './timers/retelling.ts';
import { freshToken } from './token.ts';
import type { Verifier } from './verifying.ts';

type Overrides<L> = Partial<{ [K in keyof L]: number }>;

export interface NodeOptions {
  /** Configured and kept over restarts; the incarnation is made here. */
  readonly nodeId: string;
  /** Of the gateway in this process: lives as long as the process, whatever becomes of the incarnation. */
  readonly gatewayId: string;
  /** Of the program; while two are about, free shards go to the newest. */
  readonly version: string;
  /** Share of the shards, relative to others; cores for example. */
  readonly weight: number;
  readonly behaviours: Behaviours;
  readonly commitStore: CommitStore;
  readonly queryStore: QueryStore;
  /** Who answers what actors ask the business rules. */
  readonly rules?: RulesPort;
  readonly epochStore: EpochStore;
  /** Durable timers, events of users and answers to them; without it none is kept (measurements). */
  readonly noteStore?: NoteStore;
  readonly sink: PushSink;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Follows requests through turns, hops and commits; absent: nobody looks. */
  readonly tracer?: Tracer;
  /** Where sampled positions go; absent: nowhere. */
  readonly sampler?: Sampler;
  /** Who is asked about positions of encounters that are held; absent: nobody. */
  readonly verifier?: Verifier;
  /** Told for how long a region was served, at the end of each slice. */
  readonly regionServed?: (regionId: string, tookMs: number) => void;
  /** Null for a node that is alone. */
  readonly cluster: { readonly bus: Bus; readonly kv: KvStore; readonly reconnect?: () => void } | null;
  /** Realtime address of this node as phones reach it, told to phones of other nodes that stop. */
  readonly url?: string;
  /** Told after each group that changed something. */
  readonly onCommitted?: () => void;
  /** A node that is alone lost its shards to another one on the same database: it has nothing left to do. */
  readonly onFenced?: () => void;
  /** Owners of these shards changed: sessions of their users may be forgotten there. */
  readonly onRouted?: (shards: readonly number[]) => void;
  readonly limits?: {
    readonly runtime?: Overrides<typeof LIMITS>;
    readonly writer?: Overrides<typeof WRITER_LIMITS>;
    readonly cluster?: Partial<ClusterLimits>;
    readonly routing?: Overrides<typeof ROUTING_LIMITS>;
  };
  /** Test mode: what stays on this node is encoded and decoded all the same. */
  readonly encodeLocal?: boolean;
}

export interface TownNode {
  /** Where the gateway asks. */
  readonly door: ActorDoor;
  readonly system: ActorSystem;
  readonly writer: LedgerWriter;
  readonly coordinator: Coordinator;
  /** The way to other nodes; null for a node that is alone. */
  readonly router: Router | null;
  /** Joins and takes its shards; resolves when the first share is open. Rejects when the stores cannot be reached. */
  start(): Promise<void>;
  /** Hands every shard over to others; resolves when none is left or nobody is there to take them. */
  drain(): Promise<void>;
  /** Lets commits finish (at most `budgetMs`), refuses what waits, and leaves. */
  stop(budgetMs: number): Promise<void>;
}

/** Composes one node from its ports; nothing runs before `start`. */
export function createNode(options: NodeOptions): TownNode {
  const { clock, scheduler, random, log, metrics, tracer, cluster, limits } = options;
  const world = { clock, scheduler, random, log, metrics, tracer };
  const writer = new LedgerWriter({
    ...world,
    store: options.commitStore,
    limits: limits?.writer,
    onCommitted: options.onCommitted,
  });
  const notes = options.noteStore && {
    store: options.noteStore,
    writer: new LedgerWriter({ ...world, store: options.noteStore }),
  };
  // The coordinator tells actors, timers and gateway in this order; it begins when all of them are there.
  const host: ShardHost = {
    opened: (shard, epoch, parcels) => {
      system.opened(shard, epoch, parcels);
      timers?.opened(shard, epoch);
      // nothing came along: its owner may have died with something to tell
      if (parcels.length === 0) retelling.opened(shard);
    },
    close: shard => {
      timers?.closed(shard);
      return system.close(shard);
    },
    dropped: shard => {
      timers?.closed(shard);
      system.dropped(shard);
    },
    suspended: () => system.suspended(),
    resumed: () => system.resumed(),
    evicted: ref => {
      timers?.closedAll();
      system.evicted(ref);
    },
    routed: shards => {
      system.routed(shards);
      options.onRouted?.(shards);
    },
    nodeGone: (ref, gateway) => system.nodeGone(ref, gateway),
  };
  const shipper: Shipper = {
    ship: async (to, shard, epoch, parcels) => (await router?.ship(to, shard, epoch, parcels)) ?? false,
  };
  const coordinator = coordinatorOf(options, host, shipper);
  const system = new ActorSystem({
    ...world,
    behaviours: options.behaviours,
    coordinator,
    writer: routeOperations({
      ledger: writer,
      timers: notes
        ? {
            submit: (entry, done) => timers?.submit(entry, done),
            stored: (shard, timer) => timers?.stored(shard, timer),
          }
        : forgetful(scheduler),
      events: notes ? eventWriter(notes.writer) : forgetful(scheduler),
    }),
    queries: options.queryStore,
    rules: options.rules,
    sink: options.sink,
    untold: shard => retelling.opened(shard),
    sampler: options.sampler,
    verifier: options.verifier,
    regionServed: options.regionServed,
    limits: limits?.runtime,
    encodeLocal: options.encodeLocal,
  });
  const router =
    cluster &&
    new Router({
      ...world,
      bus: cluster.bus,
      gatewayId: options.gatewayId,
      coordinator,
      inbox: system,
      behaviours: options.behaviours,
      asks: system.asks,
      wheel: system.wheel,
      sink: options.sink,
      limits: limits?.routing,
    });
  if (router) system.connect(router);
  const timers = notes && new DurableTimers({ ...world, ...notes, door: system, coordinator });
  const retelling = new Retelling({ ...world, queries: options.queryStore, door: system, coordinator });
  return {
    door: system,
    system,
    writer,
    coordinator,
    router,
    async start() {
      await coordinator.start();
      if (cluster) return;
      for (let shard = 0; shard < LIMITS.shards; shard++) {
        const epoch = coordinator.epochOf(shard);
        if (epoch === null) continue;
        timers?.opened(shard, epoch);
        // who had them before may have been killed with something to tell, and nobody else was there to hear of it
        retelling.opened(shard);
      }
    },
    drain: () => coordinator.drain(),
    async stop(budgetMs) {
      timers?.stop();
      retelling.stop();
      await Promise.all([writer.drain(budgetMs), notes?.writer.drain(budgetMs)]);
      system.stop();
      router?.hurry();
      await coordinator.stop();
      router?.stop();
    },
  };
}

function coordinatorOf(options: NodeOptions, host: ShardHost, shipper: Shipper): Coordinator {
  const { nodeId, gatewayId, version, weight, cluster, clock, scheduler, random, log, metrics } = options;
  if (!cluster) {
    const ref = `${nodeId}.${freshToken(random)}`;
    return new LocalCoordinator(ref, options.epochStore, log, () => options.onFenced?.());
  }
  return new ClusterCoordinator({
    nodeId,
    gatewayId,
    version,
    weight,
    kv: cluster.kv,
    epochs: options.epochStore,
    host,
    shipper,
    clock,
    scheduler,
    random,
    log,
    metrics,
    limits: options.limits?.cluster ?? {},
    url: options.url ?? '',
    reconnect: () => cluster.reconnect?.(),
  });
}
