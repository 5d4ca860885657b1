/**
 * Messages waiting for one actor: first in, first out, bounded. Positions coalesce: while one waits, a newer one with
 * the same key takes its place, so that a phone that reports faster than the actor turns costs one slot, not many.
 * Answers, commits and timers (`system`) are always taken: their number is bounded by what the actor itself asked for.
 */
import type { ReplyTo } from '../actors/turn.ts';

export interface Envelope {
  message: { readonly type: string };
  replyTo: ReplyTo | null;
}

export class Mailbox {
  readonly #capacity: number;
  #items: (Envelope | undefined)[] = [];
  #head = 0;
  #keyed: Map<string, Envelope> | null = null;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** False when full; nothing was taken then. */
  push(envelope: Envelope, system: boolean): boolean {
    if (!system && this.size >= this.#capacity) return false;
    this.#items.push(envelope);
    return true;
  }

  /** Takes the place of a waiting message with this key, or waits behind the others. */
  pushKeyed(envelope: Envelope, key: string): boolean {
    this.#keyed ??= new Map();
    const waiting = this.#keyed.get(key);
    if (waiting) {
      waiting.message = envelope.message;
      waiting.replyTo = envelope.replyTo;
      return true;
    }
    if (!this.push(envelope, false)) return false;
    this.#keyed.set(key, envelope);
    return true;
  }

  shift(): Envelope | undefined {
    if (this.#head === this.#items.length) return undefined;
    const envelope = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    if (this.#keyed && envelope) {
      for (const [key, waiting] of this.#keyed) if (waiting === envelope) this.#keyed.delete(key);
    }
    return envelope;
  }
}
