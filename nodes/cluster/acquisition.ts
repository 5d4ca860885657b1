/**
 * Taking shards, many at once: the record is set to `acquiring` (at most 64 calls under way), one call mints the epochs of
 * all that succeeded, the record is set to `owned` with its epoch, and only then the shard is opened, if this node may
 * still act.
 *
 * From the moment at which the epochs are minted no earlier owner can write; from the moment at which the record says
 * `owned` nobody else takes the shard. Whoever fails in between leaves a record `acquiring` behind: a living node goes on
 * from it, that of a dead one is free.
 */
import type { Holdings } from './holdings.ts';
import type { Mirror } from './mirror.ts';
import type { Parcels } from './parcels.ts';
import { type ClusterParts, jitter, type Tenure } from './parts.ts';
import { type ShardRecord, shardKey } from './records.ts';
import type { ShardMap } from './shardMap.ts';
import { inLanes } from './storeCalls.ts';

/** A shard, and the revision of its record at which it was found free: what comes later is not looked at again. */
export interface Claim {
  readonly shard: number;
  readonly revision: number;
}

export class Acquisition {
  readonly #parts: ClusterParts;
  readonly #tenure: Tenure;
  readonly #map: ShardMap;
  readonly #mirror: Mirror;
  readonly #holdings: Holdings;
  readonly #parcels: Parcels;
  readonly #serving: () => boolean;

  constructor(
    parts: ClusterParts,
    tenure: Tenure,
    map: ShardMap,
    mirror: Mirror,
    holdings: Holdings,
    parcels: Parcels,
    serving: () => boolean,
  ) {
    this.#parts = parts;
    this.#tenure = tenure;
    this.#map = map;
    this.#mirror = mirror;
    this.#holdings = holdings;
    this.#parcels = parcels;
    this.#serving = serving;
  }

  /** Settles when each of them is open here or was given up. */
  async take(found: readonly Claim[]): Promise<void> {
    const { calls, limits, log } = this.#parts;
    for (const { shard } of found) this.#holdings.busy[shard] = true;
    const claims: Claim[] = [];
    await inLanes(found, limits.acquiring, async one => {
      const claim = await this.#claim(one);
      if (this.#tenure.ended) return;
      if (claim) claims.push(claim);
      else this.#later(one.shard);
    });
    if (this.#tenure.ended || claims.length === 0) return;
    const minted = await calls.mint(
      claims.map(claim => claim.shard),
      this.#tenure.ref,
    );
    if (this.#tenure.ended) return;
    if (!minted.ok) {
      log.warn({ shards: claims.length }, 'no epochs for the shards to be taken: trying again');
      for (const { shard } of claims) this.#later(shard);
      return;
    }
    const epochs = new Map(claims.map(({ shard }, i) => [shard, minted.value[i]!]));
    for (const [shard, epoch] of epochs) this.#parcels.minted(shard, epoch);
    await inLanes(claims, limits.acquiring, claim => this.#confirm(claim, epochs.get(claim.shard)!));
  }

  async #claim({ shard, revision }: Claim): Promise<Claim | null> {
    const { calls } = this.#parts;
    const { record, revision: newest, stored } = this.#map.entries[shard]!;
    // while the others before it were taken somebody may have come to it: it was free then, not now
    if (newest !== revision) return null;
    // begun before: go on from there
    if (stored && record?.state === 'acquiring' && this.#isOurs(record)) return { shard, revision };
    if (this.#tenure.ended || !this.#serving()) return null;
    const claimed = this.#record('acquiring', record?.epoch ?? 0, record?.fromEpoch ?? null);
    const outcome = await calls.write(shardKey(shard), claimed, revision);
    if (this.#tenure.ended) return null;
    this.#mirror.met(shardKey(shard), outcome);
    return outcome.kind === 'written' ? { shard, revision: outcome.entry.revision } : null;
  }

  async #confirm({ shard, revision }: Claim, epoch: number): Promise<void> {
    const { calls, clock, host, metrics } = this.#parts;
    if (this.#tenure.ended) return;
    if (!this.#serving()) return this.#later(shard);
    const outcome = await calls.write(shardKey(shard), this.#record('owned', epoch, null), revision);
    if (this.#tenure.ended) return;
    if (outcome.kind !== 'written' || !this.#serving()) {
      this.#mirror.met(shardKey(shard), outcome);
      return this.#later(shard);
    }
    this.#holdings.busy[shard] = false;
    this.#holdings.open(shard, epoch, clock.monotonicMs());
    metrics.count('heyblue_shards_taken_total');
    host.opened(shard, epoch, this.#parcels.take(shard));
    this.#mirror.met(shardKey(shard), outcome);
    // the watch may have told of it before
    this.#map.refresh([shard]);
  }

  #later(shard: number): void {
    const { clock, limits, random } = this.#parts;
    this.#holdings.busy[shard] = false;
    this.#holdings.takeMs[shard] =
      clock.monotonicMs() + limits.renewMs / 4 + jitter(random, limits.renewMs / 4);
  }

  #isOurs(record: ShardRecord): boolean {
    return record.owner === this.#tenure.id && record.incarnation === this.#tenure.incarnation;
  }

  #record(state: 'acquiring' | 'owned', epoch: number, fromEpoch: number | null): ShardRecord {
    const { id, incarnation } = this.#tenure;
    return { owner: id, incarnation, epoch, state, to: null, fromEpoch, nonce: this.#parts.calls.token() };
  }
}
