/** Is the stock what was moved, and is every redemption where its points and its units are? */
import type { SqlCheck } from './sqlChecks.ts';

export const MARKET_CHECKS: readonly SqlCheck[] = [
  {
    name: 'stock',
    about:
      'what is there and what is set aside of an offer is what was moved; never less there than is set aside',
    of: 'market.stock',
    sql: `select id, what from (
        select coalesce(s.offer_id, m.offer_id) as id, case
          when s.offer_id is null then 'has movements of stock and no stock'
          when s.reserved < 0 or s.on_hand < s.reserved
            then 'has ' || s.on_hand || ' units there and ' || s.reserved || ' of them set aside'
          when s.on_hand <> coalesce(m.on_hand, 0) or s.reserved <> coalesce(m.reserved, 0)
            then 'has ' || s.on_hand || ' units there and ' || s.reserved || ' set aside, its movements make '
              || coalesce(m.on_hand, 0) || ' and ' || coalesce(m.reserved, 0)
          when s.reserved <> coalesce(r.quantity, 0)
            then 'has ' || s.reserved || ' units set aside, its open redemptions ' || coalesce(r.quantity, 0)
        end as what
        from market.stock s
          full join (select offer_id, sum(on_hand_delta) as on_hand, sum(reserved_delta) as reserved
                     from market.stock_movement group by 1) m on m.offer_id = s.offer_id
          left join (select offer_id, sum(quantity) as quantity from market.redemption
                     where state = 'reserved' group by 1) r on r.offer_id = s.offer_id) w
      where what is not null`,
  },
  {
    name: 'stock-chain',
    about: 'each movement of stock leaves what was there before, and its change',
    of: 'market.stock_movement',
    sql: `select offer_id as id, 'movement ' || number || ' leaves ' || on_hand || ' there and ' || reserved || ' set aside, after '
          || before_on_hand || ' and ' || before_reserved as what
      from (select m.offer_id, m.id as number, m.on_hand, m.reserved, m.on_hand_delta, m.reserved_delta,
              lag(on_hand, 1, 0) over w as before_on_hand, lag(reserved, 1, 0) over w as before_reserved
            from market.stock_movement m window w as (partition by offer_id order by id)) c
      where on_hand <> before_on_hand + on_hand_delta or reserved <> before_reserved + reserved_delta`,
  },
  {
    name: 'redemptions',
    about: 'every redemption is where the points are that it set aside, of the same people and as many',
    of: 'market.redemption',
    sql: `select r.id, case
          when p.id is null then 'is ' || r.state || ' and has no points set aside'
          when p.payer <> r.user_id or p.payee <> r.merchant or p.points <> r.points
            then 'is of other people or points than what is pending under its id'
          when p.transfer_id is distinct from r.transfer_id
            then 'was paid by ' || coalesce(r.transfer_id::text, 'nothing') || ', its points by '
              || coalesce(p.transfer_id::text, 'nothing')
          when r.state = 'confirmed' and (p.posted_points is distinct from r.sold_points
              or r.sold_points * r.quantity <> r.points * r.sold_quantity)
            then 'sold ' || r.sold_quantity || ' of ' || r.quantity || ' units for ' || r.sold_points || ' points of ' || r.points
              || ', posted were ' || coalesce(p.posted_points, 0)
          else 'is ' || r.state || ', its points are ' || p.state end as what
      from market.redemption r left join ledger.pending p on p.id = r.id
      where (p.id, p.payer, p.payee, p.points) is distinct from (r.id, r.user_id, r.merchant, r.points)
        or p.transfer_id is distinct from r.transfer_id
        or p.state <> case r.state when 'reserved' then 'pending' when 'confirmed' then 'posted' when 'cancelled' then 'voided'
          else 'expired' end
        or r.state = 'confirmed' and (p.posted_points is distinct from r.sold_points
          or r.sold_points * r.quantity <> r.points * r.sold_quantity)
      union all
      select merchant, 'has ' || count(*) || ' open redemptions with the code ' || code from market.redemption
        where state = 'reserved' group by merchant, code having count(*) > 1`,
  },
  {
    name: 'redemption-stock',
    about: 'what a redemption moved of the stock is what it says: set aside, sold, given back',
    of: 'market.redemption',
    sql: `select r.id, 'is ' || r.state || ' with ' || r.sold_quantity || ' of ' || r.quantity || ' units sold, and moved '
          || coalesce(sum(m.on_hand_delta), 0) || ' there and ' || coalesce(sum(m.reserved_delta), 0) || ' set aside' as what
      from market.redemption r
        left join market.stock_movement m on m.op_id = r.id and m.offer_id = r.offer_id
      group by r.id
      having coalesce(sum(m.on_hand_delta), 0) <> -r.sold_quantity
        or coalesce(sum(m.reserved_delta), 0) <> case r.state when 'reserved' then r.quantity else 0 end
        or coalesce(sum(m.reserved_delta) filter (where m.kind = 'allocation'), 0) <> r.quantity
        or coalesce(sum(m.on_hand_delta) filter (where m.kind = 'sale'), 0) <> -r.sold_quantity`,
  },
  {
    name: 'refunds',
    about:
      'never more is given back than was sold; every refund has its transfer, and its units where it says',
    of: 'market.refund',
    sql: `select r.id, 'says that ' || r.refunded_quantity || ' units and ' || r.refunded_points || ' points of '
          || r.sold_quantity || ' and ' || r.sold_points || ' were given back, its refunds make '
          || coalesce(sum(f.quantity), 0) || ' and ' || coalesce(sum(f.points), 0) as what
        from market.redemption r left join market.refund f on f.redemption_id = r.id
        group by r.id
        having r.refunded_quantity <> coalesce(sum(f.quantity), 0) or r.refunded_points <> coalesce(sum(f.points), 0)
          or r.refunded_quantity > r.sold_quantity or r.refunded_points > r.sold_points
      union all
      select f.transfer_id, case when t.id is null then 'gives ' || f.points || ' points back and is no transfer'
          when r.id is null then 'gives points of a redemption back that is not there'
          else 'gives ' || f.points || ' points back and moves '
            || coalesce(sum(p.delta) filter (where p.account_id = r.user_id), 0) end
        from market.refund f
          left join market.redemption r on r.id = f.redemption_id
          left join ledger.transfer t on t.id = f.transfer_id
          left join ledger.posting p on p.transfer_id = f.transfer_id
        group by f.transfer_id, t.id, r.id
        having t.id is null or r.id is null
          or coalesce(sum(p.delta) filter (where p.account_id = r.user_id), 0) <> f.points
          or coalesce(sum(p.delta) filter (where p.account_id = r.merchant), 0) <> -f.points
      union all
      select f.transfer_id, 'put ' || coalesce(sum(m.on_hand_delta), 0) || ' units back where it says '
          || case when f.restocked then f.quantity else 0 end
        from market.refund f left join market.stock_movement m on m.op_id = f.transfer_id
        group by f.transfer_id
        having coalesce(sum(m.on_hand_delta), 0) <> case when f.restocked then f.quantity else 0 end
      union all
      select t.id, 'is a refund of nothing' from ledger.transfer t
        where t.reason = 'refund' and not exists (select from market.refund f where f.transfer_id = t.id)`,
  },
];
