/**
 * Messages waiting for one actor: first in, first out, bounded. Positions coalesce: while one waits, a newer one with
 * the same key takes its place, so that a phone that reports faster than the actor turns costs one slot, not many.
 * Answers, commits and timers (`system`) are always taken: their number is bounded by what the actor itself asked for.
 */
import type { ReplyTo } from '../actors/turn.ts';
import type { Cause } from './cause.ts';

export interface Mail {
  message: { readonly type: string };
  replyTo: ReplyTo | null;
  cause: Cause | null;
  /** What it counts against the node's budget while it waits; 0 for what did not come from another node. */
  bytes: number;
}

export class Mailbox {
  readonly #capacity: number;
  #items: (Mail | undefined)[] = [];
  #head = 0;
  #keyed: Map<string, Mail> | null = null;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** False when full; nothing was taken then. */
  push(mail: Mail, system: boolean): boolean {
    if (!system && this.size >= this.#capacity) return false;
    this.#items.push(mail);
    return true;
  }

  /**
   * Takes the place of a waiting message with this key, or waits behind the others. When a place was taken, `mail.bytes`
   * is afterwards what the older one counted: it waits no more.
   */
  pushKeyed(mail: Mail, key: string): boolean {
    this.#keyed ??= new Map();
    const waiting = this.#keyed.get(key);
    if (waiting) {
      const { bytes } = waiting;
      waiting.message = mail.message;
      waiting.replyTo = mail.replyTo;
      waiting.cause = mail.cause;
      waiting.bytes = mail.bytes;
      mail.bytes = bytes;
      return true;
    }
    if (!this.push(mail, false)) return false;
    this.#keyed.set(key, mail);
    return true;
  }

  shift(): Mail | undefined {
    if (this.#head === this.#items.length) return undefined;
    const mail = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    if (this.#keyed !== null && this.#keyed.size > 0) {
      // keys stand in the order of their mail: only the first of them can be that of the oldest
      for (const [key, waiting] of this.#keyed) {
        if (waiting === mail) this.#keyed.delete(key);
        break;
      }
    }
    return mail;
  }
}
