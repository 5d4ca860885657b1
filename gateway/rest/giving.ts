/** Gifts for apps without a socket: the same as the commands of these names, by the same message to the same actor. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { GiftName, GiftPreview, Given, UserMessage } from '../../nodes/gatewayPort.ts';
import { GIFT_PARTS_MAX } from '../../protocol/catalogue.ts';
import type { Rest } from './app.ts';
import { callerOf, entering } from './caller.ts';
import type { RestOptions } from './context.ts';
import { ErrorBody, refused } from './errors.ts';
import { askKeyed, KeyedDoor } from './keyed.ts';
import { Id, IdempotencyHeaders } from './schemas.ts';

const failures = { '4xx': ErrorBody, '5xx': ErrorBody };
const secured = { tags: ['points'], security: [{ bearer: [] }], headers: IdempotencyHeaders };
const closed = { additionalProperties: false };

/** As the ledger takes them. */
export const POINTS_MAX = 1_000_000_000_000;
export const Amount = Type.Integer({ minimum: 1, maximum: POINTS_MAX, description: 'Whole points.' });
export const GiftPart = Type.Object({ userId: Id, points: Amount }, closed);
export const GiftParts = Type.Array(GiftPart, {
  minItems: 1,
  maxItems: GIFT_PARTS_MAX,
  description: 'Who gets how much; each account once.',
});

export type Part = Static<typeof GiftPart>;
/** Ids are compared as text inside. */
export const partOf = ({ userId, points }: Part): Part => ({ userId: userId.toLowerCase(), points });

export const Moved = Type.Object({
  transferId: Type.Optional(Id),
  points: Type.Integer({ description: 'Negative: what left your account.' }),
  balance: Type.Integer({ description: 'Your balance after it.' }),
});
export const Dry = Type.Object(
  { dry: Type.Optional(Type.Boolean({ description: 'Says what would be, and does nothing.' })) },
  closed,
);

/** Lets the actor of the caller give, under the key of the request. `dry` needs none. */
export const giveThrough = async (
  options: RestOptions,
  door: KeyedDoor,
  [request, reply]: readonly [FastifyRequest, FastifyReply],
  { route, name, body }: { route: string; name: GiftName; body: object },
): Promise<FastifyReply> => {
  const { userId } = callerOf(request);
  const { dry = false } = request.query as { dry?: boolean };
  if (dry) {
    const message: UserMessage = { type: 'spend', name, body, key: '', requestHash: '', dry };
    const preview = await askKeyed<GiftPreview>(options, request, userId, message);
    if (!preview.ok) return refused(reply, preview);
    const { points, balance } = preview.value;
    return reply.send({ points, balance });
  }
  return door.answer(request, reply, { who: userId, route, asked: body }, keyed =>
    askKeyed<Given>(options, request, userId, { type: 'spend', name, body, ...keyed } satisfies UserMessage),
  );
};

export const givingRoutes = (app: Rest, options: RestOptions): void => {
  const door = new KeyedDoor(options);

  app.post(
    '/v1/donations',
    {
      preValidation: entering(options, 'spend'),
      schema: {
        ...secured,
        summary: 'Give points to charities and families that are verified',
        description:
          'All of them get their part, or none does. 403 when your kind of account, or theirs, may not; 404 when there is no ' +
          'such account; 409 when it is not verified or the points are not there; 410 when it is closed.',
        querystring: Dry,
        body: Type.Object({ to: GiftParts }, closed),
        response: { 200: Moved, ...failures },
      },
    },
    async (request, reply) => {
      await giveThrough(options, door, [request, reply], {
        route: 'donations',
        name: 'points.donate',
        body: { to: (request.body as { to: Part[] }).to.map(partOf) },
      });
      return reply;
    },
  );

  app.post(
    '/v1/giveaways',
    {
      preValidation: entering(options, 'officer'),
      schema: {
        ...secured,
        summary: 'An officer gives points to a fellow officer',
        description: 'Up to a cap in 24 hours: beyond it 409.',
        querystring: Dry,
        body: GiftPart,
        response: { 200: Moved, ...failures },
      },
    },
    async (request, reply) => {
      await giveThrough(options, door, [request, reply], {
        route: 'giveaways',
        name: 'points.give',
        body: partOf(request.body as Part),
      });
      return reply;
    },
  );
};
