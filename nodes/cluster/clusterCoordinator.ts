/**
 * Ownership among many nodes: rendezvous says who should own a shard, a compare-and-set says who does, an epoch in
 * PostgreSQL says whose writes count. The argument stands in `nodes/README.md`; the pieces:
 *
 * `lease` how this node knows that it may act · `membership` who is there and who is gone · `mirror` the picture of the
 * store · `shardMap` what follows from it · `placement` who should own what · `steward` what to do about the difference ·
 * `acquisition`, `handoff`, `parcels` how shards change hands · `storeCalls`, `records` how the store is spoken to.
 *
 * This file joins them: one tenure after the other, and what the node is told about it.
 */
import { assert } from '../../protocol/assert.ts';
import { assertClusterLimits, CLUSTER_LIMITS } from '../limits.ts';
import type { Clock, ClusterView, Coordinator, Owner, Parcel } from '../ports.ts';
import { Acquisition } from './acquisition.ts';
import { Handoff } from './handoff.ts';
import { Holdings } from './holdings.ts';
import { Lease } from './lease.ts';
import { Membership } from './membership.ts';
import { Mirror } from './mirror.ts';
import type { ClusterCoordinatorOptions, ClusterLimits } from './options.ts';
import { Parcels } from './parcels.ts';
import { type ClusterParts, jitter, Tenure } from './parts.ts';
import { Picture } from './picture.ts';
import { isNodeId, isWeight } from './records.ts';
import { ShardMap } from './shardMap.ts';
import { Steward } from './steward.ts';
import { StoreCalls } from './storeCalls.ts';

export class ClusterCoordinator implements Coordinator {
  readonly #parts: ClusterParts;
  readonly #clock: Clock;
  readonly #reconnect: () => void;
  readonly #holdings = new Holdings();
  readonly #members: Membership;
  readonly #map: ShardMap;
  readonly #mirror: Mirror;
  readonly #parcels: Parcels;
  readonly #former = new Set<string>();
  #tenure: Tenure;
  #lease: Lease;
  #steward: Steward;
  #started = false;
  #stopped = false;
  #draining = false;
  #suspended = false;
  #cancelLook: (() => void) | null = null;
  #cancelTick: () => void = () => {};
  #opened: () => void = () => {};
  #drained: (() => void)[] = [];

  constructor(options: ClusterCoordinatorOptions) {
    assert(isNodeId(options.nodeId), `'${options.nodeId}' is a node id`);
    assert(isWeight(options.weight), `${options.weight} is a weight`);
    const limits: ClusterLimits = { ...CLUSTER_LIMITS, ...options.limits };
    assertClusterLimits(limits);
    const calls = new StoreCalls({ ...options, callMs: limits.callMs, mintMs: limits.mintMs });
    const { nodeId, gatewayId, ...rest } = options;
    this.#parts = { ...rest, id: nodeId, gateway: gatewayId, calls, limits };
    this.#clock = options.clock;
    this.#reconnect = options.reconnect ?? (() => {});
    this.#parcels = new Parcels(this.#parts);
    this.#members = new Membership(this.#parts, {
      serving: () => this.serving(),
      found: entry => this.#mirror.met(entry.key, { kind: 'other', entry }),
      gone: (ref, gateway) => this.#parts.host.nodeGone(ref, gateway),
      changed: () => {
        this.#map.refresh();
        this.#wake();
      },
    });
    this.#map = new ShardMap(
      this.#parts,
      this.#members,
      (shard, epoch) => this.#holdings.served[shard] === epoch,
      shards => this.#parts.host.routed(shards),
    );
    const picture = new Picture(this.#members, this.#map, () => this.#wake());
    this.#mirror = new Mirror(this.#parts, options.kv, picture);
    [this.#tenure, this.#lease, this.#steward] = this.#newTenure();
  }

  get ref(): string {
    return this.#tenure.ref;
  }

  get mapRevision(): number {
    return this.#map.revision;
  }

  serving(): boolean {
    return this.#clock.monotonicMs() < this.#lease.deadlineMs;
  }

  epochOf(shard: number): number | null {
    return this.#holdings.served[shard] ?? null;
  }

  ownerOf(shard: number): Owner | null {
    return this.#map.owners[shard] ?? null;
  }

  /** Does not resolve while another process holds this node's id. */
  async start(): Promise<void> {
    assert(!this.#started, 'a coordinator is started once');
    this.#started = true;
    const opened = new Promise<void>(resolve => {
      this.#opened = resolve;
    });
    await this.#mirror.start();
    this.#map.start();
    this.#members.start();
    this.#tick();
    await this.#lease.join(this.#former);
    await opened;
  }

  /** @param epoch the one that the store refused; a newer one of ours stays */
  lost(shard: number, epoch?: number): void {
    const { host, log, metrics, limits } = this.#parts;
    const held = this.#holdings.held[shard] ?? null;
    if (held === null || (epoch !== undefined && epoch !== held)) return;
    const nowMs = this.#clock.monotonicMs();
    const heldMs = nowMs - this.#holdings.openedMs[shard]!;
    const losses = heldMs > limits.lostMaxMs ? 0 : this.#holdings.losses[shard]!;
    this.#holdings.losses[shard] = losses + 1;
    const waitMs = losses === 0 ? 0 : Math.min(limits.lostMaxMs, limits.lostMinMs * 4 ** Math.min(losses, 8));
    this.#holdings.takeMs[shard] = nowMs + waitMs + jitter(this.#parts.random, waitMs / 2);
    log.error({ shard, epoch: held, losses: losses + 1 }, 'another owner raised the epoch of this shard');
    metrics.count('heyblue_shards_lost_total', { why: 'fence' });
    // whoever hands it over right now finds it gone, and what he packed is of no use to anybody
    if (this.#holdings.busy[shard]) this.#holdings.served[shard] = null;
    else this.#holdings.drop(shard);
    host.dropped(shard);
    this.#map.refresh([shard]);
    this.#wake();
  }

  unheard(node: string): void {
    this.#members.unheard(node);
  }

  received(_from: string, shard: number, epoch: number, parcels: readonly Parcel[]): void {
    this.#parcels.keep(shard, epoch, parcels);
  }

  drain(): Promise<void> {
    this.#draining = true;
    this.#lease.drain();
    this.#wake();
    return new Promise(resolve => this.#drained.push(resolve));
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    const held = this.#tenure.ended ? null : this.#lease;
    this.#lease.end();
    this.#holdings.clear();
    this.#mirror.stop();
    this.#members.stop();
    this.#cancelLook?.();
    this.#cancelTick();
    this.#opened();
    this.#resolveDrains();
    await held?.leave();
  }

  view(): ClusterView {
    const { id, limits } = this.#parts;
    const owners = this.#map.owners.map(owner => owner?.node.split('.')[0] ?? null);
    const leaseLeftMs = Math.max(0, Math.round(this.#lease.deadlineMs - this.#clock.monotonicMs()));
    return {
      node: id,
      incarnation: this.#tenure.incarnation,
      serving: this.serving(),
      leaseLeftMs: Math.min(limits.leaseMs, leaseLeftMs),
      mapRevision: this.#map.revision,
      nodes: this.#members.view(node => owners.filter(owner => owner === node).length),
      owners,
      epochs: this.#map.owners.map(owner => owner?.epoch ?? null),
      handoffs: this.#map.handoffs(),
    };
  }

  // --- one tenure after the other ----------------------------------------------------------------------------------

  #newTenure(): [Tenure, Lease, Steward] {
    const parts = this.#parts;
    const tenure = new Tenure(parts.id, parts.calls.token());
    const lease = new Lease(parts, tenure, {
      wrote: entry => this.#mirror.met(entry.key, { kind: 'other', entry }),
      joined: () => this.#joined(),
      lapsed: () => this.#lapsed(),
      resumed: () => this.#resumed(),
      evicted: why => this.#evicted(why),
      rewound: () => this.#mirror.rewound(),
      silent: () => this.#reconnect(),
    });
    if (this.#draining) lease.drain();
    const acquisition = new Acquisition(
      parts,
      tenure,
      this.#map,
      this.#mirror,
      this.#holdings,
      this.#parcels,
      () => this.serving(),
    );
    const handoff = new Handoff(
      parts,
      tenure,
      this.#map,
      this.#members,
      this.#mirror,
      this.#holdings,
      this.#parcels,
      () => this.#draining,
    );
    const steward = new Steward(
      parts,
      tenure,
      this.#map,
      this.#members,
      this.#holdings,
      acquisition,
      handoff,
      () => this.#wake(),
    );
    return [tenure, lease, steward];
  }

  #joined(): void {
    this.#parts.log.info({ node: this.ref }, 'joined the cluster');
    if (this.#suspended) this.#resumed();
    this.#wake();
  }

  #lapsed(): void {
    if (this.#suspended) return;
    this.#suspended = true;
    this.#parts.log.warn({ node: this.ref }, 'the lease ran out: nothing runs here until it is renewed');
    this.#parts.metrics.count('heyblue_lease_lapses_total');
    this.#parts.host.suspended();
  }

  #resumed(): void {
    this.#suspended = false;
    this.#parts.host.resumed();
    // what happened meanwhile
    void this.#mirror.resync();
    this.#wake();
  }

  /** Everything is discarded; the process goes on as a new node. */
  #evicted(why: string): void {
    this.#parts.log.error({ node: this.ref, why }, 'evicted: everything is discarded, joining again');
    this.#parts.metrics.count('heyblue_evicted_total');
    this.#former.add(this.#tenure.incarnation);
    this.#holdings.clear();
    this.#parcels.clear();
    this.#lapsed();
    [this.#tenure, this.#lease, this.#steward] = this.#newTenure();
    this.#parts.host.evicted(this.#tenure.ref);
    this.#map.refresh();
    void this.#lease.join(this.#former);
  }

  // --- looking -----------------------------------------------------------------------------------------------------

  /** Something changed: look soon, once for all that changes until then. */
  #wake(): void {
    if (this.#cancelLook || this.#stopped || !this.#started) return;
    this.#cancelLook = this.#parts.scheduler.after(this.#parts.limits.lookMs, () => {
      this.#cancelLook = null;
      this.#look();
    });
  }

  /** Time alone changes something too: what is stuck becomes an orphan, what failed is tried again. */
  #tick(): void {
    if (this.#stopped) return;
    this.#cancelTick = this.#parts.scheduler.after(this.#parts.limits.renewMs / 2, () => this.#tick());
    this.#parcels.sweep();
    this.#parts.metrics.gauge('heyblue_shards_owned', this.#holdings.count);
    this.#look();
  }

  #look(): void {
    if (this.#stopped) return;
    if (this.serving()) {
      const { settled, emptied } = this.#steward.look(this.#draining);
      if (settled) this.#opened();
      if (this.#draining && emptied) this.#resolveDrains();
    } else if (this.#draining && this.#holdings.count === 0) this.#resolveDrains();
  }

  #resolveDrains(): void {
    for (const resolve of this.#drained) resolve();
    this.#drained = [];
  }
}
