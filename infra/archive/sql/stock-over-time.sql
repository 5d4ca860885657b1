-- title: Stock of each offer at the end of each day on which it changed
-- chart: line x=day y=on_hand series=offer
with changes as (
  select cast(time as date) as day, merchant, offer, delta as received, 0 as sold, 0 as returned
  from stock
  where type = 'stock.adjusted'
  union all
  select
    cast(time as date), merchant, offer, 0,
    case when type = 'redemption.confirmed' then quantity else 0 end,
    case when type = 'redemption.refunded' then quantity else 0 end
  from redemptions
  where type = 'redemption.confirmed' or (type = 'redemption.refunded' and restock)
),
days as (
  select day, merchant, offer, sum(received) as received, sum(sold) as sold, sum(returned) as returned
  from changes
  group by day, merchant, offer
)
select
  day,
  merchant,
  offer,
  received,
  sold,
  returned,
  sum(received - sold + returned) over (partition by offer order by day) as on_hand
from days
order by merchant, offer, day;
