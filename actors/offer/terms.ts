/** What an offer may say, and when it is open. */
import { ERROR, type Refusal, refuse } from '../../protocol/errors.ts';
import type { OfferRecord } from '../durable.ts';
import { ACTOR_LIMITS } from '../limits.ts';

const isCount = (value: number, min: number): boolean =>
  Number.isSafeInteger(value) && value >= min && value <= ACTOR_LIMITS.offerCountMax;

/** Characters, as people count them. */
const lengthOf = (text: string): number => [...text].length;

/** Why an offer cannot be stored like this, or null. */
export function refuseTerms(offer: OfferRecord): Refusal | null {
  const { title, description, points, perUserMax, opensAtMs, closesAtMs, lowStock } = offer;
  const { offerTitleMax, offerDescriptionMax } = ACTOR_LIMITS;
  if (title.trim() === '' || lengthOf(title) > offerTitleMax)
    return refuse(ERROR.invalid, `a title has 1 to ${offerTitleMax} characters`);
  if (lengthOf(description) > offerDescriptionMax)
    return refuse(ERROR.invalid, `a description has at most ${offerDescriptionMax} characters`);
  if (!isCount(points, 1)) return refuse(ERROR.invalid, 'points are whole and positive');
  if (!isCount(perUserMax, 0) || !isCount(lowStock, 0))
    return refuse(ERROR.invalid, 'limits are whole, and 0 for none');
  const isWindow = [opensAtMs, closesAtMs].every(ms => Number.isSafeInteger(ms) && ms >= 0);
  if (!isWindow || (closesAtMs > 0 && closesAtMs <= opensAtMs))
    return refuse(ERROR.invalid, 'an offer closes after it opens');
  return null;
}

/** Why nobody may redeem it now, or null. */
export function refuseClosed({ state, opensAtMs, closesAtMs }: OfferRecord, nowMs: number): Refusal | null {
  if (state === 'draft') return NO_OFFER;
  const isOver = closesAtMs > 0 && nowMs >= closesAtMs;
  if (state === 'withdrawn' || state === 'removed' || isOver) return refuse(ERROR.gone, 'this offer is over');
  return nowMs < opensAtMs ? refuse(ERROR.gone, 'this offer is not open yet') : null;
}

export const NO_OFFER = refuse(ERROR.notFound, 'no such offer');

/** Everything that it says, in one order. */
export const rowOf = (offer: OfferRecord): unknown[] => [
  offer.merchant,
  offer.title,
  offer.description,
  offer.kind,
  offer.points,
  offer.perUserMax,
  offer.opensAtMs,
  offer.closesAtMs,
  offer.state,
  offer.lowStock,
  offer.placeId,
];

export const isSameOffer = (a: OfferRecord, b: OfferRecord): boolean =>
  a.version === b.version && JSON.stringify(rowOf(a)) === JSON.stringify(rowOf(b));
