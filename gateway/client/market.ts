/** The market over REST: offers for everybody, their stock and the reports for merchants. Phones and tills redeem by socket. */
import type { CommandResult, RedemptionState } from '../../protocol/catalogue.ts';
import type { Result } from '../../protocol/errors.ts';
import { freshUuid } from './platform.ts';
import type { Ask, Page, PageRequest } from './rest.ts';

interface OfferFields {
  readonly title: string;
  readonly description: string;
  readonly kind: 'goods' | 'service';
  /** Of one unit, before any rule. */
  readonly points: number;
  /** Units that one person may have; 0: no limit. */
  readonly perUserMax: number;
  /** Unix milliseconds; 0: no bound. */
  readonly opensAtMs: number;
  readonly closesAtMs: number;
  /** `stock.low` is told when no more than so many are left; 0: never. */
  readonly lowStock: number;
  readonly placeId: string | null;
}
export type NewOffer = Pick<OfferFields, 'title' | 'points'> & Partial<OfferFields>;
/** Names the version that it replaces. */
export type EditedOffer = OfferFields & { readonly version: number };
export interface Offer extends OfferFields {
  readonly id: string;
  readonly merchantId: string;
  readonly version: number;
  /** `removed`: an operator withdrew it for good. */
  readonly state: 'draft' | 'published' | 'withdrawn' | 'removed';
  readonly onHand: number;
  /** Units that nobody has reserved. */
  readonly left: number;
}
interface Part {
  readonly quantity: number;
  readonly points: number;
}
export interface Redemption extends Part {
  readonly redemptionId: string;
  readonly merchantId: string;
  readonly offerId: string;
  readonly title: string;
  readonly state: RedemptionState;
  /** While it is reserved. */
  readonly code: string | null;
  readonly atMs: number;
  readonly expiresAtMs: number;
  readonly sold: Part;
  readonly refunded: Part;
}
export interface Sale extends Part {
  readonly id: string;
  readonly kind: 'sale' | 'refund';
  readonly redemptionId: string;
  readonly offerId: string;
  readonly title: string;
  readonly atMs: number;
}
export interface Seller extends Part {
  readonly offerId: string;
  readonly title: string;
}
export interface StockMovement {
  readonly id: string;
  readonly kind: 'allocation' | 'sale' | 'cancellation' | 'release' | 'adjustment' | 'receipt';
  readonly onHandDelta: number;
  readonly reservedDelta: number;
  readonly onHand: number;
  readonly reserved: number;
  readonly atMs: number;
  readonly reason: string;
}
export interface Settlement {
  readonly day: string;
  readonly closed: boolean;
  readonly sales: Part & { readonly count: number };
  readonly refunds: Part & { readonly count: number };
  readonly points: number;
  readonly offers: readonly {
    readonly offerId: string;
    readonly title: string;
    readonly sold: number;
    readonly refunded: number;
    readonly points: number;
  }[];
  /** Null while the day is open. */
  readonly checksum: string | null;
}
/** Days (UTC), `2026-11-20`. */
export interface Days {
  readonly from?: string;
  readonly to?: string;
}

/** A `key` makes a repeat harmless; default a fresh one for each call. */
export interface MarketRest {
  /** What can be redeemed now, at a place or anywhere, newest first; a merchant's own with drafts. */
  offers(
    accessToken: string,
    which?: PageRequest & { readonly merchant?: string; readonly place?: string },
  ): Promise<Result<Page<Offer & { readonly merchantHandle: string }>>>;
  offer(accessToken: string, id: string): Promise<Result<Offer>>;
  createOffer(accessToken: string, offer: NewOffer, key?: string): Promise<Result<Offer>>;
  editOffer(accessToken: string, id: string, offer: EditedOffer): Promise<Result<Offer>>;
  publishOffer(accessToken: string, id: string): Promise<Result<Offer>>;
  withdrawOffer(accessToken: string, id: string): Promise<Result<Offer>>;
  /** So many units more, or (negative) less. */
  changeStock(
    accessToken: string,
    id: string,
    change: { readonly delta: number; readonly kind?: 'receipt' | 'adjustment'; readonly reason: string },
    key?: string,
  ): Promise<Result<{ readonly onHand: number; readonly left: number }>>;
  stockMovements(accessToken: string, id: string, page?: PageRequest): Promise<Result<Page<StockMovement>>>;
  redeem(
    accessToken: string,
    what: { readonly offerId: string; readonly quantity?: number },
    key?: string,
  ): Promise<Result<CommandResult<'redeem.reserve'>>>;
  redemption(accessToken: string, id: string): Promise<Result<Redemption>>;
  redemptions(accessToken: string, page?: PageRequest): Promise<Result<Page<Redemption>>>;
  sales(accessToken: string, which?: PageRequest & Days): Promise<Result<Page<Sale>>>;
  bestSellers(
    accessToken: string,
    which?: Days & { readonly limit?: number },
  ): Promise<Result<{ readonly items: readonly Seller[] }>>;
  /** @param day `2026-11-20` */
  settlement(accessToken: string, day: string): Promise<Result<Settlement>>;
}

type Asking = <T>(method: 'GET' | 'POST' | 'PUT', path: string, ask: Ask) => Promise<Result<T>>;

export const marketRest = (ask: Asking): MarketRest => {
  const offer = (id: string, more = ''): string => `/v1/offers/${encodeURIComponent(id)}${more}`;
  return {
    offers: (token, which) => ask('GET', '/v1/offers', { token, query: { ...which } }),
    offer: (token, id) => ask('GET', offer(id), { token }),
    createOffer: (token, body, key = freshUuid()) => ask('POST', '/v1/offers', { token, body, key }),
    editOffer: (token, id, body) => ask('PUT', offer(id), { token, body }),
    publishOffer: (token, id) => ask('POST', offer(id, '/publish'), { token }),
    withdrawOffer: (token, id) => ask('POST', offer(id, '/withdraw'), { token }),
    changeStock: (token, id, body, key = freshUuid()) =>
      ask('POST', offer(id, '/stock'), { token, body, key }),
    stockMovements: (token, id, page) => ask('GET', offer(id, '/stock'), { token, query: { ...page } }),
    redeem: (token, body, key = freshUuid()) => ask('POST', '/v1/redemptions', { token, body, key }),
    redemption: (token, id) => ask('GET', `/v1/redemptions/${encodeURIComponent(id)}`, { token }),
    redemptions: (token, page) => ask('GET', '/v1/redemptions', { token, query: { ...page } }),
    sales: (token, which) => ask('GET', '/v1/merchant/sales', { token, query: { ...which } }),
    bestSellers: (token, which) => ask('GET', '/v1/merchant/best-sellers', { token, query: { ...which } }),
    settlement: (token, day) => ask('GET', `/v1/merchant/settlements/${encodeURIComponent(day)}`, { token }),
  };
};
