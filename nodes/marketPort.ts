/**
 * What the doors read of the market, beside what its actors say: lists and reports, straight from the store. An outage
 * rejects. Ids of pages are those of the last item of the page before.
 */
import type { OfferRecord } from '../actors/durable.ts';
import type { RedemptionView } from '../actors/queries.ts';

export type { OfferMessage, StockView } from '../actors/messages/offer.ts';
export type { OrderName, RedeemPreview } from '../actors/messages/user.ts';
export type { OfferView, RedemptionView } from '../actors/queries.ts';
export { KEY_CONFLICT } from '../actors/user/commands.ts';
export { saleIdOf } from '../actors/user/till.ts';
export type { OfferRecord };

/** An offer as a list shows it. */
export interface OfferRow extends OfferRecord {
  /** Handle of the merchant. */
  readonly merchantHandle: string;
  readonly onHand: number;
  readonly reserved: number;
}

/** A span of the database clock, Unix milliseconds: from the first, before the second. */
export interface TimeSpan {
  readonly fromMs: number;
  readonly beforeMs: number;
}

/** Units that a till handed over, or that came back. */
export interface SaleRow {
  /** Of the entry that moved the points. */
  readonly id: string;
  readonly kind: 'sale' | 'refund';
  readonly redemptionId: string;
  readonly offerId: string;
  readonly title: string;
  readonly quantity: number;
  readonly points: number;
  readonly atMs: number;
}

/** How often, how many units, how many points. */
export interface DaySum {
  readonly count: number;
  readonly quantity: number;
  readonly points: number;
}

/** What a day brought a merchant. */
export interface DayTotals {
  readonly sales: DaySum;
  readonly refunds: DaySum;
  /** Sales without refunds. */
  readonly points: number;
  readonly offers: {
    readonly offerId: string;
    readonly title: string;
    readonly sold: number;
    readonly refunded: number;
    readonly points: number;
  }[];
}

/** A day that is over, as it is kept. */
export interface ClosedDay extends DayTotals {
  /**
   * SHA-256 in hexadecimal digits over the lines `id kind redemption offer quantity points at`, oldest first, those of one
   * moment by their ids, each ended by a line feed.
   */
  readonly checksum: string;
}

export interface SellerRow {
  readonly offerId: string;
  readonly title: string;
  /** Sold and not given back. */
  readonly quantity: number;
  readonly points: number;
}

/** Why there is more or less of an offer. */
export type StockMove = 'allocation' | 'sale' | 'cancellation' | 'release' | 'adjustment' | 'receipt';

export interface StockRow {
  readonly id: string;
  readonly kind: StockMove;
  readonly onHandDelta: number;
  readonly reservedDelta: number;
  /** After it. */
  readonly onHand: number;
  readonly reserved: number;
  readonly atMs: number;
  /** In the merchant's words; empty for what redemptions did. */
  readonly reason: string;
}

export interface WhichOffers {
  /** Null: of everybody. */
  readonly merchant: string | null;
  /** Null: handed over anywhere. */
  readonly place: string | null;
  /** Only those that can be redeemed now. */
  readonly open: boolean;
}

export interface MarketBook {
  /** Offers, newest first. */
  offers(which: WhichOffers, limit: number, before: string | null): Promise<OfferRow[]>;
  offer(id: string): Promise<OfferRow | null>;
  redemption(id: string): Promise<RedemptionView | null>;
  /** Redemptions of a customer or at a merchant, newest first. */
  redemptions(
    of: { readonly user: string } | { readonly merchant: string },
    limit: number,
    before: string | null,
  ): Promise<RedemptionView[]>;
  /** Newest first. */
  sales(merchant: string, span: TimeSpan, limit: number, before: string | null): Promise<SaleRow[]>;
  /** The most units first. */
  bestSellers(merchant: string, span: TimeSpan, limit: number): Promise<SellerRow[]>;
  /** Movements of the stock of an offer, newest first. */
  stock(offer: string, limit: number, before: string | null): Promise<StockRow[]>;
  /** Sales and refunds of the span, oldest first, those of one moment by their ids; behind the one that is named. */
  settled(
    merchant: string,
    span: TimeSpan,
    after: Pick<SaleRow, 'atMs' | 'id'> | null,
    limit: number,
  ): Promise<SaleRow[]>;
  /**
   * What a day (`2026-11-20`, UTC) brought: kept since it was closed, five minutes after its end, and never changed. Null while
   * it is open.
   */
  closedDay(merchant: string, day: string): Promise<ClosedDay | null>;
}
