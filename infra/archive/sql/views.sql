-- What the queries see, by what it is about. Standard SQL: DuckDB and Athena make the same views over what each shows once
-- in words of its own (`duckdb/once.sql`, `athena/once.sql`), whatever was sent or archived twice.

create or replace view movements as
select event_id, type, time, subject, seq, reason, rule_id, rule_version, rule_trace, payer, payee, points, issued
from transactions
where type = 'encounter.recorded' or type like 'points.%';

create or replace view transfers as
select event_id, type, time, payer, payee, points
from transactions
where type in ('points.transferred', 'points.reversed');

create or replace view gifts as
select event_id, time, payer, payee, points, shares
from transactions
where type = 'points.donated';

create or replace view encounters as
select event_id, time, method, officer, civilian, zip, points, rule_id, rule_version
from transactions
where type = 'encounter.recorded';

create or replace view redemptions as
select event_id, type, time, redemption, buyer, merchant, offer, quantity, points, restock
from transactions
where type like 'redemption.%';

create or replace view stock as
select event_id, type, time, merchant, offer, delta, kind, on_hand, reserved
from transactions
where type like 'stock.%';

-- Of whoever was erased no query sees the zip code that was archived before.
create or replace view people as
select registered.subject as account, registered.kind, case when erased.subject is null then registered.zip end as zip, registered.time
from user_events as registered
left join (
  select distinct subject
  from user_events
  where type = 'user.deactivated' and payload like '%"because":"erased"%'
) as erased on erased.subject = registered.subject
where registered.type = 'user.registered';
