/**
 * Redemptions over REST, for who has no socket at hand: the same commands to the same actors, so that a phone and a request
 * never disagree (`protocol/catalogue.ts`, `redeem.*` and `till.*`).
 */
import { type Static, Type } from 'typebox';
import type { MarketBook, RedemptionView } from '../../nodes/marketPort.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { permits } from '../auth/scopes.ts';
import type { Identity } from '../auth/tokens.ts';
import { LIMITS } from '../limits.ts';
import type { Rest } from './app.ts';
import { callerOf, entering } from './caller.ts';
import type { RestOptions } from './context.ts';
import { ErrorBody, reaching, refused } from './errors.ts';
import {
  Confirmed,
  Dry,
  Freed,
  NewRedemption,
  Part,
  Preview,
  Redemption,
  Redemptions,
  Refund,
  Refunded,
  Reserved,
} from './marketSchemas.ts';
import type { Orders } from './orders.ts';
import { Id, IdempotencyHeaders, Page } from './schemas.ts';

const failures = { '4xx': ErrorBody, '5xx': ErrorBody };
const secured = { tags: ['market'], security: [{ bearer: [] }] };
const params = Type.Object({ id: Id });
const headers = IdempotencyHeaders;
const KEYED = 'Needs an `Idempotency-Key`.';

const shown = (one: RedemptionView): Static<typeof Redemption> => {
  const {
    id,
    merchant,
    offer,
    offerTitle,
    state,
    quantity,
    points,
    code,
    atMs,
    expiresAtMs,
    sold,
    refunded,
  } = one;
  const isBack = state === 'confirmed' && refunded.quantity === sold.quantity;
  return {
    redemptionId: id,
    merchantId: merchant,
    offerId: offer,
    title: offerTitle,
    state: isBack ? 'refunded' : state,
    quantity,
    points,
    code: state === 'reserved' ? code : null,
    atMs,
    expiresAtMs,
    sold,
    refunded,
  };
};

export const redemptionRoutes = (
  app: Rest,
  options: RestOptions,
  market: MarketBook,
  orders: Orders,
): void => {
  const { log } = options;
  const anybody = entering(options);
  const spender = entering(options, 'spend');
  const merchant = entering(options, 'merchant');
  const isMerchant = (me: Identity): boolean => permits(me.scopes, 'merchant');

  app.get(
    '/v1/redemptions',
    {
      preValidation: anybody,
      schema: {
        ...secured,
        summary: 'Your redemptions, newest first',
        description: 'A merchant gets those of his offers: what was redeemed, never by whom.',
        querystring: Page,
        response: { 200: Redemptions, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const { limit = LIMITS.page, before = null } = request.query;
      const of = isMerchant(me) ? { merchant: me.userId } : { user: me.userId };
      const rows = await reaching(log, () => market.redemptions(of, limit + 1, before));
      if (!rows.ok) return refused(reply, rows);
      const items = rows.value.slice(0, limit).map(shown);
      const next = rows.value.length > limit ? (items.at(-1)?.redemptionId ?? null) : null;
      return reply.send({ items, next });
    },
  );

  app.get(
    '/v1/redemptions/:id',
    {
      preValidation: anybody,
      schema: {
        ...secured,
        summary: 'What became of a redemption',
        description: 'For who redeemed and for the merchant.',
        params,
        response: { 200: Redemption, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const found = await reaching(log, () => market.redemption(request.params.id.toLowerCase()));
      if (!found.ok) return refused(reply, found);
      const one = found.value;
      const isMine = one !== null && (one.user === me.userId || one.merchant === me.userId);
      if (!isMine) return refused(reply, refuse(ERROR.notFound, 'no such redemption'));
      return reply.send(shown(one));
    },
  );

  app.post(
    '/v1/redemptions',
    {
      preValidation: spender,
      schema: {
        ...secured,
        summary: 'Reserve something: points and stock are set aside together',
        description: `For ten minutes at most; a till makes a sale of it. As \`redeem.reserve\`. ${KEYED} With \`dry\` everything is checked and nothing is set aside; it needs no key.`,
        headers,
        querystring: Dry,
        body: NewRedemption,
        response: { 200: Preview, 201: Reserved, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const { offerId, quantity = 1 } = request.body;
      const body = { offerId: offerId.toLowerCase(), quantity };
      if (request.query.dry === true) {
        const preview = await orders.preview(request, me, body);
        return preview.ok ? reply.send(preview.value) : refused(reply, preview);
      }
      return orders.run(request, reply, me, 201, key =>
        orders.order(request, me, 'redeem.reserve', body, key),
      );
    },
  );

  app.post(
    '/v1/redemptions/:id/cancel',
    {
      preValidation: anybody,
      schema: {
        ...secured,
        summary: 'Give a reservation up',
        description: `By who reserved, or by the merchant who does not hand it over. 409 when it is paid, 410 when it is over. ${KEYED}`,
        headers,
        params,
        response: { 200: Freed, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const body = { redemptionId: request.params.id.toLowerCase() };
      return orders.run(request, reply, me, 200, async (key): Promise<Result<{ points: number }>> => {
        if (!isMerchant(me)) return orders.order(request, me, 'redeem.cancel', body, key);
        const declined = await orders.order(request, me, 'till.refuse', body, key);
        if (!declined.ok) return declined;
        const now = await reaching(log, () => market.redemption(body.redemptionId));
        return now.ok ? ok({ points: now.value?.points ?? 0 }) : now;
      });
    },
  );

  app.post(
    '/v1/redemptions/:id/confirm',
    {
      preValidation: merchant,
      schema: {
        ...secured,
        summary: 'It is handed over: the points are paid',
        description: `By the merchant; a part is its share, the rest goes back. 409 when it is paid already, 410 when it was cancelled or is over. ${KEYED}`,
        headers,
        params,
        body: Part,
        response: { 200: Confirmed, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const { quantity = null } = request.body;
      const body = { redemptionId: request.params.id.toLowerCase(), code: null, quantity };
      return orders.run(request, reply, me, 200, key => orders.order(request, me, 'till.confirm', body, key));
    },
  );

  app.post(
    '/v1/redemptions/:id/refund',
    {
      preValidation: merchant,
      schema: {
        ...secured,
        summary: 'Pay a customer back, whole or in part',
        description: `By the merchant; never more than was paid (409). ${KEYED}`,
        headers,
        params,
        body: Refund,
        response: { 200: Refunded, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const { quantity = null, restock } = request.body;
      const body = { redemptionId: request.params.id.toLowerCase(), quantity, restock };
      return orders.run(request, reply, me, 200, key => orders.order(request, me, 'till.refund', body, key));
    },
  );
};
