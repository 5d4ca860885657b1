/** What a signed-in person may read: about themselves everything, about officers a handle and a number. */
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type { Balance as BalanceView } from '../../nodes/gatewayPort.ts';
import { ERROR, refuse } from '../../protocol/errors.ts';
import { LIMITS } from '../limits.ts';
import type { Rest } from './app.ts';
import { askUser, type RestOptions, requireIdentity } from './context.ts';
import { ErrorBody, reaching, refused } from './errors.ts';
import {
  Balance,
  BalanceThen,
  Devices,
  Encounters,
  Id,
  Me,
  Moment,
  Officer,
  Page,
  pageOf,
  Transactions,
} from './schemas.ts';

const failures = { '4xx': ErrorBody, '5xx': ErrorBody };
const secured = { tags: ['people'], security: [{ bearer: [] }] };

export const peopleRoutes = (app: Rest, options: RestOptions): void => {
  const { directory, log, wallMs } = options;

  const balanceThen = async (reply: FastifyReply, userId: string, at: string): Promise<FastifyReply> => {
    const atMs = Date.parse(at);
    if (Number.isNaN(atMs)) return refused(reply, refuse(ERROR.invalid, 'there is no such moment'));
    if (atMs > wallMs()) return refused(reply, refuse(ERROR.invalid, 'that moment has not come'));
    const balance = await reaching(log, () => directory.balanceAt(userId, atMs));
    if (!balance.ok) return refused(reply, balance);
    if (balance.value === null) return refused(reply, refuse(ERROR.notFound, 'no such account'));
    return reply.send({ balance: balance.value, at: new Date(atMs).toISOString() });
  };

  app.get(
    '/v1/me',
    { schema: { ...secured, summary: 'Your profile', response: { 200: Me, ...failures } } },
    async (request, reply) => {
      const me = await requireIdentity(options, request, reply);
      if (me === null) return reply;
      const profile = await reaching(log, () => directory.profile(me.userId));
      if (!profile.ok) return refused(reply, profile);
      if (profile.value === null) return refused(reply, refuse(ERROR.notFound, 'no such account'));
      return reply.send(profile.value);
    },
  );

  app.get(
    '/v1/me/devices',
    {
      schema: {
        ...secured,
        summary: 'Devices that you were seen on, newest first',
        description: 'Written behind: what happened within the last minutes may be missing.',
        response: { 200: Devices, ...failures },
      },
    },
    async (request, reply) => {
      const me = await requireIdentity(options, request, reply);
      if (me === null) return reply;
      const seen = await reaching(log, async () => (await options.devices?.devices(me.userId)) ?? []);
      if (!seen.ok) return refused(reply, seen);
      const items = seen.value.map(one => ({ ...one, current: one.deviceId === me.deviceId }));
      return reply.send({ items });
    },
  );

  app.get(
    '/v1/balance',
    {
      schema: {
        ...secured,
        summary: 'Your points, from your actor; with `at` those of a moment, from the ledger',
        description: 'Of the last seconds something may be on its way. 422 for a moment that has not come.',
        querystring: Moment,
        response: { 200: Type.Union([Balance, BalanceThen]), ...failures },
      },
    },
    async (request, reply) => {
      const me = await requireIdentity(options, request, reply);
      if (me === null) return reply;
      const { at } = request.query;
      if (at !== undefined) return balanceThen(reply, me.userId, at);
      const balance = await askUser<BalanceView>(options, request, me.userId, { type: 'balance' });
      if (!balance.ok) return refused(reply, balance);
      return reply.send(balance.value);
    },
  );

  app.get(
    '/v1/transactions',
    {
      schema: {
        ...secured,
        summary: 'Movements of your points, newest first',
        querystring: Page,
        response: { 200: Transactions, ...failures },
      },
    },
    async (request, reply) => {
      const me = await requireIdentity(options, request, reply);
      if (me === null) return reply;
      const { limit = LIMITS.page, before = null } = request.query;
      const rows = await reaching(log, () => directory.transactions(me.userId, limit + 1, before));
      return rows.ok ? reply.send(pageOf(rows.value, limit)) : refused(reply, rows);
    },
  );

  app.get(
    '/v1/encounters',
    {
      schema: {
        ...secured,
        summary: 'Your encounters, newest first',
        querystring: Page,
        response: { 200: Encounters, ...failures },
      },
    },
    async (request, reply) => {
      const me = await requireIdentity(options, request, reply);
      if (me === null) return reply;
      const { limit = LIMITS.page, before = null } = request.query;
      const rows = await reaching(log, () => directory.encounters(me.userId, limit + 1, before));
      return rows.ok ? reply.send(pageOf(rows.value, limit)) : refused(reply, rows);
    },
  );

  app.get(
    '/v1/officers/:id',
    {
      schema: {
        ...secured,
        summary: 'Public profile of an officer',
        description: 'Handle and number of encounters, nothing else.',
        params: Type.Object({ id: Id }),
        response: { 200: Officer, ...failures },
      },
    },
    async (request, reply) => {
      const me = await requireIdentity(options, request, reply);
      if (me === null) return reply;
      const officer = await reaching(log, () => directory.officer(request.params.id));
      if (!officer.ok) return refused(reply, officer);
      if (officer.value === null) return refused(reply, refuse(ERROR.notFound, 'no such officer'));
      return reply.send(officer.value);
    },
  );
};
