-- A row for each that a donation went to. What was split stands in a column as JSON, which DuckDB and Athena unpack in words
-- of their own (`../duckdb/donations.sql`).

create or replace view donations as
select event_id, time, payer, payee as beneficiary, points
from gifts
where payee is not null
union all
select event_id, time, payer, account as beneficiary, delta as points
from gifts
cross join unnest(cast(json_parse(shares) as array(row(account varchar, delta bigint)))) as t(account, delta)
where payee is null;
