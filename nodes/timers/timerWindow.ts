/**
 * The part of the timers that is in memory: for each shard that this node owns, what falls due soon. It follows the
 * store: what was read, and what was committed since.
 */
import type { TimerOp } from '../../actors/durable.ts';
import type { DueTimer } from '../ports.ts';
import { DueQueue } from './dueQueue.ts';
import { timerKey } from './timerRules.ts';

/** A shard that this node owns, and what of it is in memory. */
export interface Owned {
  readonly shard: number;
  readonly epoch: number;
  /** Everything due until then is in memory, or is being read. */
  untilMs: number;
  readonly timers: Map<string, Entry>;
}

export interface Entry extends DueTimer {
  readonly key: string;
  readonly owned: Owned;
  /** Deliveries that were not answered as hoped. */
  attempt: number;
  /** Replaced, removed, or its shard is gone. */
  gone: boolean;
}

export class TimerWindow {
  readonly #owned = new Map<number, Owned>();
  readonly queue = new DueQueue<Entry>();

  get shards(): number {
    return this.#owned.size;
  }

  /** Timers in memory: due soon, or under way. */
  get size(): number {
    let size = 0;
    for (const owned of this.#owned.values()) size += owned.timers.size;
    return size;
  }

  all(): Owned[] {
    return [...this.#owned.values()];
  }

  holds(owned: Owned): boolean {
    return this.#owned.get(owned.shard) === owned;
  }

  open(shard: number, epoch: number): Owned {
    this.close(shard);
    const owned: Owned = { shard, epoch, untilMs: Number.NEGATIVE_INFINITY, timers: new Map() };
    this.#owned.set(shard, owned);
    return owned;
  }

  close(shard: number): void {
    const owned = this.#owned.get(shard);
    if (!owned) return;
    for (const entry of owned.timers.values()) entry.gone = true;
    owned.timers.clear();
    this.#owned.delete(shard);
  }

  closeAll(): void {
    for (const shard of [...this.#owned.keys()]) this.close(shard);
    this.queue.clear();
  }

  /** A timer was read; one that is in memory as it is changes nothing. */
  take(owned: Owned, timer: DueTimer): void {
    const key = timerKey(timer);
    if (this.holds(owned) && owned.timers.get(key)?.dueAtMs !== timer.dueAtMs) this.#put(owned, key, timer);
  }

  /** An operation is durable. */
  follow(shard: number, op: TimerOp): void {
    const owned = this.#owned.get(shard);
    if (!owned) return;
    const key = timerKey(op);
    const { kind, actor, name, dueAtMs, message } = op;
    if (dueAtMs !== null && dueAtMs <= owned.untilMs) {
      this.#put(owned, key, { shard, kind, actor, name, dueAtMs, message });
    } else if (op.onlyDueAtMs === null || owned.timers.get(key)?.dueAtMs === op.onlyDueAtMs) {
      this.forget(owned, key);
    }
  }

  forget(owned: Owned, key: string): void {
    const entry = owned.timers.get(key);
    if (!entry) return;
    entry.gone = true;
    owned.timers.delete(key);
  }

  #put(owned: Owned, key: string, timer: DueTimer): void {
    this.forget(owned, key);
    const entry: Entry = { ...timer, key, owned, attempt: 0, gone: false };
    owned.timers.set(key, entry);
    this.queue.push(entry);
  }
}
