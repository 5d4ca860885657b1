/**
 * The report of a merchant's day. One that is over is kept by the store with a checksum, and is the same for ever: whoever has
 * the lines can make it again. One that is not is added up here, as far as it went.
 */
import type { DayTotals, SaleRow, TimeSpan } from '../../nodes/marketPort.ts';

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

  /** Rows in any order; offers are told in that in which they come. */
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
  }

  done(): DayTotals {
    const { sale: sales, refund: refunds } = this.#sums;
    return {
      sales,
      refunds,
      points: sales.points - refunds.points,
      offers: [...this.#offers].map(([offerId, offer]) => ({ offerId, ...offer })),
    };
  }
}
