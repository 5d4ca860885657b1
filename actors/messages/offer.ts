/** Everything that is said to the actor of an offer: by its merchant through REST, by operators, by customers' actors,
 * by tills. */
import type { OfferRecord } from '../durable.ts';
import type { InsistMessage } from '../insist.ts';

export type OfferMessage =
  /** Ask, from REST: answer `Result<OfferView>`; 404 when there is no such offer. */
  | { readonly type: 'look' }
  /**
   * Ask, from REST: stores the first version of a new offer or the next one, and answers `Result<OfferView>` once it is
   * durable. The version that is stored already, word for word, is answered again; 409 for any other than the next one, 404
   * for that of another merchant, 410 when an operator withdrew the offer.
   */
  | { readonly type: 'save'; readonly offer: OfferRecord }
  /**
   * Ask, from an operator: nobody reserves of it any more, whatever its merchant says; what is reserved can still be
   * confirmed. Answer `Result<OfferView>` once it is durable, and again when it was removed before; 404 when there is no such
   * offer.
   */
  | { readonly type: 'remove' }
  /**
   * Ask, from REST: more or less of it is there. A repeat of the id changes nothing and is answered alike. Answer
   * `Result<StockView>`; 409 when it would be less than is reserved, 404 when it is no offer of this merchant.
   */
  | {
      readonly type: 'adjust';
      readonly id: string;
      readonly merchant: string;
      readonly delta: number;
      readonly kind: 'adjustment' | 'receipt';
      readonly reason: string;
    }
  /**
   * Ask, from a user: keeps so many units free for a redemption, for a lease of 5 s. Answer {@link Held}; a repeat is
   * harmless. 404 and 410 when there is nothing to redeem, 409 when it is sold out or the user has as many as one may have.
   */
  | {
      readonly type: 'hold';
      readonly redemptionId: string;
      readonly user: string;
      readonly quantity: number;
    }
  /** From the same user: nothing was reserved. `isOff`: the store knows better than this actor what is left. */
  | { readonly type: 'letGo'; readonly redemptionId: string; readonly isOff: boolean }
  /** Ask, from the user until it is answered: what was held is reserved, durably. */
  | { readonly type: 'reserved'; readonly redemptionId: string }
  /** Ask, from whoever ended a redemption until it is answered: so many of its units were sold, the others are free. */
  | { readonly type: 'settled'; readonly redemptionId: string; readonly sold: number }
  /** Ask, from the merchant until it is answered: units of the offer came back. */
  | { readonly type: 'gaveBack'; readonly refundId: string }
  | InsistMessage;

/** What a user needs to know of an offer to set points aside for it. */
export interface Held {
  readonly merchant: string;
  readonly title: string;
  readonly kind: OfferRecord['kind'];
  /** Of one unit, before any rule. */
  readonly points: number;
  readonly perUserMax: number;
}

export interface StockView {
  readonly onHand: number;
  readonly reserved: number;
}
