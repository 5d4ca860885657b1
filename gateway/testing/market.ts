/** A market for the tests of the doors: one merchant with a few offers, what came of them, and actors that remember. */
import type {
  ClosedDay,
  MarketBook,
  OfferMessage,
  OfferRecord,
  OfferRow,
  RedemptionView,
  SaleRow,
  SellerRow,
  StockRow,
  TimeSpan,
  WhichOffers,
} from '../../nodes/marketPort.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import type { FakeDoor, Said } from './town.ts';

export const OFFER_ID = '01900000-0000-7000-8000-0000000000f1';
export const REDEMPTION_ID = '01900000-0000-7000-8000-0000000000e1';

export const offerOf = (merchant: string, more: Partial<OfferRecord> = {}): OfferRecord => ({
  id: OFFER_ID,
  merchant,
  version: 1,
  title: 'Coffee',
  description: '',
  kind: 'goods',
  points: 5,
  perUserMax: 0,
  opensAtMs: 0,
  closesAtMs: 0,
  state: 'published',
  lowStock: 2,
  placeId: null,
  ...more,
});

/** Rows that a test fills in. `down` makes every call reject, as an outage does. */
export class FakeMarket implements MarketBook {
  readonly listed: OfferRow[] = [];
  readonly reserved: RedemptionView[] = [];
  readonly moved: SaleRow[] = [];
  readonly sellers: SellerRow[] = [];
  readonly movements: StockRow[] = [];
  readonly asked: unknown[][] = [];
  /** One at most: the day that is asked for is over. */
  readonly closed: (ClosedDay & { readonly id?: string })[] = [];
  down = false;

  async #rows<T extends { readonly id?: string }>(
    rows: readonly T[],
    limit: number,
    before: string | null,
    ...asked: unknown[]
  ): Promise<T[]> {
    if (this.down) throw new Error('connection refused at 10.0.0.7');
    this.asked.push(asked);
    const from = before === null ? 0 : rows.findIndex(row => row.id === before) + 1;
    return rows.slice(from, from + limit);
  }
  offers(which: WhichOffers, limit: number, before: string | null) {
    return this.#rows(this.listed, limit, before, which);
  }
  async offer(id: string) {
    return (await this.#rows(this.listed, 99, null)).find(one => one.id === id) ?? null;
  }
  async redemption(id: string) {
    return (await this.#rows(this.reserved, 99, null)).find(one => one.id === id) ?? null;
  }
  redemptions(of: object, limit: number, before: string | null) {
    return this.#rows(this.reserved, limit, before, of);
  }
  sales(merchant: string, span: TimeSpan, limit: number, before: string | null) {
    return this.#rows(this.moved, limit, before, merchant, span);
  }
  bestSellers(merchant: string, span: TimeSpan, limit: number) {
    return this.#rows(this.sellers as (SellerRow & { id?: string })[], limit, null, merchant, span);
  }
  stock(offer: string, limit: number, before: string | null) {
    return this.#rows(this.movements, limit, before, offer);
  }
  settled(merchant: string, span: TimeSpan, after: { id: string } | null, limit: number) {
    return this.#rows(this.moved, limit, after?.id ?? null, merchant, span);
  }
  async closedDay(merchant: string, day: string) {
    const [closed = null] = await this.#rows(this.closed, 1, null, merchant, day);
    return closed;
  }
}

/** Actors of offers behind a pretended door: what is saved is there, and its stock begins with 10 of which 4 are reserved. */
export const offerActors = (door: FakeDoor, ...offers: readonly OfferRecord[]): Map<string, OfferRecord> => {
  const kept = new Map(offers.map(offer => [offer.id, offer]));
  const changes = new Map<string, number>();
  let onHand = 10;
  const reserved = 4;
  const view = (offer: OfferRecord) => ok({ offer, onHand, reserved, perUser: {} });
  const heard = <T extends OfferMessage['type']>(said: Said) =>
    said.message as unknown as OfferMessage & { type: T };
  const gone = refuse(ERROR.notFound, 'no such offer');
  const look = ({ to }: Said): Result<unknown> => {
    const offer = kept.get(to.id);
    return offer ? view(offer) : gone;
  };
  const save = (said: Said): Result<unknown> => {
    const { offer } = heard<'save'>(said);
    const now = kept.get(offer.id);
    if (now && now.merchant !== offer.merchant) return gone;
    if (now && JSON.stringify(now) === JSON.stringify(offer)) return view(now);
    if (offer.version !== (now?.version ?? 0) + 1) return refuse(ERROR.conflict, 'read it again');
    kept.set(offer.id, offer);
    return view(offer);
  };
  const remove = ({ to }: Said): Result<unknown> => {
    const now = kept.get(to.id);
    if (!now) return gone;
    if (now.state !== 'removed') kept.set(to.id, { ...now, state: 'removed', version: now.version + 1 });
    return view(kept.get(to.id)!);
  };
  const adjust = (said: Said): Result<unknown> => {
    const { id, merchant, delta } = heard<'adjust'>(said);
    if (kept.get(said.to.id)?.merchant !== merchant) return gone;
    if (!changes.has(id)) {
      if (onHand + delta < reserved) return refuse(ERROR.conflict, 'less than is reserved');
      onHand += delta;
      changes.set(id, onHand);
    }
    return ok({ onHand: changes.get(id)!, reserved });
  };
  door.answers = { ...door.answers, look, save, remove, adjust };
  return kept;
};
