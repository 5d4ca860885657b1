/**
 * Days of a town as events, for tests and benchmarks of the archive: people who sign up, meet, give, and redeem, as the
 * catalogue says (`infra/events/catalogue.ts`). The same seed gives the same events.
 */
import { MINT_ACCOUNT } from '../../actors/durable.ts';

export interface TownEvent {
  readonly stream: 'user-events' | 'transactions';
  readonly key: string;
  readonly event: Readonly<Record<string, unknown>>;
}

export interface TownShape {
  /** How many events, all in all. */
  readonly events: number;
  /** When the first one happens. */
  readonly startMs: number;
  /** Over which they are spread evenly, */
  readonly days: number;
  /** so many hours of each. */
  readonly hoursADay: number;
  readonly seed: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ZIPS = 200;
/** Of the events, people who sign up; the rest is what they do. */
const SIGN_UPS = 0.05;
const OFFERS_EACH = 5;

/** xorshift32: small, fast, the same everywhere. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  /** Below `bound`. */
  below(bound: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % bound;
  }

  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  #hex(digits: number): string {
    return this.below(16 ** digits)
      .toString(16)
      .padStart(digits, '0');
  }

  /** A UUID of version 7. */
  uuid(atMs: number): string {
    const time = atMs.toString(16).padStart(12, '0');
    const tail = `7${this.#hex(3)}-8${this.#hex(3)}-${this.#hex(6)}${this.#hex(6)}`;
    return `${time.slice(0, 8)}-${time.slice(8)}-${tail}`;
  }
}

interface Offer {
  readonly id: string;
  readonly merchant: string;
  readonly points: number;
  onHand: number;
  reserved: number;
}

const KINDS = ['civilian', 'officer', 'merchant', 'family', 'charity'] as const;
type Kind = (typeof KINDS)[number];

class Town {
  readonly #dice: Dice;
  readonly #people: Record<Kind, string[]> = {
    civilian: [],
    officer: [],
    merchant: [],
    family: [],
    charity: [],
  };
  readonly #offers: Offer[] = [];
  readonly #open: { id: string; user: string; offer: Offer; quantity: number }[] = [];
  #seq = 0;

  constructor(seed: number) {
    this.#dice = new Dice(seed);
  }

  next(atMs: number): TownEvent {
    const dice = this.#dice;
    const isYoung = this.#people.charity.length < 2;
    if (isYoung || dice.below(1_000) < SIGN_UPS * 1_000)
      return this.#signUp(atMs, isYoung ? KINDS[this.#seq % 5]! : null);
    const roll = dice.below(100);
    if (roll < 62) return this.#meet(atMs);
    if (roll < 68) return this.#donate(atMs);
    if (roll < 71) return this.#giveAway(atMs);
    if (roll < 75 || this.#offers.length < 3) return this.#stock(atMs);
    if (roll < 86 || this.#open.length === 0) return this.#reserve(atMs);
    return this.#settle(atMs, roll);
  }

  #event(
    stream: TownEvent['stream'],
    atMs: number,
    type: string,
    key: string,
    data: object,
    id?: string,
  ): TownEvent {
    const seq = ++this.#seq;
    const event = {
      stamp: { shard: seq % 512, epoch: 1, seq: seq * 1_024 + 1 },
      trace: null,
      id: id ?? this.#dice.uuid(atMs),
      source: `heyblue.${stream === 'user-events' ? 'users' : /^(redemption|stock)/.test(type) ? 'market' : 'ledger'}`,
      type,
      version: 1,
      detailType: `${type}.v1`,
      time: new Date(atMs).toISOString(),
      subject: key,
      seq,
      correlationId: null,
      causationId: null,
      userId: key,
      data,
    };
    return { stream, key, event };
  }

  #signUp(atMs: number, wanted: Kind | null): TownEvent {
    const dice = this.#dice;
    const roll = dice.below(100);
    const common =
      roll < 88
        ? 'civilian'
        : roll < 94
          ? 'officer'
          : roll < 96
            ? 'merchant'
            : roll < 99
              ? 'family'
              : 'charity';
    const kind = wanted ?? common;
    const userId = dice.uuid(atMs);
    this.#people[kind].push(userId);
    const zip = dice.below(20) === 0 ? null : String(10_000 + dice.below(ZIPS));
    return this.#event('user-events', atMs, 'user.registered', userId, { userId, kind, zip });
  }

  #movement(
    atMs: number,
    type: string,
    reason: string,
    key: string,
    legs: [string, number][],
    more: object = {},
  ): TownEvent {
    const transferId = this.#dice.uuid(atMs);
    const data = {
      transferId,
      reason,
      rule: { id: reason, version: 1, trace: null },
      method: null,
      officer: null,
      civilian: null,
      zip: null,
      ...more,
      legs: legs.map(([account, delta]) =>
        account === MINT_ACCOUNT
          ? { account, delta }
          : { account, delta, balance: 1_000 + delta, version: this.#seq },
      ),
    };
    return this.#event('transactions', atMs, type, key, data, transferId);
  }

  #meet(atMs: number): TownEvent {
    const dice = this.#dice;
    const [civilian, officer] = [dice.one(this.#people.civilian), dice.one(this.#people.officer)];
    const legs: [string, number][] = [
      [civilian, 10],
      [officer, 5],
      [MINT_ACCOUNT, -15],
    ];
    return this.#movement(atMs, 'encounter.recorded', 'encounter', civilian, legs, {
      method: dice.one(['proximity', 'hey', 'qr']),
      officer,
      civilian,
      zip: dice.below(10) === 0 ? null : String(10_000 + dice.below(ZIPS)),
    });
  }

  #donate(atMs: number): TownEvent {
    const dice = this.#dice;
    const giver = dice.one(this.#people.civilian);
    const to =
      dice.below(3) === 0
        ? [dice.one(this.#people.family), dice.one(this.#people.charity)]
        : [dice.one(this.#people.family)];
    const parts = to.map((account): [string, number] => [account, 1 + dice.below(20)]);
    const sum = parts.reduce((total, [, delta]) => total + delta, 0);
    return this.#movement(atMs, 'points.donated', 'donation', giver, [[giver, -sum], ...parts]);
  }

  #giveAway(atMs: number): TownEvent {
    const dice = this.#dice;
    const [giver, taker] = [dice.one(this.#people.officer), dice.one(this.#people.officer)];
    return this.#movement(atMs, 'points.giveaway', 'giveaway', giver, [
      [giver, -3],
      [taker, 3],
    ]);
  }

  #stock(atMs: number): TownEvent {
    const dice = this.#dice;
    const merchant = dice.one(this.#people.merchant);
    const own = this.#offers.filter(offer => offer.merchant === merchant);
    const isNew = own.length < OFFERS_EACH && this.#offers.length < 2_000;
    const offer = isNew
      ? { id: dice.uuid(atMs), merchant, points: 10 + dice.below(90), onHand: 0, reserved: 0 }
      : dice.one(own.length > 0 ? own : this.#offers);
    if (isNew) this.#offers.push(offer);
    const delta = offer.onHand > 100 ? -dice.below(offer.onHand - offer.reserved + 1) : 20 + dice.below(200);
    offer.onHand += delta;
    const data = {
      offer: offer.id,
      merchant: offer.merchant,
      onHand: offer.onHand,
      reserved: offer.reserved,
      delta,
      kind: delta > 0 ? 'receipt' : 'adjustment',
      reason: 'counted',
    };
    return this.#event('transactions', atMs, 'stock.adjusted', offer.merchant, data);
  }

  #reserve(atMs: number): TownEvent {
    const dice = this.#dice;
    const offer = dice.one(this.#offers);
    const quantity = Math.min(1 + dice.below(3), offer.onHand - offer.reserved);
    if (quantity < 1) return this.#meet(atMs);
    const [id, user] = [dice.uuid(atMs), dice.one(this.#people.civilian)];
    offer.reserved += quantity;
    this.#open.push({ id, user, offer, quantity });
    return this.#redemption(atMs, 'redemption.reserved', { id, user, offer, quantity });
  }

  #redemption(
    atMs: number,
    type: string,
    one: { id: string; user: string; offer: Offer; quantity: number },
    more: object = {},
  ): TownEvent {
    const { id, user, offer, quantity } = one;
    const points = quantity * offer.points;
    const rule = { id: 'redemption', version: 1, trace: null };
    const { onHand, reserved } = offer;
    const whose = { redemptionId: id, user, merchant: offer.merchant, offer: offer.id };
    const data = { ...whose, quantity, points, rule, onHand, reserved, ...more };
    return this.#event('transactions', atMs, type, user, data);
  }

  /** Confirmed and paid, given back, or refunded. */
  #settle(atMs: number, roll: number): TownEvent {
    const one = this.#open[0]!;
    const { user, offer, quantity } = one;
    if (roll >= 97) {
      this.#open.shift();
      offer.reserved -= quantity;
      return this.#redemption(atMs, roll === 97 ? 'redemption.expired' : 'redemption.cancelled', one);
    }
    if (roll >= 95) {
      const restock = roll === 95;
      if (restock) offer.onHand += 1;
      return this.#redemption(atMs, 'redemption.refunded', { ...one, quantity: 1 }, { restock });
    }
    // the payment of the one before, then the word of this one
    if (roll >= 91) {
      return this.#movement(atMs, 'points.transferred', 'redemption', user, [
        [user, -offer.points],
        [offer.merchant, offer.points],
      ]);
    }
    this.#open.shift();
    offer.reserved -= quantity;
    offer.onHand -= quantity;
    return this.#redemption(atMs, 'redemption.confirmed', one);
  }
}

export function* townEvents({ events, startMs, days, hoursADay, seed }: TownShape): Generator<TownEvent> {
  const town = new Town(seed);
  const aDay = Math.ceil(events / days);
  for (let i = 0; i < events; i++) {
    const intoDayMs = ((i % aDay) / aDay) * hoursADay * HOUR_MS;
    yield town.next(Math.floor(startMs + Math.floor(i / aDay) * DAY_MS + intoDayMs));
  }
}
