/**
 * An auditor of the market who believes nothing it says about itself: stock is the sum of its log, what is set aside is what
 * waits, what was sold was paid for, and what came back was sold before. `ledgerAudit.ts` looks at the points.
 */
import { Client } from 'pg';

const CHECKS: readonly (readonly [problem: string, sql: string])[] = [
  [
    'stocks that are not the sum of their log',
    `select s.offer_id from market.stock s
       left join (select offer_id, sum(on_hand_delta) as there, sum(reserved_delta) as aside
         from market.stock_movement group by 1) m using (offer_id)
       where s.on_hand <> coalesce(m.there, 0) or s.reserved <> coalesce(m.aside, 0)`,
  ],
  [
    'stocks that set aside something else than waits',
    `select s.offer_id from market.stock s
       left join (select offer_id, sum(quantity) as waits from market.redemption where state = 'reserved' group by 1) r
         using (offer_id)
       where s.reserved <> coalesce(r.waits, 0)`,
  ],
  [
    'stocks below what is set aside',
    'select offer_id from market.stock where reserved < 0 or on_hand < reserved',
  ],
  [
    'accounts that set aside something else than waits',
    `select a.account_id from (select account_id, sum(reserved) as reserved from ledger.account group by 1) a
       left join (select payer, sum(points) as waits from ledger.pending where state = 'pending' group by 1) p
         on p.payer = a.account_id
       where a.reserved <> coalesce(p.waits, 0)`,
  ],
  [
    'redemptions that are something else than their points',
    `select r.id from market.redemption r left join ledger.pending p using (id)
       where p.id is null or p.points <> r.points or p.payer <> r.user_id or p.payee <> r.merchant
         or p.transfer_id is distinct from r.transfer_id or p.posted_points is distinct from nullif(r.sold_points, 0)
         or p.state <> case r.state when 'reserved' then 'pending' when 'confirmed' then 'posted'
           when 'cancelled' then 'voided' else 'expired' end`,
  ],
  [
    'sales that moved something else than their points',
    `select r.id from market.redemption r where r.state = 'confirmed' and (
       select array_agg(p.account_id || ' ' || p.delta order by p.delta) from ledger.posting p where p.transfer_id = r.transfer_id)
       is distinct from array[r.user_id || ' ' || -r.sold_points, r.merchant || ' ' || r.sold_points]`,
  ],
  [
    'redemptions whose stock moved otherwise',
    `select r.id from market.redemption r
       left join (select op_id, sum(on_hand_delta) as there, sum(reserved_delta) as aside
         from market.stock_movement where kind in ('allocation', 'sale', 'release') group by 1) m on m.op_id = r.id
       where m.op_id is null or -m.there <> r.sold_quantity
         or m.aside <> case r.state when 'reserved' then r.quantity else 0 end`,
  ],
  [
    'redemptions that gave back something else than their refunds',
    `select r.id from market.redemption r
       left join (select redemption_id, sum(quantity) as quantity, sum(points) as points from market.refund group by 1) f
         on f.redemption_id = r.id
       where r.refunded_quantity <> coalesce(f.quantity, 0) or r.refunded_points <> coalesce(f.points, 0)
         or r.refunded_quantity > r.sold_quantity or r.refunded_points > r.sold_points`,
  ],
  [
    'refunds that moved something else than their points',
    `select f.transfer_id from market.refund f join market.redemption r on r.id = f.redemption_id
       where (select array_agg(p.account_id || ' ' || p.delta order by p.delta) from ledger.posting p
         where p.transfer_id = f.transfer_id)
       is distinct from array[r.merchant || ' ' || -f.points, r.user_id || ' ' || f.points]`,
  ],
];

/** What is wrong, one sentence each; empty when the market adds up. */
export const auditMarket = async (databaseUrl: string): Promise<string[]> => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const problems: string[] = [];
    for (const [problem, sql] of CHECKS) {
      const { rows, rowCount } = await client.query<Record<string, string>>(sql);
      if (rowCount) problems.push(`${rowCount} ${problem}: ${Object.values(rows[0]!)[0]}`);
    }
    return problems;
  } finally {
    await client.end();
  }
};
