-- title: Encounters per precinct, which is the zip code of the coarse cell where the two met
-- chart: bar x=precinct y=encounters
-- Events carry no cell, only the zip code of its middle: no more is said about where two people were.
with officers as (
  select zip, officer, count(*) as encounters, sum(points) as points
  from encounters
  group by zip, officer
)
select
  coalesce(zip, 'unknown') as precinct,
  sum(encounters) as encounters,
  count(*) as officers,
  sum(points) as points
from officers
group by coalesce(zip, 'unknown')
order by encounters desc, precinct;
