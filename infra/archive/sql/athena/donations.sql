-- A row for each that a donation went to: a donation may be split. The legs stand in the payload, and DuckDB and Athena
-- unpack JSON in words of their own (`../duckdb/donations.sql`).

create or replace view donations as
select event_id, time, payer, account as beneficiary, delta as points
from (
  select *, row_number() over (partition by event_id) as copy
  from transactions_raw
  where type = 'points.donated'
) copies
cross join unnest(cast(json_extract(payload, '$.legs') as array(row(account varchar, delta bigint)))) as t(account, delta)
where copy = 1 and delta > 0;
