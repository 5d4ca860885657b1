-- title: Donations by family
-- chart: bar x=family y=points
select
  people.account as family,
  people.zip,
  count(*) as donations,
  count(distinct donations.payer) as donors,
  sum(donations.points) as points
from donations
join people on people.account = donations.beneficiary
where people.kind = 'family'
group by people.account, people.zip
order by points desc, family;
