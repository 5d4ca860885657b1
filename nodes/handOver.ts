/**
 * Shards that come and go in good order.
 *
 * Going: new messages are turned away by the caller, what waits gets its turns, commits and asks finish; then every actor
 * of the shard is packed and is gone from here. What cannot finish in time is refused (retryable) and dropped: its next
 * life starts from what is durable. Actors that go together may still talk to each other, or two of them that wait for
 * one another would wait until the end.
 *
 * Coming: what the former owner packed lives on here, the first message first; see `arrivals.ts`.
 */
import type { Activation } from './activation.ts';
import { parcelOf } from './arrivals.ts';
import { UNKNOWN } from './asks.ts';
import type { Core } from './core.ts';
import { MOVED } from './leaving.ts';
import { CLUSTER_LIMITS } from './limits.ts';
import type { Parcel } from './ports.ts';

/** How often a shard that goes is looked at. */
const LOOK_MS = 5;
/**
 * What the actors said must have reached its node before they speak from another one, or it could be overtaken. Two
 * shards may wait for each other here, so not for long.
 */
const SAID_MS = 150;
/** Actors that come to life at once without having a message. */
const AT_ONCE = 32;

interface Going {
  readonly epoch: number;
  readonly untilMs: number;
  /** Since when every actor is ready. */
  readySinceMs: number | null;
  /** One that was not ready: as long as it is not, the others need no look. */
  busy: Activation | null;
  readonly resolve: (parcels: Parcel[]) => void;
}

export class HandOver {
  readonly #core: Core;
  readonly #going = new Map<number, Going>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Epoch of a shard that is about to go and still has its actors here; null otherwise. */
  closingEpoch(shard: number): number | null {
    return this.#going.get(shard)?.epoch ?? null;
  }

  opened(shard: number, epoch: number, parcels: readonly Parcel[]): void {
    this.lost(shard);
    this.#core.starting.arrivals.add(shard, parcels);
    if (parcels.length === 0) return;
    const { metrics, scheduler } = this.#core.options;
    metrics.count('heyblue_actors_arrived_total', {}, parcels.length);
    scheduler.immediate(() => this.#settleIn(shard, epoch));
  }

  #settleIn(shard: number, epoch: number): void {
    const { starting, options, residents } = this.#core;
    if (options.coordinator.epochOf(shard) !== epoch) return;
    for (let started = 0; started < AT_ONCE && !starting.full; started++) {
      const address = starting.arrivals.next(shard);
      if (address === null) return;
      if (residents.find(address)) starting.arrivals.take(address, shard);
      else starting.activate(address, shard, epoch);
    }
    options.scheduler.immediate(() => this.#settleIn(shard, epoch));
  }

  close(shard: number, epoch: number, handoffMs: number = CLUSTER_LIMITS.handoffMs): Promise<Parcel[]> {
    const { residents, options } = this.#core;
    this.lost(shard);
    for (const activation of residents.ofShard(shard)) activation.closing = true;
    return new Promise(resolve => {
      const untilMs = options.clock.monotonicMs() + handoffMs;
      const going = { epoch, untilMs, readySinceMs: null, busy: null, resolve };
      this.#going.set(shard, going);
      this.#look(shard, going);
    });
  }

  /** The shard went another way (it was lost, the node was evicted): nothing of it is packed. */
  lost(shard: number): void {
    const going = this.#going.get(shard);
    if (!going) return;
    this.#going.delete(shard);
    going.resolve([]);
  }

  lostAll(): void {
    for (const shard of [...this.#going.keys()]) this.lost(shard);
  }

  #look(shard: number, going: Going): void {
    if (this.#going.get(shard) !== going) return;
    const { residents, options } = this.#core;
    const nowMs = options.clock.monotonicMs();
    const late = nowMs >= going.untilMs;
    const ready = options.coordinator.serving() && this.#allReady(shard, going);
    if (!ready) going.readySinceMs = null;
    else going.readySinceMs ??= nowMs;
    const heard =
      (this.#core.routes?.underWayFrom(shard) ?? 0) === 0 || nowMs - (going.readySinceMs ?? nowMs) >= SAID_MS;
    if (!(ready && heard) && !late) {
      options.scheduler.after(LOOK_MS, () => this.#look(shard, going));
      return;
    }
    this.#going.delete(shard);
    const parcels = this.#core.starting.arrivals.takeAll(shard);
    for (const one of residents.ofShard(shard)) {
      const parcel = this.#ready(one) ? this.#pack(one) : null;
      if (parcel) parcels.push(parcel);
      else this.#core.leaving.discard(one, one.quiet ? MOVED : UNKNOWN);
    }
    going.resolve(parcels);
  }

  #allReady(shard: number, going: Going): boolean {
    if (going.busy && going.busy.phase !== 'gone' && !this.#ready(going.busy)) return false;
    going.busy = this.#core.residents.ofShard(shard).find(one => !this.#ready(one)) ?? null;
    return going.busy === null;
  }

  /** An actor that moves takes along whom it owes an answer; one that does not must have answered. */
  #ready(one: Activation): boolean {
    if (one.phase === 'parked') return true;
    return one.quiet && (one.behaviour.pack !== undefined || one.owed === null || one.owed.length === 0);
  }

  #pack(one: Activation): Parcel | null {
    const { pack, unpack } = one.behaviour;
    if (one.phase !== 'active' || !pack || !unpack) return null;
    let packed: unknown;
    try {
      packed = one.behaviour.pack!(one.state);
    } catch (error) {
      this.#core.options.log.error({ kind: one.address.kind, err: error }, 'an actor could not be packed');
      return null;
    }
    const owed = (one.owed ?? []).map(each => each.to);
    this.#core.leaving.remove(one);
    return parcelOf(one.address, packed, owed);
  }
}
