/**
 * Messages waiting for one actor: first in, first out, bounded. Positions coalesce: while one waits, a newer one with
 * the same key takes its place, so that a phone that reports faster than the actor turns costs one slot, not many.
 * Messages that an actor takes together (`Behaviour.join`) are put to the last one that waits, and cost no place at all.
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

export type Join = (waiting: Mail['message'], message: Mail['message']) => Mail['message'] | null;

/** What follows from a message that nobody waits for stands in its trace. */
const traceOf = ({ cause }: Mail): string | null => cause?.trace ?? null;

/** Places of a new mailbox: most actors have one message at a time. */
const ROOM = 4;

export class Mailbox {
  readonly #capacity: number;
  /** A circle; its length is a power of two, and grows when it is full. */
  #items: (Mail | undefined)[] = new Array(ROOM);
  #head = 0;
  #size = 0;
  /** How many have left, and the number of the last one that somebody waits for. */
  #left = 0;
  #hurried = -1;
  #keyed: Map<string, Mail> | null = null;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether something waits that was pushed as hurried. */
  get hurried(): boolean {
    return this.#hurried >= this.#left;
  }

  /** False when full; nothing was taken then. */
  push(mail: Mail, system: boolean, hurried: boolean): boolean {
    if (!system && this.size >= this.#capacity) return false;
    if (this.#size === this.#items.length) this.#grow();
    if (hurried) this.#hurried = this.#left + this.#size;
    this.#items[(this.#head + this.#size++) & (this.#items.length - 1)] = mail;
    return true;
  }

  /**
   * Takes the place of a waiting message with this key, or waits behind the others; never hurried. When a place was taken,
   * `mail.bytes` is afterwards what the older one counted: it waits no more.
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
    if (!this.push(mail, false, false)) return false;
    this.#keyed.set(key, mail);
    return true;
  }

  /** Puts a message to the one that waits last, when `join` makes one of the two and nobody waits for an answer to either. */
  joinLast(mail: Mail, join: Join): boolean {
    if (this.#size === 0 || mail.replyTo !== null) return false;
    const last = this.#items[(this.#head + this.#size - 1) & (this.#items.length - 1)]!;
    if (last.replyTo !== null || traceOf(last) !== traceOf(mail)) return false;
    const joined = join(last.message, mail.message);
    if (joined === null) return false;
    last.message = joined;
    last.bytes += mail.bytes;
    return true;
  }

  shift(): Mail | undefined {
    if (this.#size === 0) return undefined;
    const mail = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#size--;
    this.#left++;
    if (this.#keyed !== null && this.#keyed.size > 0) {
      // keys stand in the order of their mail: only the first of them can be that of the oldest
      for (const [key, waiting] of this.#keyed) {
        if (waiting === mail) this.#keyed.delete(key);
        break;
      }
    }
    return mail;
  }

  #grow(): void {
    const items = this.#items.slice(this.#head).concat(this.#items.slice(0, this.#head));
    items.length *= 2;
    this.#items = items;
    this.#head = 0;
  }
}
