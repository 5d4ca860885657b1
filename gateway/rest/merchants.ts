/** What a merchant sees of the own business: sales, best sellers, the stock as it changed, and the report of each day. */
import type { FastifyReply } from 'fastify';
import { type Static, Type } from 'typebox';
import type { MarketBook, SaleRow, TimeSpan } from '../../nodes/marketPort.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { LIMITS } from '../limits.ts';
import type { Rest } from './app.ts';
import { callerOf, entering } from './caller.ts';
import type { RestOptions } from './context.ts';
import { ErrorBody, reaching, refused } from './errors.ts';
import { BestSellers, DayParams, Days, Sales, Settlement, StockLog, StockPage } from './marketSchemas.ts';
import { Id, Page } from './schemas.ts';
import { DayReport, dayOf, dayStartMs, spanOf } from './settlement.ts';

const failures = { '4xx': ErrorBody, '5xx': ErrorBody };
const secured = { tags: ['merchants'], security: [{ bearer: [] }] };
const closed = { additionalProperties: false };
const DAY_MS = 86_400_000;

export const merchantRoutes = (app: Rest, options: RestOptions, market: MarketBook): void => {
  const { log, wallMs } = options;
  const merchant = entering(options, 'merchant');

  const asked = ({ from, to }: { from?: string; to?: string }): Result<TimeSpan> => {
    const last = dayStartMs(to ?? dayOf(wallMs()));
    const first = from === undefined ? last && last - (LIMITS.reportDays - 1) * DAY_MS : dayStartMs(from);
    if (first === null || last === null) return refuse(ERROR.invalid, 'there is no such day');
    const days = (last - first) / DAY_MS + 1;
    if (days < 1) return refuse(ERROR.invalid, 'the last day is before the first');
    if (days > LIMITS.reportDaysMax)
      return refuse(ERROR.invalid, `a report spans ${LIMITS.reportDaysMax} days at most`);
    return ok(spanOf(first, last));
  };
  const reportOf = async (
    seller: string,
    day: string,
    startMs: number,
  ): Promise<Static<typeof Settlement>> => {
    const closed = await market.closedDay(seller, day);
    if (closed !== null) return { ...closed, day, closed: true };
    const report = new DayReport();
    const span = spanOf(startMs, startMs);
    for (let after: SaleRow | null = null; ; ) {
      const rows: SaleRow[] = await market.settled(seller, span, after, LIMITS.settledRows);
      for (const row of rows) report.add(row);
      after = rows.at(-1) ?? null;
      if (rows.length < LIMITS.settledRows) return { ...report.done(), day, closed: false, checksum: null };
    }
  };
  /** A page of rows that have an id, or the refusal. */
  const paged = <T extends { readonly id: string }>(
    reply: FastifyReply,
    rows: Result<readonly T[]>,
    limit: number,
  ): FastifyReply => {
    if (!rows.ok) return refused(reply, rows);
    const items = rows.value.slice(0, limit);
    return reply.send({ items, next: rows.value.length > limit ? (items.at(-1)?.id ?? null) : null });
  };

  app.get(
    '/v1/merchant/sales',
    {
      preValidation: merchant,
      schema: {
        ...secured,
        summary: 'What your tills sold and paid back, newest first',
        querystring: Type.Object({ ...Page.properties, ...Days }, closed),
        response: { 200: Sales, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const span = asked(request.query);
      if (!span.ok) return refused(reply, span);
      const { limit = LIMITS.page, before = null } = request.query;
      const rows = await reaching(log, () => market.sales(me.userId, span.value, limit + 1, before));
      return paged(reply, rows, limit);
    },
  );

  app.get(
    '/v1/merchant/best-sellers',
    {
      preValidation: merchant,
      schema: {
        ...secured,
        summary: 'Your offers by units sold, the most first',
        querystring: Type.Object({ limit: Page.properties.limit, ...Days }, closed),
        response: { 200: BestSellers, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const span = asked(request.query);
      if (!span.ok) return refused(reply, span);
      const { limit = LIMITS.page } = request.query;
      const rows = await reaching(log, () => market.bestSellers(me.userId, span.value, limit));
      return rows.ok ? reply.send({ items: rows.value }) : refused(reply, rows);
    },
  );

  app.get(
    '/v1/offers/:id/stock',
    {
      preValidation: merchant,
      schema: {
        ...secured,
        summary: 'Every movement of the stock of your offer, newest first',
        params: Type.Object({ id: Id }),
        querystring: StockPage,
        response: { 200: StockLog, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const id = request.params.id.toLowerCase();
      const offer = await reaching(log, () => market.offer(id));
      if (!offer.ok) return refused(reply, offer);
      if (offer.value?.merchant !== me.userId) return refused(reply, refuse(ERROR.notFound, 'no such offer'));
      const { limit = LIMITS.page, before = null } = request.query;
      const rows = await reaching(log, () => market.stock(id, limit + 1, before));
      return paged(reply, rows, limit);
    },
  );

  app.get(
    '/v1/merchant/settlements/:day',
    {
      preValidation: merchant,
      schema: {
        ...secured,
        summary: 'What a day (UTC) brought you',
        description:
          'A day that is over is closed five minutes later and kept: the same report for ever, with a checksum over its lines.',
        params: DayParams,
        response: { 200: Settlement, ...failures },
      },
    },
    async (request, reply) => {
      const me = callerOf(request);
      const { day } = request.params;
      const startMs = dayStartMs(day);
      if (startMs === null) return refused(reply, refuse(ERROR.invalid, 'there is no such day'));
      const report = await reaching(log, () => reportOf(me.userId, day, startMs));
      return report.ok ? reply.send(report.value) : refused(reply, report);
    },
  );
};
