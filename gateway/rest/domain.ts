/**
 * What the streams told of you: whom you met, who gave to you, what you sold. A moment late, and never more of another person
 * than the app shows anyway.
 */
import { Type } from 'typebox';
import type { UsersDomain } from '../../nodes/usersDomainPort.ts';
import { LIMITS } from '../limits.ts';
import type { Rest } from './app.ts';
import { callerOf, entering } from './caller.ts';
import type { RestOptions } from './context.ts';
import { ErrorBody, reaching, refused } from './errors.ts';
import { Id, Next, Page } from './schemas.ts';

const failures = { '4xx': ErrorBody, '5xx': ErrorBody };
const secured = {
  tags: ['people'],
  security: [{ bearer: [] }],
  description: 'Read from what the streams told: what happened in the last seconds may be missing.',
};
const AtMs = Type.Integer({ description: 'Unix milliseconds of the database clock.' });
const Points = Type.Integer({ description: 'Whole points.' });

const OfficersMet = Type.Object({
  items: Type.Array(
    Type.Object({
      officerId: Id,
      handle: Type.String(),
      encounters: Type.Integer(),
      firstAtMs: AtMs,
      lastAtMs: AtMs,
    }),
  ),
});
const Donations = Type.Object({
  items: Type.Array(
    Type.Object({
      id: Id,
      donorKind: Type.Union([Type.String(), Type.Null()], { description: 'What kind of account gave.' }),
      points: Points,
      atMs: AtMs,
    }),
  ),
  next: Next,
});
const GoodsSold = Type.Object({
  items: Type.Array(
    Type.Object({
      offerId: Id,
      sales: Type.Integer(),
      quantity: Type.Integer({ description: 'Units, less what was given back.' }),
      points: Type.Integer({ description: 'Points, less what was given back.' }),
      lastAtMs: AtMs,
    }),
  ),
});

/** Officers, offers: at most so many are told. */
const SHOWN = 1_000;

export const domainRoutes = (app: Rest, options: RestOptions, domain: UsersDomain): void => {
  const { log } = options;

  app.get(
    '/v1/officers-met',
    {
      preValidation: entering(options),
      schema: {
        ...secured,
        summary: 'Officers you met, the last one first',
        response: { 200: OfficersMet, ...failures },
      },
    },
    async (request, reply) => {
      const { userId } = callerOf(request);
      const met = await reaching(log, () => domain.officersMet(userId, SHOWN));
      return met.ok ? reply.send({ items: [...met.value] }) : refused(reply, met);
    },
  );

  app.get(
    '/v1/donations',
    {
      preValidation: entering(options),
      schema: {
        ...secured,
        summary: 'Donations that you received, newest first',
        querystring: Page,
        response: { 200: Donations, ...failures },
      },
    },
    async (request, reply) => {
      const { userId } = callerOf(request);
      const { limit = LIMITS.page, before = null } = request.query;
      const rows = await reaching(log, () => domain.donationsTo(userId, limit + 1, before));
      if (!rows.ok) return refused(reply, rows);
      const shown = rows.value.slice(0, limit);
      const next = rows.value.length > limit ? (shown.at(-1)?.id ?? null) : null;
      const items = shown.map(({ id, donorKind, points, atMs }) => ({ id, donorKind, points, atMs }));
      return reply.send({ items, next });
    },
  );

  app.get(
    '/v1/goods-sold',
    {
      preValidation: entering(options),
      schema: {
        ...secured,
        summary: 'What you sold for points, by offer, the most sold first',
        response: { 200: GoodsSold, ...failures },
      },
    },
    async (request, reply) => {
      const { userId } = callerOf(request);
      const sold = await reaching(log, () => domain.goodsSold(userId, SHOWN));
      return sold.ok ? reply.send({ items: [...sold.value] }) : refused(reply, sold);
    },
  );
};
