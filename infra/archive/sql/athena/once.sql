-- Every event once. All copies are equal: any will do, and they have one type, which stands here so that what a query wants
-- of it goes down to the objects.

create or replace view transactions as
select *
from (
  select *, row_number() over (partition by type, event_id) as copy
  from transactions_raw
) copies
where copy = 1;

create or replace view user_events as
select *
from (
  select *, row_number() over (partition by type, event_id) as copy
  from user_events_raw
) copies
where copy = 1;
