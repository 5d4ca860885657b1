/**
 * Version 5: durable timers of actors.
 *
 * One row per (actor, name); setting a timer again replaces its row. A node reads what falls due in its shards, so the
 * one other order is (shard, due). Times are those of the town clock, in milliseconds, because that is the clock the
 * actor spoke of: a town that is replayed faster has its timers faster too.
 *
 * As with the ledger nobody writes here but one function, which checks (shard, epoch) in the same transaction: the
 * application has no other right than to read. Entries are few and small, so it takes them one after the other.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

const TABLE = [
  // op_id: the operation that set it, so that an unknown commit can be looked up; message: JSON
  `create table ops.actor_timer (
     kind text not null,
     actor text not null,
     name text not null,
     shard smallint not null,
     due_ms bigint not null,
     op_id uuid not null,
     message text not null,
     primary key (kind, actor, name)
   ) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)`,
  'create index actor_timer_due on ops.actor_timer (shard, due_ms)',
];

/** One letter per entry: c for done, s for a stale epoch. */
const COMMIT = `
create function ops.commit_timers(
  p_shard smallint[], p_epoch bigint[], p_id uuid[], p_kind text[], p_actor text[], p_name text[],
  p_due bigint[], p_only bigint[], p_message text[]) returns text
language plpgsql volatile security definer set search_path = pg_catalog set jit = off
as $body$
declare
  v_live text[];
  v_codes text := '';
begin
  -- the fence: shared locks on the shards' rows hold a new epoch back until this group is done
  select array_agg(f.shard || ':' || f.epoch) into v_live from (
    select s.shard, s.epoch from ops.shard_fence s
      where (s.shard, s.epoch) in (select * from unnest(p_shard, p_epoch))
      order by s.shard for share of s) f;
  for i in 1..cardinality(p_id) loop
    if (p_shard[i] || ':' || p_epoch[i]) = any (v_live) is not true then
      v_codes := v_codes || 's';
      continue;
    end if;
    v_codes := v_codes || 'c';
    if p_due[i] is null then
      delete from ops.actor_timer t where t.kind = p_kind[i] and t.actor = p_actor[i] and t.name = p_name[i]
        and (p_only[i] is null or t.due_ms = p_only[i]);
    else
      insert into ops.actor_timer (kind, actor, name, shard, due_ms, op_id, message)
        values (p_kind[i], p_actor[i], p_name[i], p_shard[i], p_due[i], p_id[i], p_message[i])
        on conflict (kind, actor, name) do update
          set shard = excluded.shard, due_ms = excluded.due_ms, op_id = excluded.op_id, message = excluded.message;
    end if;
  end loop;
  return v_codes;
end
$body$`;

export class Timers extends Migration {
  override up(): void {
    for (const sql of TABLE) this.addSql(sql);
    this.addSql(COMMIT);
    this.addSql('revoke execute on function ops.commit_timers from public');
    this.addSql(`grant execute on function ops.commit_timers to ${APP_ROLE}`);
    this.addSql(`grant select on ops.actor_timer to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ops.commit_timers');
    this.addSql('drop table ops.actor_timer');
  }
}
