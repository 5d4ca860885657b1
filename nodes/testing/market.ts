/** A merchant with an offer in a small town, and customers with points: what tests of the market begin with. */
import type { OfferRecord } from '../../actors/durable.ts';
import type { OfferMessage } from '../../actors/messages/offer.ts';
import type { Result } from '../../protocol/index.ts';
import type { SmallTown, TownPhone } from './smallTown.ts';

export class TownMarket {
  readonly town: SmallTown;
  readonly merchant: TownPhone;
  offer: OfferRecord;

  private constructor(town: SmallTown, merchant: TownPhone, offer: OfferRecord) {
    this.town = town;
    this.merchant = merchant;
    this.offer = offer;
  }

  /** Published, with so much in stock; the merchant's first device is the till `one`. */
  static async open(town: SmallTown, stock: number, terms: Partial<OfferRecord> = {}): Promise<TownMarket> {
    const merchant = await town.phone('merchant');
    const offer: OfferRecord = {
      id: town.key(),
      merchant: merchant.id,
      version: 1,
      title: 'Coffee',
      description: '',
      kind: 'goods',
      points: 10,
      perUserMax: 0,
      opensAtMs: 0,
      closesAtMs: 0,
      state: 'published',
      lowStock: 0,
      placeId: null,
      ...terms,
    };
    const market = new TownMarket(town, merchant, offer);
    await market.say({ type: 'save', offer });
    if (stock > 0) await market.restock(stock);
    await merchant.command('till.open', { till: 'one' });
    return market;
  }

  /** To the actor of the offer. */
  async say(message: OfferMessage, offerId = this.offer.id): Promise<Result<unknown>> {
    let answer: Result<unknown> | null = null;
    this.town.system.ask({ kind: 'offer', id: offerId }, message, result => {
      answer = result;
    });
    for (let waited = 0; answer === null && waited < 200; waited++) await this.town.time.advance(50);
    if (answer === null) throw new Error(`no answer to ${message.type}`);
    return answer;
  }

  restock(delta: number, id = this.town.key()): Promise<Result<unknown>> {
    const { merchant } = this;
    const kind = delta > 0 ? 'receipt' : 'adjustment';
    return this.say({ type: 'adjust', id, merchant: merchant.id, delta, kind, reason: 'counted' });
  }

  /** The next version of the offer. */
  async change(terms: Partial<OfferRecord>): Promise<Result<unknown>> {
    this.offer = { ...this.offer, ...terms, version: this.offer.version + 1 };
    return this.say({ type: 'save', offer: this.offer });
  }

  /** A phone with so many points. */
  async customer(points: number): Promise<TownPhone> {
    const phone = await this.town.phone('civilian');
    await this.town.grant(phone, points);
    return phone;
  }

  reserve(phone: TownPhone, quantity = 1, key = this.town.key()) {
    return phone.command('redeem.reserve', { offerId: this.offer.id, quantity }, key);
  }

  confirm(redemptionId: string, quantity: number | null = null, key = this.town.key(), till = this.merchant) {
    return till.command('till.confirm', { redemptionId, code: null, quantity }, key);
  }

  /** As the store has it: what is there and set aside, and every account that was named. */
  stored(...people: readonly TownPhone[]) {
    const { market, accounts } = this.town.ledger;
    const { onHand, reserved } = market.stock.get(this.offer.id) ?? { onHand: 0, reserved: 0 };
    const points = [this.merchant, ...people].map(({ id }) => {
      const account = accounts.get(id)!;
      return account.reserved === 0 ? account.balance : [account.balance, account.reserved];
    });
    return { onHand, reserved, points };
  }
}
