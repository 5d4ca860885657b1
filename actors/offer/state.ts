/** Everything that an offer actor holds. Changed in place. */
import type { OfferRecord } from '../durable.ts';
import type { Insisting } from '../insist.ts';
import type { OfferMessage } from '../messages/offer.ts';
import type { OfferView } from '../queries.ts';
import type { ReplyTo } from '../turn.ts';
import { NOTHING_WAITS } from '../waiting.ts';
import { Shelf } from './shelf.ts';

export type Hold = OfferMessage & { type: 'hold' };

/** Waits for the store. */
export type OfferUnderWay =
  | { readonly k: 'save'; readonly offer: OfferRecord; readonly replyTo: ReplyTo | null }
  | { readonly k: 'adjust'; readonly delta: number; readonly replyTo: ReplyTo | null };

export interface OfferState {
  readonly id: string;
  /** Null before its merchant has said what it is. */
  offer: OfferRecord | null;
  readonly shelf: Shelf;
  /** The merchant was told that little is left, and it was not more since. */
  isLow: boolean;
  /** Who is judged, or (without a message) answered, when the store has said what is there. */
  waiting: { readonly message: Hold | null; readonly replyTo: ReplyTo | null }[];
  isReading: boolean;
  /** By tag. */
  readonly underWay: Map<string, OfferUnderWay>;
  /** Who must still hear that little is left. */
  telling: Insisting;
}

export function offerOf(id: string, view: OfferView | null, nowMs: number): OfferState {
  const shelf = new Shelf();
  shelf.asking(nowMs);
  if (view) shelf.read(view);
  const state: OfferState = {
    id,
    offer: view?.offer ?? null,
    shelf,
    isLow: false,
    waiting: [],
    isReading: false,
    underWay: new Map(),
    telling: NOTHING_WAITS,
  };
  state.isLow = isLowNow(state);
  return state;
}

export const isLowNow = ({ offer, shelf }: OfferState): boolean =>
  offer?.state === 'published' && offer.lowStock > 0 && shelf.left <= offer.lowStock;
