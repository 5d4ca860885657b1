-- What the queries see: every event once, whatever was sent or archived twice, by what it is about.
-- Standard SQL: DuckDB and Athena make the same views over the same objects. Each view says by itself which events it takes,
-- so that copies are only looked for among them. All copies of an event are equal: any of them will do.

create or replace view movements as
select event_id, type, time, subject, seq, reason, rule_id, rule_version, rule_trace, payer, payee, points, issued
from (
  select *, row_number() over (partition by event_id) as copy
  from transactions_raw
  where type = 'encounter.recorded' or type like 'points.%'
) copies
where copy = 1;

create or replace view transfers as
select event_id, type, time, payer, payee, points
from (
  select *, row_number() over (partition by event_id) as copy
  from transactions_raw
  where type in ('points.transferred', 'points.reversed')
) copies
where copy = 1;

create or replace view gifts as
select event_id, time, payer, payee, points, shares
from (
  select *, row_number() over (partition by event_id) as copy
  from transactions_raw
  where type = 'points.donated'
) copies
where copy = 1;

create or replace view encounters as
select event_id, time, method, officer, civilian, zip, points, rule_id, rule_version
from (
  select *, row_number() over (partition by event_id) as copy
  from transactions_raw
  where type = 'encounter.recorded'
) copies
where copy = 1;

create or replace view redemptions as
select event_id, type, time, redemption, buyer, merchant, offer, quantity, points, restock
from (
  select *, row_number() over (partition by event_id) as copy
  from transactions_raw
  where type like 'redemption.%'
) copies
where copy = 1;

create or replace view stock as
select event_id, type, time, merchant, offer, delta, kind, on_hand, reserved
from (
  select *, row_number() over (partition by event_id) as copy
  from transactions_raw
  where type like 'stock.%'
) copies
where copy = 1;

create or replace view people as
select subject as account, kind, zip, time
from (
  select *, row_number() over (partition by event_id) as copy
  from user_events_raw
  where type = 'user.registered'
) copies
where copy = 1;

create or replace view transactions as
select *
from (
  select *, row_number() over (partition by event_id) as copy
  from transactions_raw
) copies
where copy = 1;

create or replace view user_events as
select *
from (
  select *, row_number() over (partition by event_id) as copy
  from user_events_raw
) copies
where copy = 1;
