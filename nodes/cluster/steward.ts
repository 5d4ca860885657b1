/**
 * Looks at the map, at what this node holds and at what it should hold, and starts what follows from the difference. It
 * remembers nothing: every look starts from the records, so whatever was interrupted is found again by the next one.
 */
import { LIMITS } from '../limits.ts';
import type { Acquisition, Claim } from './acquisition.ts';
import type { Handoff } from './handoff.ts';
import type { Holdings } from './holdings.ts';
import type { Membership } from './membership.ts';
import type { ClusterParts, Tenure } from './parts.ts';
import { placed } from './placement.ts';
import type { ShardRecord } from './records.ts';
import type { ShardMap, Standing } from './shardMap.ts';

export class Steward {
  readonly #parts: ClusterParts;
  readonly #tenure: Tenure;
  readonly #map: ShardMap;
  readonly #members: Membership;
  readonly #holdings: Holdings;
  readonly #acquisition: Acquisition;
  readonly #handoff: Handoff;
  /** Called when something that was started came to its end. */
  readonly #wake: () => void;

  constructor(
    parts: ClusterParts,
    tenure: Tenure,
    map: ShardMap,
    members: Membership,
    holdings: Holdings,
    acquisition: Acquisition,
    handoff: Handoff,
    wake: () => void,
  ) {
    this.#parts = parts;
    this.#tenure = tenure;
    this.#map = map;
    this.#members = members;
    this.#holdings = holdings;
    this.#acquisition = acquisition;
    this.#handoff = handoff;
    this.#wake = wake;
  }

  /**
   * One look; call it while serving only.
   * @returns whether this node is through with what it could take now, and with what it had to give away
   */
  look(draining: boolean): { readonly settled: boolean; readonly emptied: boolean } {
    const { clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    this.#map.giveIn(nowMs);
    const standings = this.#map.entries.map((_, shard) => this.#map.standing(shard, nowMs));
    const target = this.#plan(standings);
    const takes: Claim[] = [];
    let waiting = 0;
    for (let shard = 0; shard < LIMITS.shards; shard++) {
      if (this.#holdings.busy[shard]) {
        waiting++;
        continue;
      }
      const { record, stored, revision } = this.#map.entries[shard]!;
      const ours = record !== null && this.#isOurs(record);
      const held = this.#holdings.held[shard]!;
      if (held !== null) {
        if (!ours || record.epoch !== held || record.state === 'acquiring' || record.state === 'released')
          this.#drop(shard);
        else if (!stored) this.#start(this.#handoff.restate(shard));
        else if (record.state === 'releasing') this.#start(this.#handoff.give(shard, record.to ?? ''));
      } else if (ours && record.state !== 'released') {
        if (nowMs < this.#holdings.takeMs[shard]!) waiting++;
        else if (draining) this.#start(this.#handoff.disown(shard));
        else takes.push({ shard, revision });
      } else if (!draining && target[shard] === this.#tenure.id) {
        const { free, at } = standings[shard]!;
        if (free && nowMs >= this.#holdings.takeMs[shard]!) takes.push({ shard, revision });
        else if (free || at === null) waiting++;
      }
    }
    if (takes.length > 0) this.#start(this.#acquisition.take(takes));
    this.#give(standings, target, nowMs);
    const alone = target.every(id => id === null || id === this.#tenure.id);
    const emptied = (this.#holdings.count === 0 && waiting === 0) || alone;
    return { settled: waiting === 0 && takes.length === 0, emptied };
  }

  /** Starts as many hand-overs as may be under way at once, here and in the whole cluster. */
  #give(standings: readonly Standing[], target: readonly (string | null)[], nowMs: number): void {
    const { limits } = this.#parts;
    const givers = new Set(standings.map(({ at }, shard) => (at === target[shard] ? null : at)));
    givers.delete(null);
    const most = Math.max(limits.handoffs, Math.floor(limits.handoffShare * LIMITS.shards));
    // all begin in the same moment, before they see what the others began
    const mine = Math.min(limits.handoffs, Math.max(1, Math.floor(most / Math.max(1, givers.size))));
    let room = Math.min(mine - this.#handoff.underWay, most - this.#map.moving(nowMs));
    for (let shard = 0; shard < LIMITS.shards && room > 0; shard++) {
      const to = target[shard]!;
      if (to === null || to === this.#tenure.id) continue;
      if (this.#holdings.served[shard] === null || this.#holdings.busy[shard]) continue;
      if (nowMs < this.#holdings.giveMs[shard]!) continue;
      const ref = this.#members.reachable(to);
      if (ref === null) continue;
      room--;
      this.#start(this.#handoff.give(shard, ref));
    }
  }

  /** Where each shard should be. The same question has the same answer. */
  #plan(standings: readonly Standing[]): readonly (string | null)[] {
    const at = standings.map(standing => standing.at);
    return placed(this.#members.candidates(), at, this.#parts.limits.loadFactor);
  }

  /** The record says otherwise: whoever has the shard, it is not us. */
  #drop(shard: number): void {
    this.#parts.log.warn({ shard }, 'the record gives this shard to somebody else: dropped');
    this.#parts.metrics.count('heyblue_shards_lost_total', { why: 'record' });
    this.#holdings.drop(shard);
    this.#parts.host.dropped(shard);
    this.#map.refresh([shard]);
  }

  #start(work: Promise<void>): void {
    work.finally(() => {
      if (!this.#tenure.ended) this.#wake();
    });
  }

  #isOurs(record: ShardRecord): boolean {
    return record.owner === this.#tenure.id && record.incarnation === this.#tenure.incarnation;
  }
}
