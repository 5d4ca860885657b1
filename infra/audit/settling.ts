/** Closes the days of merchants that are over and that nobody asked for: what they brought is kept from then on (migration 31). */
import type { Lines } from '../postgres/lines.ts';
import { SETTLE_DAYS, SETTLE_ROUNDS_MAX, SETTLE_ROWS } from './limits.ts';

/** Days of the last $2 that have lines and are not kept, at most $1 of them. */
const CLOSE = `
  select count(market.close_day(w.merchant, w.day))::int from (
    select m.merchant, d.day
    from (select distinct merchant from market.offer) m
      cross join (select (now() at time zone 'utc')::date - n as day from generate_series(1, $2::int) n) d
    where not exists (select from market.settlement s where s.merchant = m.merchant and s.day = d.day)
      and now() >= (d.day + 1)::timestamp at time zone 'utc' + interval '5 minutes'
      and (exists (select from market.redemption r where r.merchant = m.merchant and r.state = 'confirmed'
          and r.settled_at >= d.day::timestamp at time zone 'utc' and r.settled_at < (d.day + 1)::timestamp at time zone 'utc')
        or exists (select from market.refund f where f.merchant = m.merchant
          and f.at >= d.day::timestamp at time zone 'utc' and f.at < (d.day + 1)::timestamp at time zone 'utc'))
    limit $1) w`;

/** @returns how many days were closed; what is left over is for the next time */
export const settleDays = async (lines: Pick<Lines, 'run'>): Promise<number> => {
  let closed = 0;
  for (let round = 0; round < SETTLE_ROUNDS_MAX; round++) {
    const rows = await lines.run({ name: 'settle_days', text: CLOSE, values: [SETTLE_ROWS, SETTLE_DAYS] });
    const some = Number(rows[0]?.[0] ?? 0);
    closed += some;
    if (some < SETTLE_ROWS) break;
  }
  return closed;
};
