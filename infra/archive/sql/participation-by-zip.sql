-- title: Participation by zip code: of the civilians who live there, how many have met an officer
-- chart: bar x=zip y=participants
with met as (
  select civilian, count(*) as encounters
  from encounters
  group by civilian
)
select
  coalesce(people.zip, 'unknown') as zip,
  count(*) as civilians,
  count(met.civilian) as participants,
  round(100.0 * count(met.civilian) / count(*), 1) as percent,
  coalesce(sum(met.encounters), 0) as encounters
from people
left join met on met.civilian = people.account
where people.kind = 'civilian'
group by coalesce(people.zip, 'unknown')
order by participants desc, zip;
