/**
 * Where operators take down what a merchant offers, because it deceives, or because nobody reaches the merchant: the offer's
 * own actor ends it as a withdrawal does, but for ever. What is reserved at that moment can still be confirmed.
 */
import type { ActorDoor } from '../../nodes/gatewayPort.ts';
import type { MarketBook, OfferMessage, OfferView } from '../../nodes/marketPort.ts';
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';
import { isUuid } from '../../protocol/ids.ts';
import { askActor } from '../askActor.ts';
import type { Verifier } from '../auth/identify.ts';
import { LIMITS } from '../limits.ts';
import {
  type Answer,
  answered,
  attend,
  type Deed,
  type LineOptions,
  type Request,
  said,
} from './entrance.ts';

export interface OffersDeskOptions extends Verifier, LineOptions {
  readonly door: ActorDoor;
  readonly market: Pick<MarketBook, 'offers'>;
}

export const OFFER_ROUTES = [
  'GET    /admin/users/{id}/offers?before=  offers of a merchant, whatever their state, newest first',
  'POST   /admin/offers/{id}/withdraw       nobody reserves of it any more, and its merchant cannot publish it again',
] as const;

const OFFERS = /^\/admin\/users\/([^/]+)\/offers$/;
const WITHDRAW = /^\/admin\/offers\/([^/]+)\/withdraw$/;
const noSuchUser = refuse(ERROR.notFound, 'no such user');
const noSuchOffer = refuse(ERROR.notFound, 'no such offer');

export class OffersDesk {
  readonly #options: OffersDeskOptions;

  constructor(options: OffersDeskOptions) {
    this.#options = options;
  }

  /** Null when this is no route of ours. */
  async handle(request: Request): Promise<Answer | null> {
    const { method, path, query } = request;
    const merchant = method === 'GET' ? OFFERS.exec(path)?.[1] : undefined;
    const offer = method === 'POST' ? WITHDRAW.exec(path)?.[1] : undefined;
    if (merchant === undefined && offer === undefined) return null;
    const find = () =>
      offer === undefined ? this.#list(merchant!, query.get('before')) : this.#withdraw(offer);
    return said(await attend(this.#options, request, find));
  }

  /** Whoever is no merchant has none. */
  #list(given: string, before: string | null): Deed | Result<never> {
    if (!isUuid(given)) return noSuchUser;
    if (before !== null && !isUuid(before)) return noSuchOffer;
    const merchant = given.toLowerCase();
    return {
      line: { action: 'offer.list', userId: merchant, detail: {} },
      work: async () => {
        const which = { merchant, place: null, open: false };
        const rows = await this.#options.market.offers(which, LIMITS.page + 1, before);
        const items = rows
          .slice(0, LIMITS.page)
          .map(({ id, version, state, title, opensAtMs, closesAtMs, onHand, reserved }) => ({
            offerId: id,
            ...{ version, state, title, opensAtMs, closesAtMs, onHand, reserved },
          }));
        return answered(200, {
          items,
          next: rows.length > LIMITS.page ? (items.at(-1)?.offerId ?? null) : null,
        });
      },
    };
  }

  /** The line is about the merchant, too, so that it stands among what operators did with him. */
  async #withdraw(given: string): Promise<Deed | Result<never>> {
    if (!isUuid(given)) return noSuchOffer;
    const offerId = given.toLowerCase();
    const now = await this.#ask(offerId, { type: 'look' });
    if (!now.ok && now.code !== ERROR.notFound) return now;
    const offer = now.ok ? now.value.offer : null;
    return {
      line: { action: 'offer.withdraw', userId: offer?.merchant ?? null, detail: { offerId } },
      change: {
        before: async () => offer && { merchant: offer.merchant, version: offer.version, state: offer.state },
        after: { state: 'removed' },
      },
      work: async () => {
        const done = await this.#ask(offerId, { type: 'remove' });
        if (!done.ok) return done;
        const { merchant: merchantId, version, state } = done.value.offer;
        return answered(200, { offerId, merchantId, version, state, reserved: done.value.reserved });
      },
    };
  }

  #ask(id: string, message: OfferMessage): Promise<Result<OfferView>> {
    return askActor(this.#options.door, { kind: 'offer', id }, message, { keyed: true });
  }
}
