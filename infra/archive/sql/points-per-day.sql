-- title: Points per day, by what moved them
-- chart: line x=day y=points series=type
select
  cast(time as date) as day,
  type,
  count(*) as movements,
  sum(points) as points,
  sum(issued) as issued
from movements
group by cast(time as date), type
order by day, type;
