/**
 * What was shipped for shards that are about to be opened here.
 *
 * A parcel was packed after the owner of an epoch had stopped for good under it. It is the newest state there is exactly
 * when the shard is opened under the very next epoch: epochs are given out one by one, so nobody owned the shard in
 * between, whatever the records say. Anything else is dropped and the actors start from what is durable. An epoch that we
 * minted ourselves and never opened the shard under counts as nobody's: the parcel is carried over it.
 */
import { LIMITS } from '../limits.ts';
import type { Parcel } from '../ports.ts';
import type { ClusterParts } from './parts.ts';

interface Shipment {
  readonly epoch: number;
  readonly parcels: readonly Parcel[];
  readonly atMs: number;
}

export class Parcels {
  readonly #parts: ClusterParts;
  readonly #shipments = new Map<number, Shipment>();

  constructor(parts: ClusterParts) {
    this.#parts = parts;
  }

  keep(shard: number, epoch: number, parcels: readonly Parcel[]): void {
    if (!Number.isInteger(shard) || shard < 0 || shard >= LIMITS.shards || !Number.isSafeInteger(epoch))
      return;
    if ((this.#shipments.get(shard)?.epoch ?? 0) > epoch) return;
    this.#shipments.set(shard, { epoch, parcels, atMs: this.#parts.clock.monotonicMs() });
  }

  /** This node got the epoch, and has not opened the shard yet. */
  minted(shard: number, epoch: number): void {
    const shipment = this.#shipments.get(shard);
    if (shipment?.epoch === epoch - 1) this.#shipments.set(shard, { ...shipment, epoch });
    else this.#shipments.delete(shard);
  }

  /** What belongs to a shard that is opened under the epoch that was minted last; it is given out once. */
  take(shard: number): readonly Parcel[] {
    const shipment = this.#shipments.get(shard);
    this.#shipments.delete(shard);
    return shipment?.parcels ?? [];
  }

  forget(shard: number): void {
    this.#shipments.delete(shard);
  }

  /** Drops what nobody opened in time. */
  sweep(): void {
    const oldestMs = this.#parts.clock.monotonicMs() - this.#parts.limits.parcelMs;
    for (const [shard, { atMs }] of this.#shipments) if (atMs < oldestMs) this.#shipments.delete(shard);
  }

  clear(): void {
    this.#shipments.clear();
  }
}
