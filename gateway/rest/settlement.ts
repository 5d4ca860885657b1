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

interface Sum {
  count: number;
  quantity: number;
  points: number;
}

/** A day that is added up row by row, however many there are. */
export class DayReport {
  readonly #sums: Record<SaleRow['kind'], Sum> = {
    sale: { count: 0, quantity: 0, points: 0 },
    refund: { count: 0, quantity: 0, points: 0 },
  };
  readonly #offers = new Map<string, { title: string; sold: number; refunded: number; points: number }>();
  readonly #hash = createHash('sha256');

  /** Rows in their order: oldest first, those of one moment by their ids. */
  add(row: SaleRow): void {
    const { kind, quantity, points, offerId, title } = row;
    const sum = this.#sums[kind];
    sum.count++;
    sum.quantity += quantity;
    sum.points += points;
    const offer = this.#offers.get(offerId) ?? { title, sold: 0, refunded: 0, points: 0 };
    this.#offers.set(offerId, offer);
    offer[kind === 'sale' ? 'sold' : 'refunded'] += quantity;
    offer.points += kind === 'sale' ? points : -points;
    this.#hash.update(line(row));
  }

  done(day: string, closed: boolean): Static<typeof Settlement> {
    const { sale: sales, refund: refunds } = this.#sums;
    return {
      day,
      closed,
      sales,
      refunds,
      points: sales.points - refunds.points,
      offers: [...this.#offers].map(([offerId, offer]) => ({ offerId, ...offer })),
      checksum: closed ? this.#hash.digest('hex') : null,
    };
  }
}

/** Whether nothing of the day that began then can change any more. */
export const isClosed = (startMs: number, nowMs: number): boolean =>
  nowMs >= startMs + DAY_MS + LIMITS.dayClosesMs;
