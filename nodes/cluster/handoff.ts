/**
 * Handing a living shard over to another node, without losing what only memory knows and without two nodes serving it.
 *
 * Problem. Two nodes and a store must change their minds together, and each of them may die, stall or be cut off between
 * any two steps. Systems that keep the progress of a hand-over in acknowledgements between the nodes end up with shards
 * that nobody serves and nobody may take (akka-core#29034, akka.net#7500).
 *
 * Guarantee. At every moment at most one node serves the shard; whoever dies at whatever step, the shard is served again
 * as soon as the dead one is evicted, or after `orphanMs`; and what was shipped is used only if it is the newest state
 * there is.
 *
 * Mechanism. The progress is the record itself; each step is a compare-and-set on the one before.
 *   A: owned -> releasing(to B)     from here A serves no more: messages go back to their senders, who wait for the map
 *      close, ship to B             A's turns and commits finish (5 s at most), its actors are packed and sent
 *   A: releasing -> released(to B)
 *   B: released -> acquiring -> (mint) -> owned     see `acquisition.ts`; B opens with what was shipped
 * A died: its record is free with its eviction, and B, its heir, is preferred. B died, or does not answer: A takes the
 * shard back, as anybody takes one, with the parcels that it still has. An answer of the store was lost: A serves no more
 * and reads until it knows. `parcels.ts` says why a parcel that comes too late or from the wrong time does no harm.
 */
import type { Parcel } from '../ports.ts';
import type { Holdings } from './holdings.ts';
import type { Membership } from './membership.ts';
import type { Mirror } from './mirror.ts';
import type { Parcels } from './parcels.ts';
import { type ClusterParts, jitter, type Tenure } from './parts.ts';
import { decodeShard, nonceOf, parseRef, type ShardRecord, shardKey } from './records.ts';
import type { ShardMap } from './shardMap.ts';

export class Handoff {
  readonly #parts: ClusterParts;
  readonly #tenure: Tenure;
  readonly #map: ShardMap;
  readonly #members: Membership;
  readonly #mirror: Mirror;
  readonly #holdings: Holdings;
  readonly #parcels: Parcels;
  readonly #draining: () => boolean;
  /** Hand-overs of this node under way. */
  underWay = 0;

  constructor(
    parts: ClusterParts,
    tenure: Tenure,
    map: ShardMap,
    members: Membership,
    mirror: Mirror,
    holdings: Holdings,
    parcels: Parcels,
    draining: () => boolean,
  ) {
    this.#parts = parts;
    this.#tenure = tenure;
    this.#map = map;
    this.#members = members;
    this.#mirror = mirror;
    this.#holdings = holdings;
    this.#parcels = parcels;
    this.#draining = draining;
  }

  /** Settles when the shard is somewhere else, or here again, or lost. */
  async give(shard: number, to: string): Promise<void> {
    const { clock, metrics } = this.#parts;
    const startedMs = clock.monotonicMs();
    this.#holdings.busy[shard] = true;
    this.underWay++;
    const outcome = await this.#give(shard, to);
    this.underWay--;
    if (this.#tenure.ended) return;
    this.#holdings.busy[shard] = false;
    metrics.count('heyblue_handoffs_total', { outcome });
    metrics.observe('heyblue_handoff_seconds', (clock.monotonicMs() - startedMs) / 1_000);
  }

  async #give(shard: number, to: string): Promise<'given' | 'kept' | 'lost'> {
    const { limits, host, shipper, calls } = this.#parts;
    const { record, revision } = this.#map.entries[shard]!;
    const epoch = this.#holdings.held[shard]!;
    // begun before, its answer lost: go on from there
    const begun = record?.state === 'releasing' ? revision : await this.#announce(shard, epoch, to, revision);
    if (begun === null) return 'kept';
    this.#holdings.served[shard] = null;
    this.#map.refresh([shard]);

    const closed = await calls.within(limits.handoffMs + limits.callMs, () => host.close(shard));
    if (this.#tenure.ended) return 'lost';
    if (!closed.ok) host.dropped(shard);
    const parcels: Parcel[] = closed.ok ? closed.value : [];
    this.#parcels.keep(shard, epoch, parcels);
    const shipped = parcels.length === 0 || (await this.#ship(shipper.ship(to, shard, epoch, parcels)));
    if (this.#tenure.ended) return 'lost';
    if (!shipped && !this.#draining()) {
      this.#holdings.drop(shard);
      this.#later(shard);
      return 'kept';
    }
    const given = await this.#release(shard, epoch, this.#alive(to) ? to : null, shipped, begun);
    if (this.#tenure.ended) return 'lost';
    this.#holdings.drop(shard);
    this.#parcels.forget(shard);
    return given ? 'given' : 'lost';
  }

  /** owned -> releasing; null when it did not come to it and the shard is served on. */
  async #announce(shard: number, epoch: number, to: string, revision: number): Promise<number | null> {
    const { calls, limits } = this.#parts;
    const record = this.#record('releasing', epoch, to, null);
    const outcome = await calls.write(shardKey(shard), record, revision);
    if (this.#tenure.ended) return null;
    this.#mirror.met(shardKey(shard), outcome);
    if (outcome.kind === 'written') return outcome.entry.revision;
    this.#later(shard);
    if (outcome.kind !== 'doubt') return null;
    // others may read that we let go: until we know that they do not, we did
    this.#holdings.served[shard] = null;
    this.#map.refresh([shard]);
    for (;;) {
      await calls.pause(limits.renewMs / 4);
      if (this.#tenure.ended) return null;
      const found = await calls.get(shardKey(shard));
      if (this.#tenure.ended) return null;
      if (!found.ok) continue;
      if (found.value) this.#mirror.met(shardKey(shard), { kind: 'other', entry: found.value });
      if (found.value && nonceOf(found.value.value) === record.nonce) return found.value.revision;
      // taken away meanwhile by the fence: not to be opened again
      if (this.#holdings.held[shard] === epoch) this.#holdings.served[shard] = epoch;
      this.#map.refresh([shard]);
      return null;
    }
  }

  async #ship(shipping: Promise<boolean>): Promise<boolean> {
    const { calls, limits } = this.#parts;
    const shipped = await calls.within(limits.handoffMs, () => shipping);
    return shipped.ok && shipped.value;
  }

  /** releasing -> released; false when somebody else has the shard by now. */
  async #release(
    shard: number,
    epoch: number,
    to: string | null,
    shipped: boolean,
    begun: number,
  ): Promise<boolean> {
    const { calls, limits } = this.#parts;
    let revision = begun;
    while (!this.#tenure.ended) {
      const record = this.#record('released', epoch, to, shipped ? epoch : null);
      const outcome = await calls.write(shardKey(shard), record, revision);
      if (this.#tenure.ended) return false;
      this.#mirror.met(shardKey(shard), outcome);
      if (outcome.kind === 'written') return true;
      if (outcome.kind === 'other') {
        const found = outcome.entry && decodeShard(outcome.entry.value);
        const ours = found?.incarnation === this.#tenure.incarnation && found.epoch === epoch;
        if (!outcome.entry || !ours || found.state === 'acquiring') return false;
        if (found.state === 'released') return true;
        revision = outcome.entry.revision;
      }
      await calls.pause(limits.renewMs / 4);
    }
    return false;
  }

  /** Lets go of a shard that this node has in the record but not in memory, and does not want. */
  async disown(shard: number): Promise<void> {
    const { record, revision } = this.#map.entries[shard]!;
    this.#holdings.busy[shard] = true;
    const released = this.#record('released', record?.epoch ?? 0, null, null);
    const outcome = await this.#parts.calls.write(shardKey(shard), released, revision);
    if (this.#tenure.ended) return;
    this.#holdings.busy[shard] = false;
    this.#mirror.met(shardKey(shard), outcome);
    if (outcome.kind !== 'written') this.#later(shard);
  }

  /** Writes a record of ours anew that was soiled, emptied or rolled back under us. */
  async restate(shard: number): Promise<void> {
    const { record, revision } = this.#map.entries[shard]!;
    this.#holdings.busy[shard] = true;
    const anew: ShardRecord = { ...record!, nonce: this.#parts.calls.token() };
    const outcome = await this.#parts.calls.write(shardKey(shard), anew, revision);
    if (this.#tenure.ended) return;
    this.#holdings.busy[shard] = false;
    this.#mirror.met(shardKey(shard), outcome);
    if (outcome.kind !== 'written') this.#later(shard);
  }

  #alive(ref: string): boolean {
    const parsed = parseRef(ref);
    return parsed !== null && this.#members.reachable(parsed.id) === ref;
  }

  #later(shard: number): void {
    const { clock, limits, random } = this.#parts;
    const nowMs = clock.monotonicMs();
    this.#holdings.giveMs[shard] = nowMs + limits.retryGiveMs + jitter(random, limits.retryGiveMs);
    this.#holdings.takeMs[shard] = nowMs;
  }

  #record(
    state: 'releasing' | 'released',
    epoch: number,
    to: string | null,
    fromEpoch: number | null,
  ): ShardRecord {
    const { id, incarnation } = this.#tenure;
    return { owner: id, incarnation, epoch, state, to, fromEpoch, nonce: this.#parts.calls.token() };
  }
}
