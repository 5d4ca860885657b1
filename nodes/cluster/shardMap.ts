/**
 * The 512 shard records as far as they are known here, and what follows from them: who serves a shard, and whether it is
 * free. It is a hint like everything that is read; what counts is the compare-and-set that is built on it, and the fence.
 *
 * A record holds only while its owner is there with the same incarnation. What was good stays in force when the record
 * turns to rubbish, vanishes or goes back in time: its owner, if it lives, writes it anew; if it does not, the shard is
 * free after a while.
 */
import { LIMITS } from '../limits.ts';
import type { KvEntry, Owner } from '../ports.ts';
import type { Membership } from './membership.ts';
import type { ClusterParts } from './parts.ts';
import { decodeShard, parseRef, refOf, type ShardRecord } from './records.ts';

export interface ShardEntry {
  /** The last good record; null: there never was one. */
  record: ShardRecord | null;
  /** Of what stands in the store now; 0: nothing does. */
  revision: number;
  /** What stands in the store is `record`. Otherwise it is rubbish, older than that, or nothing. */
  stored: boolean;
  /** The older record that stands there instead. */
  older: ShardRecord | null;
  /** When that was first seen; monotonic. */
  seenMs: number;
}

export interface Standing {
  /** Node that has the shard, or that it is on its way to; null when it is an orphan. */
  readonly at: string | null;
  /** Nobody serves it and nobody is at it: it may be taken. */
  readonly free: boolean;
}

const ORPHAN: Standing = { at: null, free: true };
const NOBODY_YET: Standing = { at: null, free: false };
/** Order of the states within one epoch; to tell an old record from a new one when revisions cannot. */
const PROGRESS = { owned: 0, releasing: 1, released: 2, acquiring: 3 } as const;

export class ShardMap {
  readonly entries: ShardEntry[];
  /** Who serves each shard, for routing. */
  readonly owners: (Owner | null)[] = new Array(LIMITS.shards).fill(null);
  revision = 1;
  readonly #parts: ClusterParts;
  readonly #members: Membership;
  /** Does this node hold the shard under that epoch? Of itself it knows better than the store. */
  readonly #holds: (shard: number, epoch: number) => boolean;
  readonly #routed: (shards: readonly number[]) => void;

  constructor(
    parts: ClusterParts,
    members: Membership,
    holds: (shard: number, epoch: number) => boolean,
    routed: (shards: readonly number[]) => void,
  ) {
    this.#parts = parts;
    this.#members = members;
    this.#holds = holds;
    this.#routed = routed;
    this.entries = Array.from({ length: LIMITS.shards }, () => ({
      record: null,
      revision: 0,
      stored: false,
      older: null,
      seenMs: 0,
    }));
  }

  /** The first look at the store is over: what is not known now is not there. */
  start(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const entry of this.entries) entry.seenMs = nowMs;
  }

  /** What stands in the store now, newer than what was known. */
  learn(shard: number, found: KvEntry | null): void {
    const entry = this.entries[shard]!;
    const record = found && decodeShard(found.value);
    if (found?.value.length && !record)
      this.#parts.metrics.count('heyblue_cluster_rubbish_total', { kind: 'shard' });
    entry.revision = found?.revision ?? 0;
    entry.stored = record !== null;
    entry.older = null;
    entry.seenMs = this.#parts.clock.monotonicMs();
    if (record) entry.record = record;
    this.refresh([shard]);
  }

  /** The bucket went back in time, and this stands there now. */
  rewind(shard: number, found: KvEntry | null): void {
    const entry = this.entries[shard]!;
    const record = found && decodeShard(found.value);
    if (!entry.record || (record && !isOlder(record, entry.record))) return this.learn(shard, found);
    entry.revision = found?.revision ?? 0;
    entry.stored = false;
    entry.older = record;
    entry.seenMs = this.#parts.clock.monotonicMs();
    this.refresh([shard]);
  }

  /**
   * Nobody wrote anew what is known here to be newer than what the store has: then what the store has is what everybody
   * goes by, or those who know better and those who do not would wait for each other.
   */
  giveIn(nowMs: number): void {
    for (const [shard, entry] of this.entries.entries()) {
      if (!entry.older || nowMs - entry.seenMs < this.#parts.limits.orphanMs) continue;
      entry.record = entry.older;
      entry.older = null;
      entry.stored = true;
      entry.seenMs = nowMs;
      this.refresh([shard]);
    }
  }

  /** Works out the owners again: of these shards, or of all when nodes came or went. */
  refresh(shards?: readonly number[]): void {
    const changed: number[] = [];
    const look = (shard: number): void => {
      const owner = this.#ownerOf(shard);
      const before = this.owners[shard]!;
      if (owner?.node === before?.node && owner?.epoch === before?.epoch) return;
      this.owners[shard] = owner;
      changed.push(shard);
    };
    if (shards) for (const shard of shards) look(shard);
    else for (let shard = 0; shard < LIMITS.shards; shard++) look(shard);
    if (changed.length === 0) return;
    this.revision++;
    this.#routed(changed);
  }

  #ownerOf(shard: number): Owner | null {
    const { record, revision } = this.entries[shard]!;
    if (record?.state !== 'owned') return null;
    const { owner, incarnation, epoch } = record;
    if (this.#members.judge(owner, incarnation, revision) === 'dead') return null;
    if (owner === this.#parts.id && !this.#holds(shard, epoch)) return null;
    return { node: refOf(owner, incarnation), epoch };
  }

  /** Who has the shard, or may it be taken? */
  standing(shard: number, nowMs: number): Standing {
    const { record, revision, stored, seenMs } = this.entries[shard]!;
    const { limits } = this.#parts;
    const sinceMs = nowMs - seenMs;
    if (!record) return sinceMs >= limits.settleMs ? ORPHAN : NOBODY_YET;
    const orphaned = sinceMs >= limits.orphanMs;
    if (!stored && orphaned) return ORPHAN;
    const owner = this.#members.judge(record.owner, record.incarnation, revision);
    const known = owner !== 'unknown' || this.#members.inquired(record.owner, seenMs);
    if (record.state === 'owned') {
      if (owner === 'alive') return { at: record.owner, free: false };
      return owner === 'dead' || (orphaned && known) ? ORPHAN : NOBODY_YET;
    }
    if (orphaned) return ORPHAN;
    const to = record.to === null ? null : parseRef(record.to);
    const heir = to && this.#members.judge(to.id, to.incarnation, revision) === 'alive' ? to.id : null;
    if (record.state === 'released' || owner === 'dead') return { at: heir, free: true };
    if (owner === 'unknown') return NOBODY_YET;
    return { at: heir ?? record.owner, free: false };
  }

  /** Shards that are on their way from one node to another. */
  moving(nowMs: number): number {
    let count = 0;
    for (const { record, seenMs } of this.entries) {
      if (record && isMoving(record) && nowMs - seenMs < this.#parts.limits.orphanMs) count++;
    }
    return count;
  }

  handoffs(): { shard: number; from: string; to: string; phase: string }[] {
    return this.entries.flatMap(({ record }, shard) =>
      record && isMoving(record)
        ? [{ shard, from: record.owner, to: record.to ?? '', phase: record.state }]
        : [],
    );
  }
}

const isMoving = (record: ShardRecord): boolean =>
  record.state === 'releasing' || (record.state === 'released' && record.to !== null);

function isOlder(found: ShardRecord, known: ShardRecord): boolean {
  if (found.epoch !== known.epoch) return found.epoch < known.epoch;
  return PROGRESS[found.state] < PROGRESS[known.state];
}
