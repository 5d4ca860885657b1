/**
 * Version 15: answers to commands are stored with their effect, and what an actor notes in one turn is one transaction.
 *
 * An idempotency key whose command moved points stands in `ops.idempotency`, written by the ledger. The other commands set
 * timers and events, and a repeat after a kill was executed anew. `ops.answer` has the first answer to a key: the newest 64
 * of a day per user, as many as his actor remembers.
 *
 * Timers, events and answers were and are functions of their own. `ops.commit_notes` calls them in one statement: a kill
 * between two of them is none. It holds the fence for all of them first, in the order in which everybody takes it.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

/** `ANSWER_LIMITS` of nodes/limits.ts as they were when this was released. */
const KEEP = { answers: 64, hours: 24 };

const TABLE = [
  // op_id: the operation that stored it, so that an unknown commit can be looked up; result: JSON
  `create table ops.answer (
     user_id uuid not null,
     key text not null,
     op_id uuid not null,
     request_hash text not null,
     result text not null,
     at timestamptz not null,
     primary key (user_id, key)
   ) with (autovacuum_vacuum_scale_factor = 0.05)`,
  'create index answer_age on ops.answer using brin (at)',
];

/** One letter per entry: c for stored, s for a stale epoch. */
export const COMMIT_ANSWERS = `
create function ops.commit_answers(
  p_shard smallint[], p_epoch bigint[], p_id uuid[], p_user uuid[], p_key text[], p_hash text[], p_result text[])
  returns text
language plpgsql volatile security definer
set search_path = pg_catalog set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off
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
    insert into ops.answer (user_id, key, op_id, request_hash, result, at)
      values (p_user[i], p_key[i], p_id[i], p_hash[i], p_result[i], clock_timestamp())
      on conflict (user_id, key) do update
        set op_id = excluded.op_id, request_hash = excluded.request_hash, result = excluded.result, at = excluded.at;
    delete from ops.answer a where a.user_id = p_user[i] and (a.at < clock_timestamp() - interval '${KEEP.hours} hours'
      or a.key in (select o.key from ops.answer o where o.user_id = p_user[i] order by o.at desc offset ${KEEP.answers}));
  end loop;
  return v_codes;
end
$body$`;

/** The letters of timers, events and answers, with a slash between them. */
const NOTES = `
create function ops.commit_notes(
  t_shard smallint[], t_epoch bigint[], t_id uuid[], t_kind text[], t_actor text[], t_name text[], t_due bigint[],
  t_only bigint[], t_message text[],
  e_shard smallint[], e_epoch bigint[], e_id uuid[], e_user uuid[], e_n bigint[], e_after bigint[], e_lineage int[],
  e_about text[], e_frame text[],
  a_shard smallint[], a_epoch bigint[], a_id uuid[], a_user uuid[], a_key text[], a_hash text[], a_result text[])
  returns text
language plpgsql volatile security definer set search_path = pg_catalog set jit = off
as $body$
declare
  v_timers text := '';
  v_events text := '';
  v_answers text := '';
begin
  perform from ops.shard_fence s
    where (s.shard, s.epoch) in (
      select * from unnest(t_shard || e_shard || a_shard, t_epoch || e_epoch || a_epoch))
    order by s.shard for share of s;
  if cardinality(t_id) > 0 then
    v_timers := ops.commit_timers(t_shard, t_epoch, t_id, t_kind, t_actor, t_name, t_due, t_only, t_message);
  end if;
  if cardinality(e_id) > 0 then
    v_events := ops.commit_events(e_shard, e_epoch, e_id, e_user, e_n, e_after, e_lineage, e_about, e_frame);
  end if;
  if cardinality(a_id) > 0 then
    v_answers := ops.commit_answers(a_shard, a_epoch, a_id, a_user, a_key, a_hash, a_result);
  end if;
  return v_timers || '/' || v_events || '/' || v_answers;
end
$body$`;

export class Notes extends Migration {
  override up(): void {
    for (const sql of TABLE) this.addSql(sql);
    for (const sql of [COMMIT_ANSWERS, NOTES]) this.addSql(sql);
    this.addSql('revoke execute on function ops.commit_answers, ops.commit_notes from public');
    this.addSql(`grant execute on function ops.commit_notes to ${APP_ROLE}`);
    // what is too old is pruned beside the keys of the ledger
    this.addSql(`grant select, delete on ops.answer to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ops.commit_notes');
    this.addSql('drop function ops.commit_answers');
    this.addSql('drop table ops.answer');
  }
}
