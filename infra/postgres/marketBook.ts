/**
 * What the doors read of the market: lists and reports (migration 17), on connections of their own, so that somebody's
 * report of a year keeps nobody from redeeming.
 */
import type {
  ClosedDay,
  MarketBook,
  OfferRow,
  RedemptionView,
  SaleRow,
  SellerRow,
  StockRow,
  TimeSpan,
  WhichOffers,
} from '../../nodes/marketPort.ts';
import { MARKET_LINES, MARKET_SILENCE_MS_MAX, MARKET_STATEMENT_MS_MAX } from './limits.ts';
import { Lines, type LinesOptions } from './lines.ts';

const ms = (column: string): string => `floor(extract(epoch from ${column}) * 1000)`;
const at = (parameter: string): string => `timestamptz 'epoch' + ${parameter}::bigint * interval '1 ms'`;

const OFFER = `
select jsonb_build_object('id', o.id, 'merchant', o.merchant, 'merchantHandle', u.handle, 'version', o.version,
  'title', o.title, 'description', o.description, 'kind', o.kind, 'points', o.points, 'perUserMax', o.per_user_max,
  'opensAtMs', coalesce(${ms('o.opens_at')}, 0), 'closesAtMs', coalesce(${ms('o.closes_at')}, 0), 'state', o.state,
  'lowStock', o.low_stock, 'placeId', o.place_id, 'onHand', s.on_hand, 'reserved', s.reserved)
from market.offer o
  join market.stock s on s.offer_id = o.id
  join user_schema.users u on u.id = o.merchant`;

const OFFERS = `${OFFER}
where ($1::uuid is null or o.merchant = $1::uuid)
  and ($5::text is null or lower(o.place_id) = $5::text)
  and (not $2::boolean or o.state = 'published' and (o.opens_at is null or o.opens_at <= clock_timestamp())
    and (o.closes_at is null or o.closes_at > clock_timestamp()))
  and ($4::uuid is null or (o.created_at, o.id) < (select b.created_at, b.id from market.offer b where b.id = $4::uuid))
order by o.created_at desc, o.id desc limit $3::int`;

const REDEMPTION = `
select jsonb_build_object('id', r.id, 'user', r.user_id, 'merchant', r.merchant, 'offer', r.offer_id, 'offerTitle', o.title,
  'quantity', r.quantity, 'points', r.points, 'code', r.code, 'state', r.state, 'atMs', ${ms('r.at')},
  'expiresAtMs', ${ms('r.expires_at')}, 'sold', jsonb_build_object('quantity', r.sold_quantity, 'points', r.sold_points),
  'refunded', jsonb_build_object('quantity', r.refunded_quantity, 'points', r.refunded_points),
  'transferId', r.transfer_id,
  'rule', jsonb_strip_nulls(jsonb_build_object('id', r.rule_id, 'version', r.rule_version, 'trace', r.rule_trace)))
from market.redemption r join market.offer o on o.id = r.offer_id`;

const redemptionsOf = (side: 'user_id' | 'merchant'): string => `${REDEMPTION}
where r.${side} = $1::uuid
  and ($3::uuid is null or (r.at, r.id) < (select b.at, b.id from market.redemption b where b.id = $3::uuid))
order by r.at desc, r.id desc limit $2::int`;

/** Of a merchant ($1) from $2 and before $3. */
const MOVED = `
with moved as (
  select r.transfer_id as id, 'sale' as kind, r.id as redemption, r.offer_id, r.sold_quantity as quantity,
    r.sold_points as points, r.settled_at as at
  from market.redemption r
  where r.merchant = $1::uuid and r.state = 'confirmed' and r.settled_at >= ${at('$2')} and r.settled_at < ${at('$3')}
  union all
  select f.transfer_id, 'refund', f.redemption_id, r.offer_id, f.quantity, f.points, f.at
  from market.refund f join market.redemption r on r.id = f.redemption_id
  where f.merchant = $1::uuid and f.at >= ${at('$2')} and f.at < ${at('$3')})
select jsonb_build_object('id', m.id, 'kind', m.kind, 'redemptionId', m.redemption, 'offerId', m.offer_id,
  'title', o.title, 'quantity', m.quantity, 'points', m.points, 'atMs', ${ms('m.at')})
from moved m join market.offer o on o.id = m.offer_id`;

const SALES = `${MOVED}
where $5::uuid is null or (m.at, m.id) < (select b.at, b.id from moved b where b.id = $5::uuid)
order by m.at desc, m.id desc limit $4::int`;

const SETTLED = `${MOVED}
where $5::uuid is null or (m.at, m.id) > (${at('$6')}, $5::uuid)
order by m.at, m.id limit $4::int`;

const SELLERS = `
select jsonb_build_object('offerId', n.offer_id, 'title', o.title, 'quantity', n.quantity, 'points', n.points)
from (
  select r.offer_id, sum(r.sold_quantity - r.refunded_quantity) as quantity, sum(r.sold_points - r.refunded_points) as points
  from market.redemption r
  where r.merchant = $1::uuid and r.state = 'confirmed' and r.settled_at >= ${at('$2')} and r.settled_at < ${at('$3')}
  group by r.offer_id) n
  join market.offer o on o.id = n.offer_id
where n.quantity > 0
order by n.quantity desc, n.points desc, n.offer_id limit $4::int`;

const STOCK = `
select jsonb_build_object('id', m.id::text, 'kind', m.kind, 'onHandDelta', m.on_hand_delta,
  'reservedDelta', m.reserved_delta, 'onHand', m.on_hand, 'reserved', m.reserved, 'atMs', ${ms('m.at')},
  'reason', coalesce(m.reason, ''))
from market.stock_movement m
where m.offer_id = $1::uuid and ($3::bigint is null or m.id < $3::bigint)
order by m.id desc limit $2::int`;

export class PgMarketBook implements MarketBook {
  readonly #lines: Lines;

  constructor(options: Pick<LinesOptions, 'url' | 'log' | 'metrics'>) {
    this.#lines = new Lines(MARKET_LINES, {
      ...options,
      name: 'market',
      settings: { statement_timeout: `${MARKET_STATEMENT_MS_MAX}`, jit: 'off' },
      silenceMsMax: MARKET_SILENCE_MS_MAX,
    });
  }

  /** Resolves after the first try to connect. */
  tried(): Promise<void> {
    return this.#lines.tried();
  }

  async #rows<T>(name: string, text: string, values: readonly unknown[]): Promise<T[]> {
    const rows = await this.#lines.run({ name: `market_${name}`, text, values });
    return rows.map(([row]) => row as T);
  }

  offers({ merchant, place, open }: WhichOffers, limit: number, before: string | null): Promise<OfferRow[]> {
    return this.#rows('offers', OFFERS, [merchant, open, limit, before, place]);
  }

  async offer(id: string): Promise<OfferRow | null> {
    const [row] = await this.#rows<OfferRow>('offer', `${OFFER} where o.id = $1::uuid`, [id]);
    return row ?? null;
  }

  async redemption(id: string): Promise<RedemptionView | null> {
    const text = `${REDEMPTION} where r.id = $1::uuid`;
    const [row] = await this.#rows<RedemptionView>('redemption', text, [id]);
    return row ?? null;
  }

  redemptions(
    of: { readonly user: string } | { readonly merchant: string },
    limit: number,
    before: string | null,
  ): Promise<RedemptionView[]> {
    return 'user' in of
      ? this.#rows('of_user', redemptionsOf('user_id'), [of.user, limit, before])
      : this.#rows('of_merchant', redemptionsOf('merchant'), [of.merchant, limit, before]);
  }

  sales(
    merchant: string,
    { fromMs, beforeMs }: TimeSpan,
    limit: number,
    before: string | null,
  ): Promise<SaleRow[]> {
    return this.#rows('sales', SALES, [merchant, fromMs, beforeMs, limit, before]);
  }

  bestSellers(merchant: string, { fromMs, beforeMs }: TimeSpan, limit: number): Promise<SellerRow[]> {
    return this.#rows('sellers', SELLERS, [merchant, fromMs, beforeMs, limit]);
  }

  stock(offer: string, limit: number, before: string | null): Promise<StockRow[]> {
    return this.#rows('stock', STOCK, [offer, limit, before]);
  }

  settled(
    merchant: string,
    { fromMs, beforeMs }: TimeSpan,
    after: Pick<SaleRow, 'atMs' | 'id'> | null,
    limit: number,
  ): Promise<SaleRow[]> {
    const values = [merchant, fromMs, beforeMs, limit, after?.id ?? null, after?.atMs ?? null];
    return this.#rows('settled', SETTLED, values);
  }

  async closedDay(merchant: string, day: string): Promise<ClosedDay | null> {
    const text = 'select market.close_day($1::uuid, $2::date)';
    const [report] = await this.#rows<ClosedDay | null>('close_day', text, [merchant, day]);
    return report ?? null;
  }

  close(): Promise<void> {
    return this.#lines.close();
  }
}
