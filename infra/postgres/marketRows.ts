/** Offers and changes of their stock as rows in PostgreSQL: what is given to `market.commit_notes`. */
import type { CommitCode, DurableOp, OfferOp, StockOp } from '../../actors/durable.ts';
import { isMarketNote } from '../../nodes/market/stockRules.ts';
import type { CommitEntry } from '../../nodes/ports.ts';
import { EVENT_CODES } from './eventRows.ts';
import type { Lines } from './lines.ts';

/** A newer version of an offer has taken the place of its row: then whoever asks has long lost the offer's shard. */
const THERE = `select d.op_id from market.offer d where d.id = any ($1) and d.op_id = any ($2)
  union all select m.op_id from market.stock_movement m
    where m.op_id = any ($2) and m.kind in ('adjustment', 'receipt')`;

/** What the letters of every function of notes mean; any other: a stale epoch. */
export const MARKET_CODES: Readonly<Record<string, CommitCode>> = {
  ...EVENT_CODES,
  f: 'offer_closed',
  o: 'out_of_stock',
};

const offerOf = (op: OfferOp | StockOp): string => (op.type === 'offer' ? op.offer.id : op.offer);

/** In the order of the function's parameters. */
export function marketColumns(entries: readonly CommitEntry[]): unknown[][] {
  const ops = entries.map(entry => entry.op as OfferOp | StockOp);
  const stock = <K extends 'delta' | 'kind' | 'reason'>(name: K): (StockOp[K] | null)[] =>
    ops.map(op => (op.type === 'stock' ? op[name] : null));
  return [
    entries.map(entry => entry.shard),
    entries.map(entry => entry.epoch),
    ops.map(op => op.id),
    ops.map(offerOf),
    ops.map(op => (op.type === 'offer' ? JSON.stringify(op.offer) : null)),
    stock('delta'),
    stock('kind'),
    stock('reason'),
  ];
}

/** Whether each of these is stored. */
export async function marketThere(
  side: Lines,
  ops: readonly DurableOp[],
): Promise<(op: OfferOp | StockOp) => boolean> {
  const asked = ops.filter(isMarketNote);
  const values = [asked.map(offerOf), asked.map(op => op.id)];
  const rows = asked.length > 0 ? await side.run({ name: 'market_there', text: THERE, values }) : [];
  const there = new Set(rows.map(row => row[0] as string));
  return op => there.has(op.id);
}
