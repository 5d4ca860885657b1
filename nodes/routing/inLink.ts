/**
 * What one sender said to us, in order or not at all. Batches carry rising numbers: one that comes twice is dropped, and
 * one that comes after a younger one is not taken any more. The sender hears of such holes with every acknowledgement,
 * and so knows that what was in them was not executed.
 *
 * A number that is far ahead would make everything after it look old. A sender has no more than a window under way, and
 * says where that begins; what lies outside is refused. Any number may be ahead of what came before, because batches that
 * nobody heard count too. A number that nobody sent and that looks right all the same is healed by the sender, who hears
 * of it with the acknowledgement (`OutLink.acked`).
 */
import { ROUTING_LIMITS } from '../limits.ts';
import type { Ack } from './envelope.ts';
import { LINK } from './limits.ts';

export class InLink {
  readonly from: string;
  /** Our gateway's id when it is what is said to our sockets, empty when it is said to this node. */
  readonly gateway: string;
  #last = 0;
  /** Newest batch of which every message was taken or sent back: only that may be said. */
  #done = 0;
  #holes: number[] = [];
  /** Something is to be acknowledged. */
  due = false;
  /** Batches taken since the last acknowledgement. */
  since = 0;
  /**
   * Shards of which something bounced, and in which round of the sender: what follows in the same round bounces too, so
   * that it does not overtake.
   */
  readonly #barred = new Map<number, number>();

  constructor(from: string, gateway: string) {
    this.from = from;
    this.gateway = gateway;
  }

  /** `oldest`: where the sender's window begins. */
  take(number: number, oldest: number): 'taken' | 'duplicate' | 'late' | 'reach' {
    this.since++;
    if (oldest > number || number - oldest >= ROUTING_LIMITS.window) return 'reach';
    if (number - this.#last > LINK.reachMax) return 'reach';
    if (number <= this.#last) return this.#holes.includes(number) ? 'late' : 'duplicate';
    const from = Math.max(this.#last + 1, number - ROUTING_LIMITS.window);
    for (let hole = from; hole < number; hole++) this.#holes.push(hole);
    this.#last = number;
    if (this.#holes.length > 0) {
      const oldest = number - ROUTING_LIMITS.window;
      this.#holes = this.#holes.filter(hole => hole >= oldest);
    }
    return 'taken';
  }

  /** The batch that was taken last has been gone through. */
  done(): void {
    this.#done = this.#last;
  }

  ack(): Ack {
    this.due = false;
    this.since = 0;
    const last = this.#done;
    return { gateway: this.gateway, last, holes: this.#holes.filter(hole => hole < last) };
  }

  bar(shard: number, round: number): void {
    this.#barred.set(shard, round);
  }

  /** Whether something of the shard bounced in this round or a later one. */
  isBarred(shard: number, round: number): boolean {
    const barred = this.#barred.get(shard);
    if (barred === undefined) return false;
    if (round <= barred) return true;
    this.#barred.delete(shard);
    return false;
  }
}
