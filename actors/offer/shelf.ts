/**
 * The stock of an offer in memory: what was read of the store, what changed since, and what is held for users who are about
 * to set their points aside. Changed in place: in a flash sale thousands ask within a second.
 *
 * It decides nothing for good, the store's statement does. It is there so that a sold out offer costs the store nothing.
 * So an error to the one side costs a refused commit, and one to the other side must not last: whoever would be refused for
 * want of stock is refused at once only by numbers that are sure and fresh; else the store is read first.
 *
 * Numbers are not sure any more when something is told of which nobody can say whether the store had counted it already:
 * a lease that was over; a lease or a redemption that stood while the store was read; a redemption of an earlier life of the
 * actor.
 */
import type { OfferView } from '../queries.ts';

interface Lease {
  readonly user: string;
  readonly quantity: number;
  readonly untilMs: number;
  /** It stood while the store was read, which may have counted it. */
  isDoubtful: boolean;
}

interface Taken {
  readonly user: string;
  readonly quantity: number;
  /** It stood while the store was read, which may have counted the end of it. */
  isDoubtful: boolean;
}

/** How long what ended is remembered, because it may be told again: in redemptions. */
const OVER_MAX = 4_096;

export class Shelf {
  onHand = 0;
  reserved = 0;
  /** Of an offer with a limit: what each user has reserved and bought, and not given back. */
  perUser = new Map<string, number>();
  /** Town milliseconds at which the store was asked for these numbers. */
  readAtMs = 0;
  isSure = true;
  /** By redemption, the oldest first. */
  readonly leases = new Map<string, Lease>();
  /** What was reserved in this life of the actor. */
  readonly #taken = new Map<string, Taken>();
  readonly #over = new Set<string>();
  #leased = 0;
  /** Something happened since the store was asked. */
  #moved = false;

  /** Units that nobody has reserved. */
  get left(): number {
    return this.onHand - this.reserved;
  }

  /** Units that may be held for somebody. */
  free(nowMs: number): number {
    this.#sweep(nowMs);
    return this.left - this.#leased;
  }

  /** What a user has, or is about to have. */
  had(user: string): number {
    let count = this.perUser.get(user) ?? 0;
    for (const lease of this.leases.values()) if (lease.user === user) count += lease.quantity;
    return count;
  }

  isTaken(redemptionId: string): boolean {
    return this.#taken.has(redemptionId);
  }

  hold(redemptionId: string, user: string, quantity: number, untilMs: number): void {
    this.letGo(redemptionId);
    this.leases.set(redemptionId, { user, quantity, untilMs, isDoubtful: false });
    this.#leased += quantity;
  }

  letGo(redemptionId: string): Lease | undefined {
    const lease = this.leases.get(redemptionId);
    if (!lease) return undefined;
    this.leases.delete(redemptionId);
    this.#leased -= lease.quantity;
    return lease;
  }

  /** The store has set it aside. */
  take(redemptionId: string): void {
    if (this.#taken.has(redemptionId) || this.#over.has(redemptionId)) return;
    const lease = this.letGo(redemptionId);
    if (!lease) return this.doubt();
    if (lease.isDoubtful) this.isSure = false;
    const { user, quantity } = lease;
    this.#moved = true;
    this.#taken.set(redemptionId, { user, quantity, isDoubtful: false });
    this.reserved += quantity;
    this.#count(user, quantity);
  }

  /** The store has sold so many units of a redemption, and put the others back. */
  settle(redemptionId: string, sold: number): void {
    if (this.#over.has(redemptionId)) return;
    this.#remember(redemptionId);
    this.letGo(redemptionId);
    const one = this.#taken.get(redemptionId);
    this.#taken.delete(redemptionId);
    if (!one || one.isDoubtful) return this.doubt();
    this.#moved = true;
    this.reserved -= one.quantity;
    this.onHand -= sold;
    this.#count(one.user, sold - one.quantity);
  }

  /** The merchant has more of it, or less. */
  change(delta: number): void {
    this.#moved = true;
    this.onHand += delta;
  }

  /** Something changed in the store that is not known here. */
  doubt(): void {
    this.isSure = false;
    this.#moved = true;
  }

  /** The store is asked. */
  asking(nowMs: number): void {
    this.readAtMs = nowMs;
    this.#moved = false;
    for (const lease of this.leases.values()) lease.isDoubtful = true;
    for (const one of this.#taken.values()) one.isDoubtful = true;
  }

  /** As the store has it. */
  read({ onHand, reserved, perUser }: Pick<OfferView, 'onHand' | 'reserved' | 'perUser'>): void {
    this.onHand = onHand;
    this.reserved = reserved;
    this.perUser = new Map(Object.entries(perUser));
    this.isSure = !this.#moved;
  }

  #count(user: string, delta: number): void {
    const count = (this.perUser.get(user) ?? 0) + delta;
    if (count > 0) this.perUser.set(user, count);
    else this.perUser.delete(user);
  }

  #sweep(nowMs: number): void {
    for (const [redemptionId, { untilMs }] of this.leases) {
      if (untilMs > nowMs) return;
      this.letGo(redemptionId);
    }
  }

  #remember(redemptionId: string): void {
    this.#over.add(redemptionId);
    if (this.#over.size <= OVER_MAX) return;
    for (const oldest of this.#over) {
      this.#over.delete(oldest);
      return;
    }
  }
}
