-- A row for each that a donation went to. What was split stands in a column as JSON, which DuckDB and Athena unpack in words
-- of their own (`../athena/donations.sql`).

create or replace view donations as
select event_id, time, payer, share.account as beneficiary, share.delta as points
from gifts
cross join unnest(
  case when payee is null
    then from_json(shares, '[{"account":"VARCHAR","delta":"BIGINT"}]')
    else [{'account': payee, 'delta': points}]
  end
) as t(share);
