-- title: Unspent points: issued, and neither paid to a merchant or a municipality nor expired
-- chart: line x=day y=unspent
-- What a charity or a family was given is still unspent. Points that go back to the mint are issued no more.
with sellers as (
  select account
  from people
  where kind in ('merchant', 'municipality')
),
paid as (
  select
    cast(transfers.time as date) as day,
    case when payee.account is null then 0 else transfers.points end as spent,
    case when payer.account is null then 0 else transfers.points end as returned
  from transfers
  left join sellers payee on payee.account = transfers.payee
  left join sellers payer on payer.account = transfers.payer
),
changes as (
  select cast(time as date) as day, issued, 0 as spent, 0 as returned,
    case when type = 'points.expired' and issued = 0 then points else 0 end as expired
  from movements
  union all
  select day, 0, spent, returned, 0
  from paid
),
days as (
  select day, sum(issued) as issued, sum(spent) as spent, sum(returned) as returned, sum(expired) as expired
  from changes
  group by day
)
select
  day,
  issued,
  spent,
  returned,
  expired,
  sum(issued - spent + returned - expired) over (order by day) as unspent
from days
order by day;
