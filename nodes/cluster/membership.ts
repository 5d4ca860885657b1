/**
 * Who is there, and who is gone, as seen from here.
 *
 * Problem. A node that died cannot say so, and one that is slow looks like it. Whoever takes its shards away must be sure
 * that it stopped; whoever is merely late himself must not be able to kill a healthy one.
 *
 * Guarantee. A node whose renewals reach the store is never evicted, however old the news is that an observer has; one
 * that died is evicted by whoever looks first, within `evictMs + evictJitterMs` of its last renewal (less when the bus
 * proved that nobody listens to it any more).
 *
 * Mechanism. An observer counts on its own monotonic clock for how long it has seen *the same revision* of a node's
 * record; then it writes `fenced` by compare-and-set on exactly that revision. If the node renewed meanwhile, seen or not,
 * the revision is another one and the eviction fails. An observer that may not act itself evicts nobody.
 *
 * The dead stay dead: a bucket that is put back to an earlier state may show an incarnation as alive that was counted as
 * gone, and that node cannot know it. Its neighbours have closed their links to it and taken its shards, so it is evicted
 * at once and comes back under a new incarnation.
 *
 * A record that turns to rubbish or vanishes says nothing about its node: the last good one stays in force and is silent
 * from then on. The node itself writes it anew within a second, if it lives.
 */
import { assert } from '../../protocol/assert.ts';
import type { KvEntry, NodeView } from '../ports.ts';
import { type ClusterParts, jitter } from './parts.ts';
import type { Candidate } from './placement.ts';
import { decodeNode, type NodeRecord, nodeKey, parseRef, refOf } from './records.ts';

export interface MembershipEvents {
  /** May this node act (evict) now? */
  serving(): boolean;
  /** A record was read that this node wrote by itself or found instead. */
  found(entry: KvEntry): void;
  /** An incarnation is gone, for good. */
  gone(ref: string, gateway: string): void;
  /** Somebody came, went or changed. */
  changed(): void;
}

interface Member {
  readonly id: string;
  /** The last good record. */
  record: NodeRecord;
  /** Of what stands in the store now, good or not; 0: nothing does. */
  revision: number;
  /** What stands there is `record`. */
  stored: boolean;
  /** When that was first seen; monotonic. */
  seenMs: number;
  /** When it may be evicted, if it stays like that. */
  dueMs: number;
  /** Renewals seen since the bus said that nobody listens; null while nobody said so. */
  unheard: number | null;
  evicting: boolean;
  /** What stands in the store is alive there, and was counted as gone here. */
  risen: NodeRecord | null;
}

export type Judgement = 'alive' | 'dead' | 'unknown';

/** Records of nodes kept in mind; a bucket full of others is not ours. */
const MEMBERS_MAX = 1_024;

/** Incarnations that are gone and kept in mind, in case a bucket that is put back shows them as alive. */
const BURIED_MAX = 1_024;

export class Membership {
  readonly #parts: ClusterParts;
  readonly #events: MembershipEvents;
  readonly #members = new Map<string, Member>();
  /** When the record of a node was last asked for, and last read, because a shard names an incarnation of it. */
  readonly #asked = new Map<string, { askedMs: number; readMs: number }>();
  readonly #buried = new Set<string>();
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(parts: ClusterParts, events: MembershipEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  /** Silence counts from here on: before, nobody was looking. */
  start(): void {
    for (const member of this.#members.values()) this.#seen(member);
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /** What stands in the store now, newer than what was known. `entry` is null when the record is not there any more. */
  learn(id: string, entry: KvEntry | null): void {
    const record = entry && decodeNode(entry.value);
    const known = this.#members.get(id);
    if (!record) {
      // an empty value is what a watch tells of a removal
      if (entry?.value.length) this.#parts.metrics.count('heyblue_cluster_rubbish_total', { kind: 'node' });
      if (!known) return;
      known.revision = entry?.revision ?? 0;
      known.stored = false;
      return;
    }
    if (!known) {
      if (this.#members.size >= MEMBERS_MAX) return;
      const member = {
        id,
        record,
        revision: entry.revision,
        stored: true,
        seenMs: 0,
        dueMs: 0,
        unheard: null,
        evicting: false,
        risen: null,
      };
      this.#members.set(id, member);
      this.#seen(member);
      this.#events.changed();
      return;
    }
    known.revision = entry.revision;
    known.stored = true;
    known.risen = isLive(record) && this.#buried.has(refOf(id, record.incarnation)) ? record : null;
    if (known.risen) return this.#buryAgain(known);
    const before = known.record;
    known.record = record;
    if (known.unheard !== null && ++known.unheard > 1) known.unheard = null;
    this.#seen(known);
    const replaced = before.incarnation !== record.incarnation;
    if (id !== this.#parts.id && isLive(before) && (replaced || !isLive(record))) {
      this.#parts.log.warn(
        { node: id, incarnation: before.incarnation, state: record.state },
        'a node is gone',
      );
      this.#bury(refOf(id, before.incarnation));
      this.#events.gone(refOf(id, before.incarnation), before.gateway);
    }
    if (replaced || before.state !== record.state || before.weight !== record.weight) this.#events.changed();
  }

  #bury(ref: string): void {
    this.#buried.add(ref);
    if (this.#buried.size > BURIED_MAX) this.#buried.delete(this.#buried.values().next().value!);
  }

  #buryAgain(member: Member): void {
    this.#parts.log.warn(
      { node: member.id },
      'a node that is gone stands in the bucket as alive: evicting it',
    );
    member.dueMs = this.#parts.clock.monotonicMs();
    this.#schedule();
  }

  /** The bucket went back in time, and this stands there now: revisions start over, what we know of the nodes stays. */
  rewind(id: string, entry: KvEntry | null): void {
    const known = this.#members.get(id);
    const record = entry && decodeNode(entry.value);
    if (!known || (record && record.incarnation === known.record.incarnation && isLive(known.record)))
      return this.learn(id, entry);
    known.revision = entry?.revision ?? 0;
    known.stored = false;
    this.#seen(known);
  }

  /** The bus proved that nobody listens to this incarnation now. */
  unheard(ref: string): void {
    const parsed = parseRef(ref);
    const member = parsed && this.#members.get(parsed.id);
    if (!member || member.record.incarnation !== parsed.incarnation || !isLive(member.record)) return;
    if (member.unheard !== null) return;
    member.unheard = 0;
    const { clock, limits, random } = this.#parts;
    const dueMs = clock.monotonicMs() + limits.unheardEvictMs + jitter(random, limits.unheardJitterMs);
    member.dueMs = Math.min(member.dueMs, dueMs);
    this.#schedule();
  }

  /**
   * Is this incarnation still there? `revision` is that of the record that names it: an incarnation that we do not know
   * is of the past when our news of its node is younger than that, else it may be of the future.
   */
  judge(id: string, incarnation: string, revision: number): Judgement {
    const member = this.#members.get(id);
    if (!member) return 'unknown';
    if (member.record.incarnation === incarnation) return isLive(member.record) ? 'alive' : 'dead';
    return member.revision > revision ? 'dead' : 'unknown';
  }

  /**
   * Reads the record of a node of which some shard names an incarnation that is not known here. True when that was done
   * after `sinceMs`: then an incarnation that is still not known is none of the future.
   */
  inquired(id: string, sinceMs: number): boolean {
    const { calls, clock, limits } = this.#parts;
    const nowMs = clock.monotonicMs();
    const asked = this.#asked.get(id);
    if (asked && asked.readMs > sinceMs) return true;
    if (asked ? nowMs - asked.askedMs < limits.renewMs : this.#asked.size >= MEMBERS_MAX) return false;
    this.#asked.set(id, { askedMs: nowMs, readMs: asked?.readMs ?? Number.NEGATIVE_INFINITY });
    void calls.get(nodeKey(id)).then(found => {
      if (!found.ok || this.#stopped) return;
      if (found.value) this.#events.found(found.value);
      this.#asked.set(id, { askedMs: nowMs, readMs: nowMs });
    });
    return false;
  }

  /** Those that shards may be given to. */
  candidates(): Candidate[] {
    const found: Candidate[] = [];
    for (const { id, record } of this.#members.values()) {
      if (record.state === 'up') found.push({ id, weight: record.weight, version: record.version });
    }
    return found;
  }

  /** Reference of a node that a shard may be handed over to now: up, and heard of lately. */
  reachable(id: string): string | null {
    const member = this.#members.get(id);
    if (member?.record.state !== 'up' || member.unheard !== null) return null;
    const silentMs = this.#parts.clock.monotonicMs() - member.seenMs;
    return silentMs < this.#parts.limits.leaseMs ? refOf(id, member.record.incarnation) : null;
  }

  ids(): Iterable<string> {
    return this.#members.keys();
  }

  revisionOf(id: string): number {
    return this.#members.get(id)?.revision ?? 0;
  }

  view(shardsOf: (id: string) => number): NodeView[] {
    const nowMs = this.#parts.clock.monotonicMs();
    return [...this.#members.values()]
      .map(({ id, record, seenMs }) => ({
        node: id,
        incarnation: record.incarnation,
        version: record.version,
        weight: record.weight,
        state: record.state,
        seenMs: Math.round(nowMs - seenMs),
        url: record.url ?? '',
        shards: shardsOf(id),
      }))
      .sort((a, b) => (a.node < b.node ? -1 : 1));
  }

  #seen(member: Member): void {
    const { clock, limits, random } = this.#parts;
    member.seenMs = clock.monotonicMs();
    const patienceMs = member.unheard === null ? limits.evictMs : limits.unheardEvictMs;
    member.dueMs = member.seenMs + patienceMs + jitter(random, limits.evictJitterMs);
  }

  /** Looks again when the first of them is due. */
  #schedule(): void {
    if (this.#stopped) return;
    const { clock, scheduler, limits, id } = this.#parts;
    let dueMs = clock.monotonicMs() + limits.evictMs;
    for (const member of this.#members.values()) {
      if (member.id !== id && (member.risen || isLive(member.record)) && !member.evicting)
        dueMs = Math.min(dueMs, member.dueMs);
    }
    this.#cancel();
    this.#cancel = scheduler.after(Math.max(1, dueMs - clock.monotonicMs()), () => this.#look());
  }

  #look(): void {
    const { clock, id, limits } = this.#parts;
    const nowMs = clock.monotonicMs();
    for (const member of this.#members.values()) {
      if (member.id === id || member.evicting || nowMs < member.dueMs) continue;
      const live = member.risen ?? (isLive(member.record) ? member.record : null);
      if (!live) this.#forget(member, nowMs);
      else if (this.#events.serving()) this.#evict(member, live);
      else member.dueMs = nowMs + limits.renewMs;
    }
    this.#schedule();
  }

  async #evict(member: Member, record: NodeRecord): Promise<void> {
    const { calls, clock, limits, log, metrics } = this.#parts;
    const { revision, id } = member;
    const silentMs = Math.round(clock.monotonicMs() - member.seenMs);
    const late = silentMs >= limits.unheardEvictMs - 1;
    assert(late || member.risen !== null, 'nobody is evicted before his lease is over');
    member.evicting = true;
    const fenced: NodeRecord = { ...record, state: 'fenced', nonce: calls.token() };
    const outcome = await calls.write(nodeKey(id), fenced, revision);
    member.evicting = false;
    // the watch may have told of a renewal meanwhile: then that one counts
    member.dueMs = Math.max(member.dueMs, clock.monotonicMs() + limits.renewMs);
    if (outcome.kind === 'written') {
      log.warn({ node: id, incarnation: record.incarnation, silentMs }, 'evicted a node that was silent');
      metrics.count('heyblue_evictions_total');
      this.#events.found(outcome.entry);
    } else if (outcome.kind === 'other') {
      metrics.count('heyblue_evictions_refused_total');
      if (outcome.entry) this.#events.found(outcome.entry);
      else this.learn(id, null);
    }
    this.#schedule();
  }

  /** Records of nodes that are gone for long are removed by one of those that are there. */
  #forget(member: Member, nowMs: number): void {
    const { limits, calls, id } = this.#parts;
    member.dueMs = nowMs + limits.forgetMs / 10;
    if (nowMs - member.seenMs < limits.forgetMs || !this.#events.serving()) return;
    const first = this.candidates()
      .map(candidate => candidate.id)
      .sort()[0];
    if (!member.stored) this.#members.delete(member.id);
    else if (first === id) void calls.remove(nodeKey(member.id), member.revision);
  }
}

const isLive = (record: NodeRecord): boolean => record.state === 'up' || record.state === 'draining';
