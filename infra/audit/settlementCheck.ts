/**
 * Is every day of a merchant that was closed still what was kept of it? Sums and checksum are taken again from the rows: one
 * that somebody changed since, or a report that somebody changed, no longer fits.
 */
import { createHash } from 'node:crypto';
import { SETTLE_DAYS } from './limits.ts';
import { Finds } from './report.ts';
import type { Snapshot } from './snapshot.ts';

interface Sum {
  count: number;
  quantity: number;
  points: number;
}

/** What is compared: titles of offers may change, and stand as they were when the day was closed. */
interface Totals {
  readonly sales: Sum;
  readonly refunds: Sum;
  readonly points: number;
  readonly offers: readonly (Omit<Offer, 'title'> & { readonly title?: string })[];
  readonly checksum: string;
}

interface Offer {
  readonly offerId: string;
  sold: number;
  refunded: number;
  points: number;
}

interface Line {
  readonly merchant: string;
  readonly day: string;
  readonly id: string;
  readonly kind: 'sale' | 'refund';
  readonly redemption: string;
  readonly offer: string;
  readonly quantity: string;
  readonly points: string;
  readonly at_ms: string;
}

interface Kept {
  readonly merchant: string;
  readonly day: string;
  readonly report: Totals;
}

const LINES = `
  select *, (at at time zone 'utc')::date::text as day, floor(extract(epoch from at) * 1000)::bigint::text as at_ms from (
    select r.merchant, r.transfer_id as id, 'sale' as kind, r.id as redemption, r.offer_id as offer, r.sold_quantity::text as quantity,
      r.sold_points::text as points, r.settled_at as at from market.redemption r where r.state = 'confirmed'
    union all
    select f.merchant, f.transfer_id, 'refund', f.redemption_id, r.offer_id, f.quantity::text, f.points::text, f.at
    from market.refund f left join market.redemption r on r.id = f.redemption_id) l
  order by merchant, at, id`;

/** Days that the job must have closed: of this database, and sealed, which it does later; not so old that it no longer looks. */
const DUE = `
  select day::text from ledger.day_seal
  where sealed_at < now() - interval '1 hour' and day > (now() at time zone 'utc')::date - $1::int
    and day > (select (executed_at at time zone 'utc')::date from ops.migration where name = '0031-settlements')`;

const nothing = (): Sum => ({ count: 0, quantity: 0, points: 0 });

class Day {
  readonly #sums = { sale: nothing(), refund: nothing() };
  readonly #offers = new Map<string, Offer>();
  readonly #hash = createHash('sha256');

  add({ id, kind, redemption, offer, quantity, points, at_ms }: Line): void {
    this.#hash.update(`${id} ${kind} ${redemption} ${offer} ${quantity} ${points} ${at_ms}\n`);
    const sum = this.#sums[kind];
    sum.count++;
    sum.quantity += Number(quantity);
    sum.points += Number(points);
    const of = this.#offers.get(offer) ?? { offerId: offer, sold: 0, refunded: 0, points: 0 };
    this.#offers.set(offer, of);
    of[kind === 'sale' ? 'sold' : 'refunded'] += Number(quantity);
    of.points += kind === 'sale' ? Number(points) : -Number(points);
  }

  totals(): Totals {
    const { sale: sales, refund: refunds } = this.#sums;
    const checksum = this.#hash.digest('hex');
    return {
      sales,
      refunds,
      points: sales.points - refunds.points,
      offers: [...this.#offers.values()],
      checksum,
    };
  }
}

/** In words, one after the other, whatever the order of their fields and offers. */
const wordsOf = ({ sales, refunds, points, offers, checksum }: Totals): string => {
  const sum = (one: Sum): string => `${one.count} of ${one.quantity} units for ${one.points}`;
  const lines = offers.map(one => `${one.offerId} ${one.sold} ${one.refunded} ${one.points}`).sort();
  return [`sales ${sum(sales)}`, `refunds ${sum(refunds)}`, `points ${points}`, ...lines, checksum].join(
    ', ',
  );
};

export const checkSettlements = async (
  snapshot: Snapshot,
): Promise<{ looked: number; finds: Finds } | { skipped: string }> => {
  if (!(await snapshot.has('market.settlement'))) return { skipped: 'there is no market.settlement' };
  const finds = new Finds();
  const kept = new Map<string, Totals>();
  const all = await snapshot.rows<Kept>('select merchant, day::text, report from market.settlement');
  for (const { merchant, day, report } of all) kept.set(`${merchant} ${day}`, report);
  const due = await snapshot.rows<{ day: string }>(DUE, [SETTLE_DAYS]);
  const days = new Set(due.map(({ day }) => day));
  const compare = (merchant: string, day: string, now: Day): void => {
    const key = `${merchant} ${day}`;
    const then = kept.get(key);
    kept.delete(key);
    if (then === undefined) {
      if (days.has(day)) finds.add(merchant, `sold on ${day}, and nothing of that day is kept`);
      return;
    }
    const [was, is] = [wordsOf(then), wordsOf(now.totals())];
    if (was !== is) finds.add(merchant, `closed ${day} as ${was}; its rows make ${is}`);
  };
  let open: { readonly merchant: string; readonly day: string; readonly sums: Day } | null = null;
  for await (const page of snapshot.pages<Line>(LINES)) {
    for (const line of page) {
      const { merchant, day } = line;
      if (open === null || open.merchant !== merchant || open.day !== day) {
        if (open !== null) compare(open.merchant, open.day, open.sums);
        open = { merchant, day, sums: new Day() };
      }
      open.sums.add(line);
    }
  }
  if (open !== null) compare(open.merchant, open.day, open.sums);
  for (const key of [...kept.keys()]) {
    const [merchant = '', day = ''] = key.split(' ');
    compare(merchant, day, new Day());
  }
  return { looked: all.length, finds };
};
