/**
 * Offers over REST: a merchant writes them, publishes them, and says how many there are; everybody reads them. What is
 * written goes through the actor of the offer, which everybody who redeems asks too; lists come from the store.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { MarketBook, OfferMessage, OfferRecord, OfferView, StockView } from '../../nodes/marketPort.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { askActor } from '../askActor.ts';
import type { Identity } from '../auth/tokens.ts';
import { LIMITS } from '../limits.ts';
import type { Rest } from './app.ts';
import { callerOf, entering } from './caller.ts';
import type { RestOptions } from './context.ts';
import { ErrorBody, reaching, refused } from './errors.ts';
import { EditedOffer, NewOffer, Offer, Offers, Stock, StockChange } from './marketSchemas.ts';
import type { Orders } from './orders.ts';
import { Id, IdempotencyHeaders, Page } from './schemas.ts';
import { traceOf } from './trace.ts';

const failures = { '4xx': ErrorBody, '5xx': ErrorBody };
const secured = { tags: ['market'], security: [{ bearer: [] }] };
const params = Type.Object({ id: Id });

const UNKNOWN = refuse(ERROR.notFound, 'no such offer');
const NOT_YOURS = refuse(ERROR.invalid, 'no place of yours has this id');
/** Two who write at once: the second reads again and repeats so often. */
const WRITES = 3;

type Shown = Static<typeof Offer>;

const shown = ({ offer, onHand, reserved }: Omit<OfferView, 'perUser'>): Shown => {
  const { merchant: merchantId, ...rest } = offer;
  return { ...rest, merchantId, onHand, left: onHand - reserved };
};

export const offerRoutes = (app: Rest, options: RestOptions, market: MarketBook, orders: Orders): void => {
  const { door, log, places } = options;
  const anybody = entering(options);
  const merchant = entering(options, 'merchant');

  const ask = <T>(request: FastifyRequest, id: string, message: OfferMessage): Promise<Result<T>> =>
    askActor(door, { kind: 'offer', id: id.toLowerCase() }, message, {
      keyed: true,
      trace: traceOf(request),
    });
  const look = (request: FastifyRequest, id: string): Promise<Result<OfferView>> =>
    ask(request, id, { type: 'look' });
  const save = async (request: FastifyRequest, offer: OfferRecord): Promise<Result<Shown>> => {
    if (offer.closesAtMs > 0 && offer.closesAtMs <= offer.opensAtMs)
      return refuse(ERROR.invalid, 'it would close before it opens');
    if (offer.title.trim() === '') return refuse(ERROR.invalid, 'a title says something');
    const saved = await ask<OfferView>(request, offer.id, { type: 'save', offer });
    return saved.ok ? ok(shown(saved.value)) : saved;
  };

  /** With the words of the merchant: what he says of the place is true. */
  const written = async (request: FastifyRequest, offer: OfferRecord): Promise<Result<Shown>> => {
    const placeId = offer.placeId?.toLowerCase() ?? null;
    if (placeId !== null) {
      const place = await reaching(log, async () => (await places?.place(placeId)) ?? null);
      if (!place.ok) return place;
      if (place.value?.owner !== offer.merchant) return NOT_YOURS;
    }
    return save(request, { ...offer, placeId });
  };

  /** The next version of an offer of this merchant, as `change` makes it of the one before. */
  const changed = async (
    request: FastifyRequest,
    me: Identity,
    id: string,
    change: (offer: OfferRecord) => Result<OfferRecord>,
  ): Promise<Result<Shown>> => {
    for (let tries = 1; ; tries++) {
      const now = await look(request, id);
      if (!now.ok) return now;
      if (now.value.offer.merchant !== me.userId) return UNKNOWN;
      const next = change(now.value.offer);
      if (!next.ok) return next;
      if (next.value === now.value.offer) return ok(shown(now.value));
      const saved = await save(request, next.value);
      if (saved.ok || saved.code !== ERROR.conflict || tries === WRITES) return saved;
    }
  };
  const answered = (reply: FastifyReply, result: Result<Shown>): FastifyReply =>
    result.ok ? reply.send(result.value) : refused(reply, result);

  app.get(
    '/v1/offers',
    {
      preValidation: anybody,
      schema: {
        ...secured,
        summary: 'Offers that can be redeemed now, newest first',
        description:
          'Of one merchant or of all, at one place or anywhere. A merchant who asks for his own gets drafts and old ones too.',
        querystring: Type.Object(
          { ...Page.properties, merchant: Type.Optional(Id), place: Type.Optional(Id) },
          { additionalProperties: false },
        ),
        response: { 200: Offers, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const { limit = LIMITS.page, before = null, merchant, place } = request.query;
      const which = {
        merchant: merchant?.toLowerCase() ?? null,
        place: place?.toLowerCase() ?? null,
        open: merchant?.toLowerCase() !== me.userId,
      };
      const rows = await reaching(log, () => market.offers(which, limit + 1, before));
      if (!rows.ok) return refused(reply, rows);
      const items = rows.value.slice(0, limit).map(({ merchantHandle, onHand, reserved, ...offer }) => ({
        ...shown({ offer, onHand, reserved }),
        merchantHandle,
      }));
      return reply.send({ items, next: rows.value.length > limit ? (items.at(-1)?.id ?? null) : null });
    },
  );

  app.get(
    '/v1/offers/:id',
    {
      preValidation: anybody,
      schema: {
        ...secured,
        summary: 'One offer, from its actor',
        description: 'A draft is seen by its merchant only.',
        params,
        response: { 200: Offer, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const found = await look(request, request.params.id);
      if (!found.ok) return refused(reply, found);
      const { offer } = found.value;
      if (offer.state === 'draft' && offer.merchant !== me.userId) return refused(reply, UNKNOWN);
      return reply.send(shown(found.value));
    },
  );

  app.post(
    '/v1/offers',
    {
      preValidation: merchant,
      schema: {
        ...secured,
        summary: 'A new offer of yours, as a draft',
        description:
          'With nothing in stock; nobody else sees it before it is published. Needs an `Idempotency-Key`.',
        headers: IdempotencyHeaders,
        body: NewOffer,
        response: { 201: Offer, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const { title, points, description = '', kind = 'goods', perUserMax = 0 } = request.body;
      const { opensAtMs = 0, closesAtMs = 0, lowStock = 0, placeId = null } = request.body;
      const fields = {
        title,
        description,
        kind,
        points,
        perUserMax,
        opensAtMs,
        closesAtMs,
        lowStock,
        placeId,
      };
      return orders.run(request, reply, me, 201, key =>
        written(request, {
          id: derivedId('offer', key),
          merchant: me.userId,
          version: 1,
          state: 'draft',
          ...fields,
        }),
      );
    },
  );

  app.put(
    '/v1/offers/:id',
    {
      preValidation: merchant,
      schema: {
        ...secured,
        summary: 'Another version of your offer',
        description:
          'Names the version that it replaces, so that two who edit at once notice; doing it again changes nothing, so no ' +
          '`Idempotency-Key` is needed. What is reserved keeps its price. 410 when an operator withdrew it for good.',
        params,
        body: EditedOffer,
        response: { 200: Offer, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const { version, ...fields } = request.body;
      const now = await look(request, request.params.id);
      if (!now.ok) return refused(reply, now);
      const { offer } = now.value;
      if (offer.merchant !== me.userId) return refused(reply, UNKNOWN);
      // the actor says whether it is the next one, or the newest over again
      return answered(reply, await written(request, { ...offer, ...fields, version: version + 1 }));
    },
  );

  const turn = (
    name: 'publish' | 'withdraw',
    state: OfferRecord['state'],
    summary: string,
    description: string,
  ) =>
    app.post(
      `/v1/offers/:id/${name}`,
      {
        preValidation: merchant,
        schema: { ...secured, summary, description, params, response: { 200: Offer, ...failures } },
      },
      async (request, reply) => {
        const me = callerOf(request);
        const result = await changed(request, me, request.params.id, offer =>
          ok(offer.state === state ? offer : { ...offer, state, version: offer.version + 1 }),
        );
        return answered(reply, result);
      },
    );
  turn(
    'publish',
    'published',
    'Let everybody redeem your offer',
    'While its window is open and as long as there is some of it. Published already: nothing changes. 410 when an operator ' +
      'withdrew it for good.',
  );
  turn(
    'withdraw',
    'withdrawn',
    'Let nobody redeem your offer any more',
    'What is reserved can still be confirmed. Withdrawn already: nothing changes. 410 when an operator withdrew it for good.',
  );

  app.post(
    '/v1/offers/:id/stock',
    {
      preValidation: merchant,
      schema: {
        ...secured,
        summary: 'More or less of your offer is there',
        description:
          'Each change stands in its log for good. 409 when fewer would be there than are reserved. Needs an `Idempotency-Key`.',
        headers: IdempotencyHeaders,
        params,
        body: StockChange,
        response: { 200: Stock, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const { delta, kind = 'adjustment', reason } = request.body;
      if (delta === 0) return refused(reply, refuse(ERROR.invalid, 'a change of nothing'));
      if (kind === 'receipt' && delta < 0)
        return refused(reply, refuse(ERROR.invalid, 'what was received is more, not less'));
      return orders.run(request, reply, me, 200, async key => {
        const message = { type: 'adjust', id: key, merchant: me.userId, delta, kind, reason } as const;
        const done = await ask<StockView>(request, request.params.id, message);
        if (!done.ok) return done;
        const { onHand, reserved } = done.value;
        return ok({ onHand, left: onHand - reserved });
      });
    },
  );
};
