-- A row for each that a donation went to. What was split stands in a column as JSON, which DuckDB and Athena unpack in words
-- of their own (`../athena/donations.sql`).

create or replace view donations as
select event_id, time, payer, payee as beneficiary, points
from gifts
where payee is not null
union all
select event_id, time, payer, share.account as beneficiary, share.delta as points
from gifts
cross join unnest(from_json(shares, '[{"account":"VARCHAR","delta":"BIGINT"}]')) as t(share)
where payee is null;
