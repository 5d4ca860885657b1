/**
 * The report of a merchant's day. The ledger changes nothing that happened, so a day that is over gives the same report
 * whenever it is asked for, and its checksum says so: whoever kept it can compare, and whoever has the lines can make it.
 */
import { createHash } from 'node:crypto';
import type { Static } from 'typebox';
import type { SaleRow, TimeSpan } from '../../nodes/marketPort.ts';
import { LIMITS } from '../limits.ts';
import type { Settlement } from './marketSchemas.ts';

const DAY_MS = 86_400_000;

/** Midnight (UTC) of `2026-11-20`; null when there is no such day. */
export const dayStartMs = (day: string): number | null => {
  const atMs = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(atMs) && dayOf(atMs) === day ? atMs : null;
};

export const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10);

export const spanOf = (firstMs: number, lastMs: number): TimeSpan => ({
  fromMs: firstMs,
  beforeMs: lastMs + DAY_MS,
});

const line = ({ id, kind, redemptionId, offerId, quantity, points, atMs }: SaleRow): string =>
  `${id} ${kind} ${redemptionId} ${offerId} ${quantity} ${points} ${atMs}\n`;

/** @param rows every sale and refund of the day, oldest first, entries of one moment by their ids */
export const settlement = (
  day: string,
  startMs: number,
  rows: readonly SaleRow[],
  nowMs: number,
): Static<typeof Settlement> => {
  const closed = nowMs >= startMs + DAY_MS + LIMITS.dayClosesMs;
  const sums = {
    sale: { count: 0, quantity: 0, points: 0 },
    refund: { count: 0, quantity: 0, points: 0 },
  };
  const offers = new Map<string, { title: string; sold: number; refunded: number; points: number }>();
  const hash = createHash('sha256');
  for (const row of rows) {
    const sum = sums[row.kind];
    sum.count++;
    sum.quantity += row.quantity;
    sum.points += row.points;
    let offer = offers.get(row.offerId);
    if (offer === undefined) {
      offer = { title: row.title, sold: 0, refunded: 0, points: 0 };
      offers.set(row.offerId, offer);
    }
    const isSale = row.kind === 'sale';
    if (isSale) offer.sold += row.quantity;
    else offer.refunded += row.quantity;
    offer.points += isSale ? row.points : -row.points;
    hash.update(line(row));
  }
  return {
    day,
    closed,
    sales: sums.sale,
    refunds: sums.refund,
    points: sums.sale.points - sums.refund.points,
    offers: [...offers].map(([offerId, offer]) => ({ offerId, ...offer })),
    checksum: closed ? hash.digest('hex') : null,
  };
};
