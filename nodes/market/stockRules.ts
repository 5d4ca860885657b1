/** What every store must agree on about offers and their stock: whether an operation makes sense, and when two are the same. */
import type { DurableOp, OfferOp, OfferRecord, StockHold, StockOp } from '../../actors/durable.ts';
import { MARKET_LIMITS } from '../limits.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const KINDS: readonly OfferRecord['kind'][] = ['goods', 'service'];
const STATES: readonly OfferRecord['state'][] = ['draft', 'published', 'withdrawn', 'removed'];
const CHANGES: readonly StockOp['kind'][] = ['adjustment', 'receipt'];

const isText = (text: string, min: number, max: number): boolean =>
  text.length >= min && text.length <= max && !text.includes('\0') && text.isWellFormed();
const isWhole = (value: number, max: number): boolean =>
  Number.isSafeInteger(value) && value >= 0 && value <= max;

/** Whether so many units may change hands at once. */
export const isUnits = (quantity: number): boolean => quantity > 0 && isWhole(quantity, MARKET_LIMITS.units);

/** Whether it may be set aside for so many points: a whole price for each unit. */
export const isStockHold = ({ offer, quantity, perUserMax, code }: StockHold, points: number): boolean =>
  UUID.test(offer) &&
  isUnits(quantity) &&
  points % quantity === 0 &&
  isWhole(perUserMax, MARKET_LIMITS.units) &&
  isText(code, 1, MARKET_LIMITS.codeChars);

/** Neither the code, which is drawn anew with each try, nor the limit, which is a guard. */
export const canonicalStock = ({ offer, quantity }: StockHold): string => `${offer}\n${quantity}`;

function isOffer({ id, offer: one }: OfferOp): boolean {
  if (!UUID.test(id) || !UUID.test(one.id) || !UUID.test(one.merchant)) return false;
  if (!isWhole(one.version, 0x7fff_ffff) || one.version < 1) return false;
  if (!isText(one.title, 1, MARKET_LIMITS.titleChars)) return false;
  if (!isText(one.description, 0, MARKET_LIMITS.descriptionChars)) return false;
  if (!KINDS.includes(one.kind) || !STATES.includes(one.state)) return false;
  if (!isWhole(one.points, MARKET_LIMITS.points) || one.points === 0) return false;
  if (!isWhole(one.perUserMax, MARKET_LIMITS.units) || !isWhole(one.lowStock, MARKET_LIMITS.onHand))
    return false;
  if (!isWhole(one.opensAtMs, MARKET_LIMITS.timeMs) || !isWhole(one.closesAtMs, MARKET_LIMITS.timeMs))
    return false;
  return one.placeId === null || isText(one.placeId, 1, MARKET_LIMITS.placeChars);
}

const isStock = ({ id, offer, delta, kind, reason }: StockOp): boolean =>
  UUID.test(id) &&
  UUID.test(offer) &&
  delta !== 0 &&
  isWhole(Math.abs(delta), MARKET_LIMITS.onHand) &&
  (kind === 'adjustment' || delta > 0) &&
  CHANGES.includes(kind) &&
  isText(reason, 0, MARKET_LIMITS.reasonChars);

/** Whether a store of offers can take the operation; anything else gets `invalid` and has no effect. */
export const isMarketNote = (op: DurableOp): op is OfferOp | StockOp =>
  (op.type === 'offer' && isOffer(op)) || (op.type === 'stock' && isStock(op));
