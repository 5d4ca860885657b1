/**
 * Offers, their stock and redemptions in memory: the twin of the schema `market` in PostgreSQL, shared by the ledger (which
 * sets stock aside and sells it with the points) and the notes (in which merchants change both).
 */
import type {
  CommitCode,
  OfferOp,
  OfferRecord,
  PendingOp,
  PostOp,
  RefundOp,
  StockHold,
  StockOp,
  VoidOp,
} from '../../actors/durable.ts';
import type { OfferView, RedemptionView, SaleView } from '../../actors/queries.ts';
import { MARKET_LIMITS } from '../limits.ts';

export interface MemoryStock {
  onHand: number;
  reserved: number;
}

type Redemption = Omit<RedemptionView, 'offerTitle'>;

/** One line of the log. */
export interface MemoryMovement {
  readonly offer: string;
  readonly kind: 'allocation' | 'sale' | 'release' | 'cancellation' | StockOp['kind'];
  readonly opId: string;
  readonly onHandDelta: number;
  readonly reservedDelta: number;
}

const NONE = { quantity: 0, points: 0 };

export class MemoryMarket {
  readonly offers = new Map<string, { readonly offer: OfferRecord; readonly opId: string }>();
  readonly stock = new Map<string, MemoryStock>();
  readonly redemptions = new Map<string, Redemption>();
  readonly movements: MemoryMovement[] = [];
  /** Payments and refunds as they came, with the id of the redemption. */
  readonly #sales: (Omit<SaleView, 'redemption'> & { readonly of: string })[] = [];
  /** What merchants changed of their stock, by operation. */
  readonly #changes = new Map<string, StockOp>();

  /** Why so much cannot be set aside; null: it can. */
  refusal(op: PendingOp, stock: StockHold, nowMs: number): CommitCode | null {
    const known = this.offers.get(stock.offer)?.offer;
    if (known?.merchant !== op.payee || known.state !== 'published') return 'offer_closed';
    const isOver = known.closesAtMs > 0 && nowMs >= known.closesAtMs;
    if (nowMs < known.opensAtMs || isOver) return 'offer_closed';
    const { perUserMax, quantity, code } = stock;
    const has = this.#perUser(stock.offer).get(op.payer) ?? 0;
    if (perUserMax > 0 && has + quantity > perUserMax) return 'offer_limit_exceeded';
    const { onHand, reserved } = this.stock.get(stock.offer)!;
    if (onHand - reserved < quantity) return 'out_of_stock';
    const isTaken = this.open('merchant', op.payee).some(one => one.code === code);
    return isTaken ? 'code_taken' : null;
  }

  reserve(op: PendingOp, { offer, quantity, code }: StockHold, atMs: number): void {
    const { id, payer, payee, points, holdS, rule } = op;
    this.redemptions.set(id, {
      ...{ id, user: payer, merchant: payee, offer, quantity, points, code, rule },
      ...{ state: 'reserved', atMs, expiresAtMs: atMs + holdS * 1_000 },
      ...{ sold: NONE, refunded: NONE, transferId: null },
    });
    this.#move({ offer, kind: 'allocation', opId: id, onHandDelta: 0, reservedDelta: quantity });
  }

  /** Why a post is no sale of its redemption; null: it is, or there is none. */
  unsold({ pendingId, quantity, points }: PostOp): CommitCode | null {
    const known = this.redemptions.get(pendingId);
    if (!known) return quantity === undefined ? null : 'invalid';
    const units = quantity ?? known.quantity;
    if (units > known.quantity) return 'exceeds_pending';
    return points === units * priceOf(known) ? null : 'invalid';
  }

  /** Sells what is paid, and frees the rest. */
  sell({ id, pendingId, quantity, points }: PostOp): void {
    const known = this.redemptions.get(pendingId);
    if (!known) return;
    const sold = { quantity: quantity ?? known.quantity, points };
    const rest = known.quantity - sold.quantity;
    this.redemptions.set(pendingId, { ...known, state: 'confirmed', sold, transferId: id });
    this.#sales.push({ of: pendingId, state: 'confirmed', transferId: id, ...sold });
    const of = { offer: known.offer, opId: pendingId };
    this.#move({ ...of, kind: 'sale', onHandDelta: -sold.quantity, reservedDelta: -sold.quantity });
    if (rest > 0) this.#move({ ...of, kind: 'release', onHandDelta: 0, reservedDelta: -rest });
  }

  release(id: string, verdict: VoidOp['verdict']): void {
    const known = this.redemptions.get(id);
    if (!known) return;
    this.redemptions.set(id, { ...known, state: verdict === 'voided' ? 'cancelled' : 'expired' });
    const { offer, quantity } = known;
    this.#move({ offer, kind: 'release', opId: id, onHandDelta: 0, reservedDelta: -quantity });
  }

  /** Why so much cannot be given back; null: it can. */
  unrefundable({ redemption, payer, payee, quantity, points }: RefundOp): CommitCode | null {
    const known = this.redemptions.get(redemption);
    if (known?.merchant !== payer || known.user !== payee) return 'pending_not_found';
    if (known.refunded.quantity + quantity > known.sold.quantity) return 'exceeds_refundable';
    return points === quantity * priceOf(known) ? null : 'invalid';
  }

  refund({ id: opId, redemption, quantity, points, restock }: RefundOp): void {
    const known = this.redemptions.get(redemption)!;
    const { offer, refunded } = known;
    const more = { quantity: refunded.quantity + quantity, points: refunded.points + points };
    this.redemptions.set(redemption, { ...known, refunded: more });
    this.#sales.push({ of: redemption, state: 'refunded', transferId: opId, quantity, points });
    if (restock) this.#move({ offer, kind: 'cancellation', opId, onHandDelta: quantity, reservedDelta: 0 });
  }

  note(op: OfferOp | StockOp): CommitCode {
    return op.type === 'offer' ? this.#store(op) : this.#change(op);
  }

  /** Whether it is stored. */
  holds(op: OfferOp | StockOp): boolean {
    return op.type === 'offer' ? this.offers.get(op.offer.id)?.opId === op.id : this.#changes.has(op.id);
  }

  offerView(id: string): OfferView | null {
    const offer = this.offers.get(id)?.offer;
    if (!offer) return null;
    const users = [...this.#perUser(id)].filter(([, quantity]) => quantity > 0);
    const perUser = offer.perUserMax > 0 ? users.slice(0, MARKET_LIMITS.openMax) : [];
    return { offer, ...this.stock.get(id)!, perUser: Object.fromEntries(perUser) };
  }

  redemptionView(id: string): RedemptionView | null {
    const known = this.redemptions.get(id);
    return known ? this.#view(known) : null;
  }

  /** Reserved at a merchant or by a user, oldest first. */
  open(side: 'merchant' | 'user', id: string): RedemptionView[] {
    return [...this.redemptions.values()]
      .filter(one => one.state === 'reserved' && one[side] === id)
      .slice(0, MARKET_LIMITS.openMax)
      .map(one => this.#view(one));
  }

  soldByCode(merchant: string, code: string): RedemptionView[] {
    return [...this.redemptions.values()]
      .filter(one => one.state === 'confirmed' && one.merchant === merchant && one.code === code)
      .reverse()
      .map(one => this.#view(one));
  }

  /** The newest payments and refunds at a merchant, oldest first. */
  lastSales(merchant: string, limit: number): SaleView[] {
    return this.#sales
      .flatMap(({ of, ...sale }) => {
        const known = this.redemptions.get(of)!;
        return known.merchant === merchant ? [{ redemption: this.#view(known), ...sale }] : [];
      })
      .slice(-limit);
  }

  #view(one: Redemption): RedemptionView {
    return { ...one, offerTitle: this.offers.get(one.offer)!.offer.title };
  }

  /** What each user has of an offer. */
  #perUser(offer: string): Map<string, number> {
    const users = new Map<string, number>();
    for (const one of this.redemptions.values()) {
      if (one.offer !== offer) continue;
      const has = one.state === 'reserved' ? one.quantity : one.sold.quantity - one.refunded.quantity;
      users.set(one.user, (users.get(one.user) ?? 0) + has);
    }
    return users;
  }

  #store({ id: opId, offer }: OfferOp): CommitCode {
    const known = this.offers.get(offer.id);
    if (known?.opId === opId && known.offer.version === offer.version) return 'exists';
    const isNext = offer.version === (known?.offer.version ?? 0) + 1;
    const isTheirs = !known || known.offer.merchant === offer.merchant;
    if (!isNext || !isTheirs || known?.offer.state === 'removed') return 'exists_with_different_payload';
    this.offers.set(offer.id, { offer, opId });
    if (!known) this.stock.set(offer.id, { onHand: 0, reserved: 0 });
    return 'created';
  }

  #change(op: StockOp): CommitCode {
    const { id: opId, offer, delta, kind } = op;
    const done = this.#changes.get(opId);
    if (done) {
      const isSame = done.offer === offer && done.delta === delta && done.kind === kind;
      return isSame ? 'exists' : 'exists_with_different_payload';
    }
    const stock = this.stock.get(offer);
    if (!stock) return 'offer_closed';
    const onHand = stock.onHand + delta;
    if (onHand < stock.reserved || onHand > MARKET_LIMITS.onHand) return 'out_of_stock';
    this.#changes.set(opId, op);
    this.#move({ offer, kind, opId, onHandDelta: delta, reservedDelta: 0 });
    return 'created';
  }

  #move(movement: MemoryMovement): void {
    const stock = this.stock.get(movement.offer)!;
    stock.onHand += movement.onHandDelta;
    stock.reserved += movement.reservedDelta;
    this.movements.push(movement);
  }
}

/** Points of one unit. */
const priceOf = ({ points, quantity }: Redemption): number => points / quantity;
