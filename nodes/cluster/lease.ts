/**
 * How a node knows that it may still act.
 *
 * Problem. A node that is paused, cut off or slow cannot be told so: the message would wait with it. It has to stop by
 * itself, before anybody else may conclude that it is gone.
 *
 * Guarantee. While {@link Lease.deadlineMs} lies ahead nobody has evicted this incarnation, whatever the network does,
 * as long as two clocks differ in rate by less than `clockRatePercent` (proof below); and what is under way when it
 * passes is refused by the fence.
 *
 * Mechanism. The node rewrites its record each second by compare-and-set. A renewal that took effect moves the deadline
 * to `leaseMs` after the moment *before it was sent*. An observer counts from *after* it saw the renewal and evicts, by
 * compare-and-set on exactly that revision, after more than `leaseMs`: it started later, waits longer, and fails if there
 * was a newer renewal. Nothing else moves the deadline: no read, no watch, no conflict.
 *
 * A renewal that conflicts, or whose answer was lost, is read back:
 *   our nonce                      it took effect: the deadline moves
 *   our incarnation, up            an earlier one of ours stands there: go on from its revision and renew again
 *   nothing, rubbish, or           the bucket was emptied, soiled or rolled back. While the deadline lies ahead nobody
 *   another one at an older        can have evicted us, so it is ours to write anew; after it nothing proves anything:
 *   revision                       all is discarded
 *   fenced, or another incarnation we were evicted, or a second process has our id: all is discarded
 *
 * To join is to be an observer of the record first: one that left or was fenced is taken at once, a living one only after
 * it was silent for as long as any observer waits. So two processes with one id never run at the same time.
 */
import type { KvEntry } from '../ports.ts';
import { type ClusterParts, jitter, type Tenure } from './parts.ts';
import { decodeNode, type NodeRecord, type NodeState, nodeKey, URL_MAX } from './records.ts';

export interface LeaseEvents {
  /** Our record as it stands now. */
  wrote(entry: KvEntry): void;
  joined(): void;
  /** The deadline passed. */
  lapsed(): void;
  /** A renewal took effect after the deadline had passed. */
  resumed(): void;
  evicted(why: string): void;
  /** The bucket gave out an older revision than one that we know of. */
  rewound(): void;
  /** So many renewals in a row came to nothing: the connection may be dead without knowing it. */
  silent(): void;
}

/** Renewals remembered by nonce, in case one turns up late. */
const REMEMBERED = 8;
/** How often a leaving node tries to say so. */
const FAREWELLS = 3;

export class Lease {
  /** Monotonic. No turn and no output from this moment on. */
  deadlineMs = Number.NEGATIVE_INFINITY;
  readonly #parts: ClusterParts;
  readonly #tenure: Tenure;
  readonly #events: LeaseEvents;
  readonly #key: string;
  #state: NodeState = 'up';
  /** Where the next renewal is set against. */
  #revision = 0;
  /** Newest revision that a renewal of ours got. */
  #acknowledged = 0;
  #lapsed = false;
  #failures = 0;
  #joined = false;
  #renewing = false;
  #again = false;
  #cancelRenewal: () => void = () => {};
  #cancelDeadline: () => void = () => {};
  readonly #sent = new Map<string, number>();

  constructor(parts: ClusterParts, tenure: Tenure, events: LeaseEvents) {
    this.#parts = parts;
    this.#tenure = tenure;
    this.#events = events;
    this.#key = nodeKey(tenure.id);
  }

  get draining(): boolean {
    return this.#state === 'draining';
  }

  /** @param predecessors earlier incarnations of this very process: nobody need wait for them */
  async join(predecessors: ReadonlySet<string>): Promise<void> {
    const { calls, limits, clock, random, log } = this.#parts;
    let seen = { revision: -1, atMs: 0, waitMs: 0 };
    let renewals = 0;
    while (!this.#over) {
      const found = await calls.get(this.#key);
      if (this.#over) return;
      if (found.ok) {
        const record = found.value && decodeNode(found.value.value);
        const revision = found.value?.revision ?? 0;
        const nowMs = clock.monotonicMs();
        if (revision !== seen.revision) {
          const waitMs = limits.evictMs + jitter(random, limits.evictJitterMs);
          seen = { revision, atMs: nowMs, waitMs };
          if (++renewals === 3)
            log.error(
              { node: this.#tenure.id },
              'another process runs under this node id: waiting for its end',
            );
        }
        const vacant = found.value === null || record?.state === 'left' || record?.state === 'fenced';
        const ours = record?.incarnation === this.#tenure.incarnation;
        if (
          vacant ||
          ours ||
          (record && predecessors.has(record.incarnation)) ||
          nowMs - seen.atMs >= seen.waitMs
        ) {
          this.#revision = revision;
          this.#acknowledged = revision;
          if ((await this.#write()) === 'applied') {
            if (!this.#over) this.#begin();
            return;
          }
        }
      }
      await calls.pause(limits.renewMs / 4);
    }
  }

  /** Others see it at once instead of with the next renewal. */
  drain(): void {
    this.#state = 'draining';
    if (!this.#joined) return;
    this.#cancelRenewal();
    if (this.#renewing) this.#again = true;
    else this.#renew();
  }

  /** Says that this node is gone, as far as the store answers. Call {@link end} first. */
  async leave(): Promise<void> {
    if (!this.#joined) return;
    this.#state = 'left';
    for (let attempt = 0; attempt < FAREWELLS; attempt++) {
      const outcome = await this.#parts.calls.write(this.#key, this.#record(), this.#revision);
      if (outcome.kind === 'written') return;
      if (outcome.kind !== 'other') continue;
      const record = outcome.entry && decodeNode(outcome.entry.value);
      if (!outcome.entry || record?.incarnation !== this.#tenure.incarnation) return;
      this.#revision = outcome.entry.revision;
    }
  }

  /** Nothing is held from here on, and nothing is renewed. */
  end(): void {
    this.deadlineMs = Number.NEGATIVE_INFINITY;
    this.#tenure.ended = true;
    this.#cancelRenewal();
    this.#cancelDeadline();
  }

  get #over(): boolean {
    return this.#tenure.ended;
  }

  #begin(): void {
    this.#joined = true;
    this.#events.joined();
    this.#scheduleRenewal(this.#parts.clock.monotonicMs());
  }

  #scheduleRenewal(sinceMs: number): void {
    const { scheduler, clock, limits } = this.#parts;
    const waitMs = this.#again ? 0 : Math.max(0, sinceMs + limits.renewMs - clock.monotonicMs());
    this.#again = false;
    this.#cancelRenewal = scheduler.after(waitMs, () => this.#renew());
  }

  async #renew(): Promise<void> {
    if (this.#over || this.#renewing) return;
    this.#renewing = true;
    const startedMs = this.#parts.clock.monotonicMs();
    // what stands there instead may be an older one of ours: once more from there, at once
    if ((await this.#write()) === 'again' && !this.#over) await this.#write();
    this.#renewing = false;
    if (!this.#over) this.#scheduleRenewal(startedMs);
  }

  async #write(): Promise<'applied' | 'again' | 'failed'> {
    const { calls, clock, limits, metrics } = this.#parts;
    const record = this.#record();
    const base = this.#revision;
    const sentMs = clock.monotonicMs();
    this.#remember(record.nonce, sentMs);
    const outcome = await calls.write(this.#key, record, base);
    if (this.#over) return 'failed';
    switch (outcome.kind) {
      case 'written':
        return this.#applied(outcome.entry, sentMs, base) ? 'applied' : 'failed';
      case 'other':
        return this.#joined && this.#adopt(outcome.entry) ? 'again' : 'failed';
      default:
        metrics.count('heyblue_lease_renewals_failed_total');
        if (++this.#failures % limits.renewalsFailed === 0) this.#events.silent();
        return 'failed';
    }
  }

  #applied(entry: KvEntry, sentMs: number, base: number): boolean {
    this.#failures = 0;
    const rewound = base < this.#acknowledged;
    this.#revision = this.#acknowledged = entry.revision;
    this.#events.wrote(entry);
    if (rewound) {
      this.#events.rewound();
      if (sentMs >= this.deadlineMs) {
        this.#evicted('the bucket was rolled back while the lease had run out');
        return false;
      }
    }
    this.#extend(sentMs);
    return true;
  }

  /** Goes on from what stands there; false when that means that we were evicted. */
  #adopt(entry: KvEntry | null): boolean {
    const record = entry && decodeNode(entry.value);
    const revision = entry?.revision ?? 0;
    if (record?.incarnation === this.#tenure.incarnation) {
      if (record.state === 'fenced' || record.state === 'left') {
        this.#evicted('another node found this one silent for too long');
        return false;
      }
      const sentMs = this.#sent.get(record.nonce);
      if (sentMs !== undefined && revision > this.#acknowledged) {
        this.#acknowledged = revision;
        this.#events.wrote(entry!);
        this.#extend(sentMs);
      }
    } else if (record !== null && revision > this.#acknowledged) {
      this.#evicted('another incarnation runs under this node id');
      return false;
    } else if (this.#parts.clock.monotonicMs() >= this.deadlineMs) {
      this.#evicted('the record of this node is gone, and so is its lease');
      return false;
    }
    this.#revision = revision;
    return true;
  }

  #evicted(why: string): void {
    this.end();
    this.#events.evicted(why);
  }

  /** Only an applied renewal comes here. */
  #extend(sentMs: number): void {
    const { clock, limits } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (this.#joined && nowMs >= this.deadlineMs) this.#lapse();
    this.deadlineMs = Math.max(this.deadlineMs, sentMs + limits.leaseMs);
    if (nowMs >= this.deadlineMs) return;
    this.#watchDeadline();
    if (!this.#lapsed) return;
    this.#lapsed = false;
    this.#events.resumed();
  }

  #watchDeadline(): void {
    const { clock, scheduler } = this.#parts;
    this.#cancelDeadline();
    this.#cancelDeadline = scheduler.after(Math.max(1, this.deadlineMs - clock.monotonicMs()), () => {
      if (this.#over) return;
      if (clock.monotonicMs() < this.deadlineMs) return this.#watchDeadline();
      this.#lapse();
    });
  }

  #lapse(): void {
    if (this.#lapsed) return;
    this.#lapsed = true;
    this.#events.lapsed();
  }

  #record(): NodeRecord {
    const { gateway, version, weight, url = '', calls } = this.#parts;
    return {
      incarnation: this.#tenure.incarnation,
      gateway,
      version,
      weight,
      ...(url !== '' && url.length <= URL_MAX && { url }),
      state: this.#state,
      nonce: calls.token(),
    };
  }

  #remember(nonce: string, sentMs: number): void {
    this.#sent.set(nonce, sentMs);
    if (this.#sent.size <= REMEMBERED) return;
    for (const oldest of this.#sent.keys()) {
      this.#sent.delete(oldest);
      return;
    }
  }
}
