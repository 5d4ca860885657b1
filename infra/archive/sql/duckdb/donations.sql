-- A row for each that a donation went to. What was split stands in a column as JSON, which DuckDB and Athena unpack in words
-- of their own (`../athena/donations.sql`). Only what was split is unpacked: that takes longer than everything else.

create or replace view donations as
select event_id, time, payer, payee as beneficiary, points
from gifts
where payee is not null
union all
select event_id, time, payer, share.account, share.delta
from (
  select event_id, time, payer, unnest(from_json(shares, '[{"account":"VARCHAR","delta":"BIGINT"}]')) as share
  from gifts
  where payee is null
) split;
