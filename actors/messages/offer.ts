/** Everything that is said to the actor of an offer: by its merchant through REST, by customers' actors, by tills. */
import type { OfferRecord } from '../durable.ts';

export type OfferMessage =
  /** Ask, from REST: answer `Result<OfferView>`; 404 when there is no such offer. */
  | { readonly type: 'look' }
  /**
   * Ask, from REST: stores the first version of a new offer or the next one, and answers `Result<OfferView>` once it is
   * durable. The version that is stored already, word for word, is answered again; 409 for any other than the next one, 404
   * for that of another merchant.
   */
  | { readonly type: 'save'; readonly offer: OfferRecord }
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
    };

export interface StockView {
  readonly onHand: number;
  readonly reserved: number;
}
