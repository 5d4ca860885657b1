-- A row for each that a donation went to: a donation may be split. The legs stand in the payload, and DuckDB and Athena
-- unpack JSON in words of their own (`../athena/donations.sql`).

create or replace view donations as
select event_id, time, payer, leg.account as beneficiary, leg.delta as points
from (
  select *, row_number() over (partition by event_id) as copy
  from transactions_raw
  where type = 'points.donated'
) copies
cross join unnest(from_json(json_extract(payload, '$.legs'), '[{"account":"VARCHAR","delta":"BIGINT"}]')) as t(leg)
where copy = 1 and leg.delta > 0;
