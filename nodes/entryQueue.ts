/**
 * Entries that wait for a group, and which of them may join the next one.
 *
 * Groups under way at the same time finish in any order. Two entries that touch the same account, pair, id or
 * idempotency key must be applied in the order in which they were submitted, because the younger was decided upon the
 * elder. So an entry joins a group only when it shares nothing with a group under way, nor with an elder that has to
 * wait; inside one group the store itself keeps the order. The mint is exempt: it is unlimited and has many rows.
 *
 * What an actor notes in one turn (timers, events, answers) must be stored together or not at all. It comes in a row, and
 * shares a key: a group that is full ends behind the last of them.
 */
import { MINT_ACCOUNT } from '../actors/durable.ts';
import { claimsOf, isNote, legsOf } from './ledgerRules.ts';
import type { CommitEntry } from './ports.ts';

export interface Waiting<D> {
  readonly entry: CommitEntry;
  readonly done: D;
  /** Everything that it shares with others; see above. */
  readonly keys: readonly string[];
  readonly deadlineMs: number;
}

/** What the entry shares with others: its claims first (of notes that of their turn), then the accounts that it touches. */
export function keysOf(entry: CommitEntry): string[] {
  const { op } = entry;
  const keys = [...claimsOf(op)];
  // nothing moves yet, or ever, and yet it decides what else can be spent
  if (op.type === 'pending' || op.type === 'void') keys.push(op.payer);
  for (const leg of legsOf(op)) if (leg.account !== MINT_ACCOUNT) keys.push(leg.account);
  return keys;
}

const isSame = (one: Waiting<unknown>, other: Waiting<unknown>): boolean => one.keys[0] === other.keys[0];

export class EntryQueue<D> {
  /** Elders that had to wait, oldest first, all older than `#fresh`. */
  #deferred: Waiting<D>[] = [];
  #fresh: Waiting<D>[] = [];
  #head = 0;
  /** Keys of groups under way; how many entries hold each. */
  readonly #busy = new Map<string, number>();

  get size(): number {
    return this.#deferred.length + this.#fresh.length - this.#head;
  }

  /** Deadline of the oldest entry, or null. */
  get oldestDeadlineMs(): number | null {
    return (this.#deferred[0] ?? this.#fresh[this.#head])?.deadlineMs ?? null;
  }

  push(waiting: Waiting<D>): void {
    this.#fresh.push(waiting);
  }

  /** Takes the next group, oldest first, and holds its keys until `release`. Looks at `scan` entries at most. */
  take(count: number, scan: number): Waiting<D>[] {
    const group: Waiting<D>[] = [];
    const passed = new Set<string>();
    const deferred: Waiting<D>[] = [];
    const pick = (one: Waiting<D>): void => {
      const free = one.keys.every(key => !passed.has(key) && !this.#busy.has(key));
      if (free) {
        group.push(one);
        return;
      }
      for (const key of one.keys) passed.add(key);
      deferred.push(one);
    };
    let seen = 0;
    let last: Waiting<D> | null = null;
    const goesOn = (next: Waiting<D>): boolean =>
      (group.length < count && seen < scan) || (last !== null && isNote(next.entry.op) && isSame(last, next));
    const old = this.#deferred;
    while (seen < old.length && goesOn(old[seen]!)) {
      last = old[seen++]!;
      pick(last);
    }
    const rest = old.slice(seen);
    // the young may not overtake elders that were not looked at
    if (rest.length === 0) {
      while (this.#head < this.#fresh.length && goesOn(this.#fresh[this.#head]!)) {
        last = this.#fresh[this.#head]!;
        pick(this.#fresh[this.#head++]!);
        seen++;
      }
    }
    this.#deferred = deferred.concat(rest);
    // what was taken is not kept: an entry holds the message that it came with
    if (this.#head === this.#fresh.length || (this.#head > 1_024 && this.#head * 2 > this.#fresh.length)) {
      this.#fresh = this.#fresh.slice(this.#head);
      this.#head = 0;
    }
    for (const one of group) for (const key of one.keys) this.#busy.set(key, (this.#busy.get(key) ?? 0) + 1);
    return group;
  }

  /** The group is settled: what it held is free again. */
  release(group: readonly Waiting<D>[]): void {
    for (const one of group) {
      for (const key of one.keys) {
        const held = this.#busy.get(key)!;
        if (held === 1) this.#busy.delete(key);
        else this.#busy.set(key, held - 1);
      }
    }
  }

  /** Takes out everything that waits and whose deadline has passed; all of it when `nowMs` is infinite. */
  expired(nowMs: number): Waiting<D>[] {
    const out: Waiting<D>[] = [];
    const late = this.#deferred.findIndex(one => one.deadlineMs > nowMs);
    out.push(...this.#deferred.splice(0, late < 0 ? this.#deferred.length : late));
    while (this.#head < this.#fresh.length && this.#fresh[this.#head]!.deadlineMs <= nowMs) {
      out.push(this.#fresh[this.#head++]!);
    }
    return out;
  }
}
