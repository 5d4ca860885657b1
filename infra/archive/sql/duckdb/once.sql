-- Every event once. Objects that are known to hold no copies (../../seal.ts) are read as they are; among the others each
-- event is taken once. All copies are equal: any will do, and they have one type, which stands here so that what a query
-- wants of it goes down to the objects.

create or replace view transactions_raw as
select * from transactions_raw_single union all by name select * from transactions_raw_open;

create or replace view user_events_raw as
select * from user_events_raw_single union all by name select * from user_events_raw_open;

create or replace view transactions as
select * from transactions_raw_single
union all by name
select * exclude (copy)
from (
  select *, row_number() over (partition by type, event_id) as copy
  from transactions_raw_open
) copies
where copy = 1;

create or replace view user_events as
select * from user_events_raw_single
union all by name
select * exclude (copy)
from (
  select *, row_number() over (partition by type, event_id) as copy
  from user_events_raw_open
) copies
where copy = 1;
