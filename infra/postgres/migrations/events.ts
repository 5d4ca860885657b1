/**
 * Version 6: users' durable events that are no movement of points, so that a user's stream of events outlives the node
 * that it was told from (`actors/user/stream.ts`).
 *
 * One row per event: its number among the user's rows, the version of the balance behind which it stands, and its frame as
 * phones get it. An event is taken only when it is the user's next one; that and the fence keep the stream of one user one
 * line. What no ring takes any more is removed with the next insert, the newest never: it holds the counter. Times are
 * those of this server, and hydration judges by them which events are recent.
 *
 * `ops.town` names this database: it goes into the names of all lineages of events. Whoever restores a copy of a
 * database that went on elsewhere gives it another name (`update ops.town set id = gen_random_uuid()`); a server that was
 * promoted has another timeline, which goes into the names too.
 *
 * As with timers nobody writes here but one function.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

/** `EVENT_LIMITS` of nodes/limits.ts as they were when this was released; a later version may replace the function. */
const KEEP = { events: 128, minutes: 15, about: 1_024, aboutHours: 73 };

const TABLES = [
  'create table ops.town (id uuid primary key default gen_random_uuid())',
  'insert into ops.town default values',
  `create table ops.user_event (
     user_id uuid not null,
     n bigint not null,
     after_version bigint not null,
     lineage int not null,
     id uuid not null,
     about text,
     at timestamptz not null,
     frame bytea not null,
     primary key (user_id, n)
   ) with (autovacuum_vacuum_scale_factor = 0.05)`,
  'create index user_event_about on ops.user_event (user_id) where about is not null',
];

/** One letter per entry: c for stored, e for stored before, x for not the next one, s for a stale epoch. */
const COMMIT = `
create function ops.commit_events(
  p_shard smallint[], p_epoch bigint[], p_id uuid[], p_user uuid[], p_n bigint[], p_after bigint[],
  p_lineage int[], p_about text[], p_frame text[]) returns text
language plpgsql volatile security definer
set search_path = pg_catalog set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off
as $body$
declare
  v_live text[];
  v_codes text := '';
  v_n bigint;
  v_now timestamptz;
begin
  -- the fence: shared locks on the shards' rows hold a new epoch back until this group is done
  select array_agg(f.shard || ':' || f.epoch) into v_live from (
    select s.shard, s.epoch from ops.shard_fence s
      where (s.shard, s.epoch) in (select * from unnest(p_shard, p_epoch))
      order by s.shard for share of s) f;
  v_now := clock_timestamp();
  for i in 1..cardinality(p_id) loop
    if (p_shard[i] || ':' || p_epoch[i]) = any (v_live) is not true then
      v_codes := v_codes || 's';
      continue;
    end if;
    v_n := coalesce((select e.n from ops.user_event e where e.user_id = p_user[i] order by e.n desc limit 1), 0);
    if p_n[i] = v_n + 1 then
      v_codes := v_codes || 'c';
      insert into ops.user_event (user_id, n, after_version, lineage, id, about, at, frame)
        values (p_user[i], p_n[i], p_after[i], p_lineage[i], p_id[i], p_about[i], v_now, decode(p_frame[i], 'hex'));
      delete from ops.user_event e where e.user_id = p_user[i] and e.n < p_n[i] and case when e.about is null
        then e.n <= p_n[i] - ${KEEP.events} or e.at < v_now - interval '${KEEP.minutes} minutes'
        else e.n <= p_n[i] - ${KEEP.about} or e.at < v_now - interval '${KEEP.aboutHours} hours' end;
    elsif exists (select from ops.user_event e where e.user_id = p_user[i] and e.n = p_n[i] and e.id = p_id[i]) then
      v_codes := v_codes || 'e';
    else
      v_codes := v_codes || 'x';
    end if;
  end loop;
  return v_codes;
end
$body$`;

export class Events extends Migration {
  override up(): void {
    for (const sql of TABLES) this.addSql(sql);
    this.addSql(COMMIT);
    this.addSql('revoke execute on function ops.commit_events from public');
    this.addSql(`grant execute on function ops.commit_events to ${APP_ROLE}`);
    this.addSql(`grant select on ops.user_event, ops.town to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ops.commit_events');
    this.addSql('drop table ops.user_event, ops.town');
  }
}
