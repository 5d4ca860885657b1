/** Fines and fees: a municipality publishes them, a civilian pays them with points. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { FEE_KINDS, type GivingStore } from '../../nodes/givingPort.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { LIMITS } from '../limits.ts';
import type { Rest } from './app.ts';
import { callerOf, entering } from './caller.ts';
import type { RestOptions } from './context.ts';
import { ErrorBody, reaching, refused } from './errors.ts';
import { Amount, Dry, giveThrough, Moved } from './giving.ts';
import { KeyedDoor } from './keyed.ts';
import { Id, IdempotencyHeaders, Next, Page, pageOf, SignIn } from './schemas.ts';

const failures = { '4xx': ErrorBody, '5xx': ErrorBody };
const secured = { tags: ['points'], security: [{ bearer: [] }] };
const closed = { additionalProperties: false };

const Fee = Type.Object({
  id: Id,
  kind: Type.Enum([...FEE_KINDS]),
  municipality: Id,
  title: Type.String(),
  points: Type.Integer({ description: 'What it costs.' }),
  paid: Type.Boolean({ description: 'By you; to a municipality: a fine, by whom it is for.' }),
  withdrawn: Type.Boolean(),
  atMs: Type.Integer({ description: 'Unix milliseconds of its publication.' }),
});
const NewFee = Type.Object(
  {
    kind: Type.Enum([...FEE_KINDS], {
      description:
        'A fine is one person’s and paid once; a fee is everybody’s, and paid once by each who pays it.',
    }),
    title: Type.String({ pattern: '^[^\\x00-\\x1f\\x7f]{1,120}$' }),
    points: Amount,
    handle: Type.Optional(SignIn.properties.handle),
  },
  closed,
);

const municipalitiesOnly = refuse(ERROR.forbidden, 'only a municipality publishes fines and fees');
const unaddressed = refuse(ERROR.invalid, 'a fine has the handle of who pays it, a fee has none');

export const feeRoutes = (app: Rest, options: RestOptions, store: GivingStore): void => {
  const { log } = options;
  const door = new KeyedDoor(options);
  const anybody = entering(options);
  const civilian = entering(options, 'civilian');
  const reach = async <T>(work: () => Promise<Result<T>>): Promise<Result<T>> => {
    const reached = await reaching(log, work);
    return reached.ok ? reached.value : reached;
  };

  app.post(
    '/v1/fees',
    {
      preValidation: anybody,
      schema: {
        ...secured,
        headers: IdempotencyHeaders,
        summary: 'A municipality publishes a fine or a fee',
        description: '404 when a fine names nobody who could pay it.',
        body: NewFee,
        response: { 201: Fee, ...failures },
      },
    },
    async (request: FastifyRequest, reply: FastifyReply) => {
      const me = callerOf(request);
      if (me.kind !== 'municipality') return refused(reply, municipalitiesOnly);
      const { kind, title, points, handle = null } = request.body as Static<typeof NewFee>;
      if ((kind === 'fine') !== (handle !== null)) return refused(reply, unaddressed);
      const asked = { who: me.userId, route: 'fees', asked: request.body };
      // the id follows from the key: published again it is the same one
      return door.answer(
        request,
        reply,
        asked,
        ({ key: id }) =>
          reach(() => store.publishFee({ id, kind, municipality: me.userId, title, points, handle })),
        201,
      );
    },
  );

  app.get(
    '/v1/fees',
    {
      preValidation: anybody,
      schema: {
        ...secured,
        summary: 'Fines and fees: yours to pay, or those that you published',
        querystring: Page,
        response: { 200: Type.Object({ items: Type.Array(Fee), next: Next }), ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const { limit = LIMITS.page, before = null } = request.query;
      const read = await reach(async () =>
        ok(
          await (me.kind === 'municipality'
            ? store.feesOf(me.userId, limit + 1, before)
            : store.feesFor(me.userId, limit + 1, before)),
        ),
      );
      return read.ok ? reply.send(pageOf(read.value, limit)) : refused(reply, read);
    },
  );

  app.post(
    '/v1/fees/:id/withdraw',
    {
      preValidation: anybody,
      schema: {
        ...secured,
        summary: 'Nobody can pay it any more',
        description: 'Doing it again changes nothing. 409 when a fine was paid.',
        params: Type.Object({ id: Id }),
        response: { 200: Fee, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      if (me.kind !== 'municipality') return refused(reply, municipalitiesOnly);
      const done = await reach(() => store.withdrawFee(request.params.id.toLowerCase(), me.userId));
      return done.ok ? reply.send(done.value) : refused(reply, done);
    },
  );

  app.post(
    '/v1/fees/:id/payments',
    {
      preValidation: civilian,
      schema: {
        ...secured,
        headers: IdempotencyHeaders,
        summary: 'Pay a fine or a fee with points',
        description:
          '404 when it is not published to you, 409 when it was paid or the points are not there, 410 when it was withdrawn.',
        params: Type.Object({ id: Id }),
        querystring: Dry,
        response: { 200: Moved, ...failures },
      },
    },
    async (request, reply) => {
      await giveThrough(options, door, [request, reply], {
        route: 'payments',
        name: 'fee.pay',
        body: { feeId: (request.params as { id: string }).id.toLowerCase() },
      });
      return reply;
    },
  );
};
