/**
 * This node's picture of the bucket, kept by watching it; and how it notices that the picture is wrong.
 *
 * A watch may lag, stall, skip or end without a word, so nothing here proves anything. It is only made sure that an error
 * does not last: revisions are given out one after the other over the whole bucket, so a gap shows that something was
 * missed; every `pollMs` the bucket's newest revision is compared with what the watch told; and a revision that falls
 * shows that the bucket was restored from an old copy or made anew. Each leads to reading everything once and watching
 * from anew.
 */
import type { KvEntry, KvStore } from '../ports.ts';
import type { ClusterParts } from './parts.ts';
import { parseKey } from './records.ts';
import type { Written } from './storeCalls.ts';

/** Where what was read goes. `entry` is null when nothing stands there any more. */
export interface MirrorTarget {
  revisionOf(key: string): number;
  /** Newer than what was known. */
  learn(key: string, entry: KvEntry | null): void;
  /** The bucket went back in time. */
  rewind(key: string, entry: KvEntry | null): void;
  /** Keys that are known. */
  keys(): Iterable<string>;
}

export class Mirror {
  readonly #parts: ClusterParts;
  readonly #kv: KvStore;
  readonly #target: MirrorTarget;
  /** Newest revision told by the watch or a list. */
  #told = 0;
  /** Newest revision known at all, writes of our own included. */
  #newest = 0;
  #resyncing: Promise<boolean> | null = null;
  #rewound = false;
  /** A list that does not reach so far is older than what it is to repair; 0: nothing is missing. */
  #missing = 0;
  /** How far the last list reached. */
  #listed = 0;
  #gapTimer: (() => void) | null = null;
  #stopWatch: () => void = () => {};
  #cancelPoll: () => void = () => {};
  #stopped = false;

  constructor(parts: ClusterParts, kv: KvStore, target: MirrorTarget) {
    this.#parts = parts;
    this.#kv = kv;
    this.#target = target;
  }

  /** Resolves when everything was read once. */
  async start(): Promise<void> {
    this.#watch();
    while (!this.#stopped && !(await this.resync()))
      await this.#parts.calls.pause(this.#parts.limits.renewMs);
    this.#schedulePoll();
  }

  stop(): void {
    this.#stopped = true;
    this.#stopWatch();
    this.#cancelPoll();
    this.#gapTimer?.();
  }

  found(entry: KvEntry): void {
    this.#newest = Math.max(this.#newest, entry.revision);
    this.#take(entry);
  }

  /** What a write of this node met, or a read. */
  met(key: string, outcome: Written): void {
    if (outcome.kind !== 'written' && outcome.kind !== 'other') return;
    const known = this.#target.revisionOf(key);
    if (outcome.entry === null) {
      if (known > 0) this.#target.learn(key, null);
    } else if (outcome.entry.revision >= known) this.found(outcome.entry);
    // an old answer, or an old bucket
    else this.#expectGap(known);
  }

  /** Our own key says that the bucket went back in time: read everything as what it is, old. */
  rewound(): void {
    if (this.#rewound) return;
    this.#rewound = true;
    this.#parts.log.error({}, 'the coordination bucket was rolled back or made anew: reading it again');
    this.#parts.metrics.count('heyblue_cluster_rewinds_total');
    void this.resync();
  }

  /** Reads everything; false when the store did not answer. One at a time. */
  resync(): Promise<boolean> {
    this.#resyncing ??= this.#resync().finally(() => {
      this.#resyncing = null;
      if (this.#stopped) return;
      if (this.#rewound || this.#listed < this.#missing) this.#expectGap(this.#missing);
      else this.#missing = 0;
    });
    return this.#resyncing;
  }

  #watch(): void {
    this.#stopWatch();
    this.#stopWatch = this.#kv.watch(entry => {
      if (this.#stopped) return;
      // told twice is no harm; told again as something older is a bucket that went back in time
      const again = entry.revision <= this.#told && entry.revision < this.#target.revisionOf(entry.key);
      if (entry.revision > this.#told + 1 || again) this.#expectGap(entry.revision);
      this.#told = Math.max(this.#told, entry.revision);
      this.#newest = Math.max(this.#newest, entry.revision);
      this.#take(entry);
    });
  }

  #take(entry: KvEntry): void {
    if (parseKey(entry.key) === null) return;
    if (entry.revision <= this.#target.revisionOf(entry.key)) return;
    this.#target.learn(entry.key, entry);
  }

  /** Something up to this revision is missing, or still on its way: look after a moment. */
  #expectGap(revision: number): void {
    this.#missing = Math.max(this.#missing, revision);
    if (this.#gapTimer || this.#stopped) return;
    this.#gapTimer = this.#parts.scheduler.after(this.#parts.limits.renewMs, () => {
      this.#gapTimer = null;
      void this.resync();
    });
  }

  async #resync(): Promise<boolean> {
    const rewound = this.#rewound;
    const before = new Map<string, number>();
    for (const key of this.#target.keys()) before.set(key, this.#target.revisionOf(key));
    if (rewound) this.#watch();
    const found = await this.#parts.calls.list();
    if (this.#stopped || !found.ok) return false;
    this.#parts.metrics.count('heyblue_cluster_resyncs_total');
    const last = found.value.reduce((newest, entry) => Math.max(newest, entry.revision), 0);
    for (const entry of found.value) {
      if (parseKey(entry.key) === null) continue;
      const known = this.#target.revisionOf(entry.key);
      // a list that reaches beyond what is known of a key, and has it older, is of a bucket that went back in time
      const older = rewound || (entry.revision < known && known <= last);
      if (entry.revision > known) this.#target.learn(entry.key, entry);
      else if (older && known === before.get(entry.key)) this.#target.rewind(entry.key, entry);
      before.delete(entry.key);
    }
    for (const [key, known] of before) {
      // a list that is older than the record says nothing about it
      if (known === 0 || known !== this.#target.revisionOf(key)) continue;
      if (rewound) this.#target.rewind(key, null);
      else if (known <= last) this.#target.learn(key, null);
    }
    if (rewound) {
      this.#told = this.#newest = last;
      this.#missing = 0;
      this.#rewound = false;
    } else {
      this.#told = Math.max(this.#told, last);
      this.#newest = Math.max(this.#newest, last);
    }
    this.#listed = last;
    return true;
  }

  #schedulePoll(): void {
    if (this.#stopped) return;
    this.#cancelPoll = this.#parts.scheduler.after(this.#parts.limits.pollMs, () => void this.#poll());
  }

  async #poll(): Promise<void> {
    const { calls, limits, log, metrics } = this.#parts;
    const newest = this.#newest;
    const last = await calls.lastRevision();
    if (this.#stopped) return;
    if (last.ok && last.value < newest) this.rewound();
    else if (last.ok && last.value > this.#told) {
      await calls.pause(limits.renewMs);
      if (!this.#stopped && this.#told < last.value) {
        log.warn({ told: this.#told, last: last.value }, 'the watch of the coordination bucket stands still');
        metrics.count('heyblue_cluster_watch_stalls_total');
        this.#watch();
        await this.resync();
      }
    }
    this.#schedulePoll();
  }
}
