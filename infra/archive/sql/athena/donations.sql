-- A row for each that a donation went to. What was split stands in a column as JSON, which DuckDB and Athena unpack in words
-- of their own (`../duckdb/donations.sql`).

create or replace view donations as
select event_id, time, payer, account as beneficiary, delta as points
from gifts
cross join unnest(
  case when payee is null
    then cast(json_parse(shares) as array(row(account varchar, delta bigint)))
    else array[cast(row(payee, points) as row(account varchar, delta bigint))]
  end
) as t(account, delta);
