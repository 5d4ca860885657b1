-- title: Redemptions by merchant and offer
-- chart: bar x=offer y=points
select
  merchant,
  offer,
  sum(case when type = 'redemption.confirmed' then 1 else 0 end) as redemptions,
  sum(case when type = 'redemption.confirmed' then quantity else 0 end) as units,
  sum(case when type = 'redemption.confirmed' then points else 0 end) as points,
  sum(case when type = 'redemption.refunded' then quantity else 0 end) as refunded_units,
  sum(case when type = 'redemption.refunded' then points else 0 end) as refunded_points,
  sum(case when type = 'redemption.cancelled' then 1 else 0 end) as cancelled,
  sum(case when type = 'redemption.expired' then 1 else 0 end) as expired
from redemptions
group by merchant, offer
order by points desc, merchant, offer;
