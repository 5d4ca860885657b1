/**
 * Version 2: `ledger.commit_group`, the only way points move.
 *
 * One call applies a group of entries in one transaction and one round trip. It works on arrays: what is per entry comes
 * in parallel arrays, legs name their account by its position in a sorted list of distinct accounts, so that every
 * account is locked once, in one order for the whole town (no deadlocks), and updated once.
 *
 * Per entry it decides, in this order: the shard's epoch is stale; the idempotency key was used for something else; the
 * id is known (same request or another one); an account is unknown or closed; the pair met less than its cooldown ago,
 * by this server's clock, in one conditional upsert; a limited account would go below zero. A refused entry has no
 * effect and does not disturb the others. The clock is read after the locks are held, so it never runs backwards
 * along the versions of an account.
 *
 * Entries that share an id, a pair or a key come in different runs (`p_run_end`), and runs are decided one after the
 * other: the outcome is as if every entry had come alone, in order.
 *
 * From here on the application cannot write the ledger by any other way: the function runs as its owner.
 */
import { Migration } from '@mikro-orm/migrations';
import { MINT_ACCOUNT } from '../../../actors/durable.ts';
import { APP_ROLE } from '../limits.ts';
import { OUTBOX_TARGET } from '../outboxTargets.ts';

export const PARAMETERS = [
  'p_fence_shard smallint[]',
  'p_fence_epoch bigint[]',
  'p_id uuid[]',
  'p_fence int[]',
  'p_subject uuid[]',
  'p_reason text[]',
  'p_rule text[]',
  'p_rule_version int[]',
  'p_hash uuid[]',
  'p_leg_from int[]',
  'p_leg_entry int[]',
  'p_leg_seq smallint[]',
  'p_leg_account int[]',
  'p_leg_delta bigint[]',
  'p_account uuid[]',
  'p_stripe smallint[]',
  'p_account_fence int[]',
  'p_key_entry int[]',
  'p_key_user uuid[]',
  'p_key text[]',
  'p_key_hash text[]',
  'p_meet_entry int[]',
  'p_meet_officer uuid[]',
  'p_meet_civilian uuid[]',
  'p_meet_method text[]',
  'p_meet_cell text[]',
  'p_meet_officer_points bigint[]',
  'p_meet_civilian_points bigint[]',
  'p_meet_cooldown_s int[]',
  'p_run_end int[]',
];

/** What is posted under these ids. */
export const EFFECT = `
create or replace function ledger.effects_of(p_ids uuid[]) returns jsonb
language sql stable set search_path = pg_catalog
begin atomic
  select coalesce(jsonb_object_agg(t.id, jsonb_build_object(
    'atMs', (extract(epoch from t.at) * 1000)::bigint, 'hash', t.request_hash,
    'postings', (
      select jsonb_agg(jsonb_build_object('account', p.account_id, 'delta', p.delta,
               'balance', p.balance_after, 'version', p.account_version_after) order by p.seq)
      from ledger.posting p where p.transfer_id = t.id and p.account_id <> '${MINT_ACCOUNT}'))), '{}')
  from ledger.transfer t where t.id = any (p_ids);
end`;

/** How the function tells the publishers; a later version does it another way. */
export const ROW_PER_EVENT = `
  insert into ops.outbox (target, shard, key, event_id, created_at)
    select ${OUTBOX_TARGET.transactions}, p_fence_shard[n.fence], n.subject, n.id, v_now
      from unnest(p_id, p_fence, p_subject, v_code) as n(id, fence, subject, code) where n.code = 0;
  insert into ops.outbox (target, shard, key, created_at)
    select ${OUTBOX_TARGET.balances}, p_fence_shard[n.fence], n.account, v_now
      from unnest(p_account, p_account_fence, v_version, v_before) as n(account, fence, version, before)
      where n.version > n.before and n.account <> '${MINT_ACCOUNT}';`;

/** How the function writes transfers; a later version writes more columns. */
const TRANSFERS = `    insert into ledger.transfer (id, reason, rule_id, rule_version, request_hash, at)
      select n.id, n.reason, n.rule, n.rule_version, n.hash, v_now
      from unnest(p_id, p_reason, p_rule, p_rule_version, p_hash, v_code) with ordinality
        as n(id, reason, rule, rule_version, hash, code, ix)
      where n.code = 0 and n.ix between v_from and v_to;`;

/** How the function writes encounters; a later version writes more columns. */
const ENCOUNTERS = `      insert into meet.encounter (id, officer, civilian, method, cell, at, officer_points, civilian_points)
        select p_id[n.entry], n.officer, n.civilian, n.method, n.cell, v_now, n.officer_points, n.civilian_points
        from unnest(p_meet_entry, p_meet_officer, p_meet_civilian, p_meet_method, p_meet_cell,
            p_meet_officer_points, p_meet_civilian_points)
          as n(entry, officer, civilian, method, cell, officer_points, civilian_points)
        where n.entry between v_from and v_to and v_code[n.entry] = 0;`;

/** How the function writes the accounts; a later version writes more columns. */
export const UPDATE = `  update ledger.account a set balance = n.balance, version = n.version
    from unnest(v_place, v_balance, v_version, v_before) as n(place, balance, version, before)
    where a.ctid = n.place and n.version > n.before;`;

/** What later versions do otherwise, or besides; as it stands here it is this version. */
export interface CommitPieces {
  readonly transfers?: string;
  readonly encounters?: string;
  /** The number that stands for a stale epoch; the others are positions in COMMIT_CODES. */
  readonly stale?: number;
  readonly declared?: string;
  /** More columns of an account, each with its comma, and what of a limited one's balance cannot be spent. */
  readonly accountColumns?: string;
  readonly floor?: string;
  /** More that is read of the accounts: the lists that take it, and the lists that give it, each with its comma. */
  readonly accountLists?: string;
  readonly accountValues?: string;
  /** When the accounts are locked and the clock was read. */
  readonly locked?: string;
  /** After it is known which ids were posted. */
  readonly known?: string;
  /** After the pairs that may meet are written down. */
  readonly met?: string;
  /** Before the legs of the entry `i` are tried; `continue` takes it as it is. */
  readonly entry?: string;
  /** After the legs of the entry `i` were taken back. */
  readonly refused?: string;
  /** After the legs of the entry `i` were tried; those that were taken as they are do not come here. */
  readonly tried?: string;
  /** After the encounters are written down, before the keys. */
  readonly written?: string;
  /** How the accounts are written. */
  readonly update?: string;
  /** Codes, besides 0, with which a key is kept. */
  readonly kept?: string;
  /** The codes as they are said. */
  readonly said?: string;
}

export const commitFunction = (
  parameters: readonly string[],
  outbox: string,
  {
    transfers = TRANSFERS,
    encounters = ENCOUNTERS,
    stale = 9,
    declared = '',
    accountColumns = '',
    floor = '0',
    accountLists = '',
    accountValues = '',
    locked = '',
    known = '',
    met = '',
    entry = '',
    refused = '',
    tried = '',
    update = UPDATE,
    written = '',
    kept = 'v_code[n.entry] <= 1',
    said = 'v_code',
  }: CommitPieces = {},
): string => `
create function ledger.commit_group(
  ${parameters.join(',\n  ')},
  out codes text, out at_ms bigint, out balances text, out versions text, out existing jsonb)
language plpgsql volatile security definer
-- the plans are made once, perhaps while the tables are empty: they must not depend on that
set search_path = pg_catalog set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off
as $body$
declare
  v_code smallint[] := array_fill(0::smallint, array[cardinality(p_id)]);
  v_live bigint[];
  v_found bigint[];
  v_place tid[];
  v_balance bigint[];
  v_version bigint[];
  v_before bigint[];
  v_floor bigint[];
  v_closed boolean[];
  v_after bigint[] := array_fill(null::bigint, array[cardinality(p_leg_delta)]);
  v_after_version bigint[] := array_fill(null::bigint, array[cardinality(p_leg_delta)]);
  v_now timestamptz;
  v_from int := 1;
  v_to int;
  v_all_live boolean;
  v_asked int[];
  v_unlimited constant bigint := -4611686018427387904;
  v_shut constant bigint := 4611686018427387904;
  i int; j int; k int; u int; b bigint;
  r record;
${declared}begin
  -- the fence: shared locks on the shards' rows hold a new epoch back until this group is done
  select array_agg(f.ix) into v_live from (
    select n.ix from unnest(p_fence_shard, p_fence_epoch) with ordinality as n(shard, epoch, ix)
      join ops.shard_fence s on s.shard = n.shard and s.epoch = n.epoch
      order by s.shard for share of s) f;
  v_all_live := cardinality(v_live) = cardinality(p_fence_shard);
  if v_all_live is not true then
    for i in 1..cardinality(p_id) loop
      if p_fence[i] = any (v_live) is not true then v_code[i] := ${stale}; end if;
    end loop;
  end if;

  -- every account of the group, locked in one order
  select array_agg(l.ix), array_agg(l.place), array_agg(l.balance), array_agg(l.version), array_agg(l.closed),
         array_agg(case when l.closed then v_shut when l.limited then ${floor} else v_unlimited end)${accountValues}
    into v_found, v_place, v_balance, v_version, v_closed, v_floor${accountLists}
    from (
      select n.ix, a.ctid as place, a.balance, a.version, a.limited, a.closed${accountColumns}
      from unnest(p_account, p_stripe) with ordinality as n(account_id, stripe, ix)
        join ledger.account a on a.account_id = n.account_id and a.stripe = n.stripe
      order by a.account_id, a.stripe for update of a) l;
  if cardinality(v_found) = cardinality(p_account) is not true then
    -- some do not exist: put the others at their places again
    select array_agg(l.place order by g), array_agg(l.balance order by g), array_agg(l.version order by g),
           array_agg(l.closed order by g), array_agg(l.floor order by g)
      into v_place, v_balance, v_version, v_closed, v_floor
      from generate_series(1, cardinality(p_account)) as g
        left join unnest(v_found, v_place, v_balance, v_version, v_closed, v_floor)
          as l(ix, place, balance, version, closed, floor) on l.ix = g;
  end if;
  v_before := v_version;
  v_now := date_trunc('milliseconds', clock_timestamp());
${locked}
  foreach v_to in array p_run_end loop
    if cardinality(p_key_entry) > 0 then
      for r in
        select n.entry from unnest(p_key_entry, p_key_user, p_key, p_key_hash) as n(entry, user_id, key, hash)
          cross join lateral (select request_hash, transfer_id from ops.idempotency
            where user_id = n.user_id and key = n.key limit 1) o
          where n.entry between v_from and v_to and (o.request_hash <> n.hash or o.transfer_id <> p_id[n.entry])
      loop
        if v_code[r.entry] = 0 then v_code[r.entry] := 7; end if;
      end loop;
    end if;

    for r in
      select n.ix, t.request_hash = n.hash as same
      from unnest(p_id, p_hash) with ordinality as n(id, hash, ix)
        cross join lateral (select request_hash from ledger.transfer where id = n.id limit 1) t
      where n.ix between v_from and v_to
    loop
      if v_code[r.ix] = 0 then v_code[r.ix] := case when r.same then 1 else 2 end; end if;
    end loop;
${known}
    if cardinality(p_meet_entry) > 0 then
      foreach i in array p_meet_entry loop
        continue when i < v_from or i > v_to or v_code[i] <> 0;
        for j in p_leg_from[i]..p_leg_from[i + 1] - 1 loop
          k := p_leg_account[j];
          if v_balance[k] is null then v_code[i] := 5; exit; end if;
          if v_closed[k] then v_code[i] := 6; exit; end if;
        end loop;
      end loop;
      v_asked := array(select n.entry from unnest(p_meet_entry) as n(entry)
        where n.entry between v_from and v_to and v_code[n.entry] = 0);
      foreach i in array v_asked loop v_code[i] := 3; end loop;
      for r in
        insert into meet.pair_state as p (officer, civilian, next_at, encounter_id)
          select n.officer, n.civilian, v_now + make_interval(secs => n.cooldown_s), p_id[n.entry]
            from unnest(p_meet_entry, p_meet_officer, p_meet_civilian, p_meet_cooldown_s)
              as n(entry, officer, civilian, cooldown_s)
            where n.entry = any (v_asked)
            order by n.officer, n.civilian
          on conflict (officer, civilian)
            do update set next_at = excluded.next_at, encounter_id = excluded.encounter_id, n = p.n + 1
            where p.next_at <= v_now
          returning p.encounter_id as id
      loop
        v_code[array_position(p_id, r.id, v_from)] := 0;
      end loop;
${met}    end if;

    for i in v_from..v_to loop
      continue when v_code[i] <> 0;
${entry}      for j in p_leg_from[i]..p_leg_from[i + 1] - 1 loop
        k := p_leg_account[j];
        b := v_balance[k] + p_leg_delta[j];
        if b >= v_floor[k] then
          v_balance[k] := b;
          v_version[k] := v_version[k] + 1;
          v_after[j] := b;
          v_after_version[j] := v_version[k];
        else
          -- one leg is refused: take the earlier legs of this entry back
          v_code[i] := case when b is null then 5 when v_closed[k] then 6 else 4 end;
          for u in p_leg_from[i]..j - 1 loop
            k := p_leg_account[u];
            v_balance[k] := v_balance[k] - p_leg_delta[u];
            v_version[k] := v_version[k] - 1;
            v_after[u] := null;
          end loop;
${refused}          exit;
        end if;
      end loop;
${tried}    end loop;

${transfers}

    insert into ledger.posting
      (transfer_id, seq, account_id, stripe, delta, balance_after, account_version_after)
      select p_id[n.entry], n.seq, p_account[n.account], p_stripe[n.account], n.delta, n.balance, n.version
      from unnest(p_leg_entry, p_leg_seq, p_leg_account, p_leg_delta, v_after, v_after_version)
        as n(entry, seq, account, delta, balance, version)
      where n.balance is not null and n.entry between v_from and v_to;

    if cardinality(p_meet_entry) > 0 then
${encounters}
    end if;
${written}
    if cardinality(p_key_entry) > 0 then
      insert into ops.idempotency (user_id, key, request_hash, transfer_id, created_at)
        select n.user_id, n.key, n.hash, p_id[n.entry], v_now
        from unnest(p_key_entry, p_key_user, p_key, p_key_hash) as n(entry, user_id, key, hash)
        where n.entry between v_from and v_to and ${kept}
        order by n.user_id, n.key
        on conflict (user_id, key) do nothing;
    end if;
    v_from := v_to + 1;
  end loop;

  -- the rows are ours since we locked them, so they still lie where they lay
${update}

${outbox}

  at_ms := (extract(epoch from v_now) * 1000)::bigint;
  codes := array_to_string(${said}, ',');
  balances := array_to_string(v_after, ',', '');
  versions := array_to_string(v_after_version, ',', '');
  if 1 = any (v_code) or 2 = any (v_code) then
    existing := ledger.effects_of(array(
      select n.id from unnest(p_id, v_code) as n(id, code) where n.code in (1, 2)));
  end if;
end
$body$`;

export class CommitGroup extends Migration {
  override up(): void {
    this.addSql(EFFECT);
    this.addSql(commitFunction(PARAMETERS, ROW_PER_EVENT));
    this.addSql(`revoke insert on ledger.transfer, ledger.posting, meet.encounter from ${APP_ROLE}`);
    this.addSql(`revoke update (balance, version) on ledger.account from ${APP_ROLE}`);
    this.addSql(`revoke insert, update on meet.pair_state from ${APP_ROLE}`);
    this.addSql('revoke execute on all functions in schema ledger from public');
    this.addSql(`grant execute on all functions in schema ledger to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ledger.commit_group, ledger.effects_of');
    this.addSql(`grant insert on ledger.transfer, ledger.posting, meet.encounter to ${APP_ROLE}`);
    this.addSql(`grant update (balance, version) on ledger.account to ${APP_ROLE}`);
    this.addSql(`grant insert, update on meet.pair_state to ${APP_ROLE}`);
  }
}
