/**
 * Of version 17: offers and the merchant's changes of their stock are notes of the offer's actor, stored in one transaction
 * with its timers.
 *
 * An offer is taken only when it is the first version, or the next one of the same merchant's. Its row of `market.stock`
 * comes with the first. A change of the stock is refused below what is reserved, and has its row in the log under the id of
 * its operation, so that a repeat is found.
 */
import { APP_ROLE } from '../limits.ts';
import { OUTBOX_TARGET } from '../outboxTargets.ts';

/** `MARKET_LIMITS.onHand` of nodes/limits.ts as it was when this was released. */
const ON_HAND_MAX = 1_000_000_000;

/**
 * One letter per entry: c for stored, e for stored before, x for another one stored before, f when there is no such offer,
 * o when too much is reserved, s for a stale epoch. `p_record` is the offer as JSON; null: it is a change of the stock.
 */
const COMMIT = `
create function market.commit_notes(
  p_shard smallint[], p_epoch bigint[], p_id uuid[], p_offer uuid[], p_record jsonb[], p_delta int[], p_kind text[],
  p_reason text[]) returns text
language plpgsql volatile security definer
set search_path = pg_catalog set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off
as $body$
declare
  v_live text[];
  v_codes text := '';
  v_code text;
  v_now timestamptz;
  v_offer market.offer%rowtype;
  v_stock market.stock%rowtype;
  v_movement market.stock_movement%rowtype;
  v_told jsonb[] := '{}';
  v_keys uuid[] := '{}';
begin
  -- the fence: shared locks on the shards' rows hold a new epoch back until this group is done
  select array_agg(f.shard || ':' || f.epoch) into v_live from (
    select s.shard, s.epoch from ops.shard_fence s
      where (s.shard, s.epoch) in (select * from unnest(p_shard, p_epoch))
      order by s.shard for share of s) f;
  -- every stock of the group, in the order in which groups of the ledger lock them
  perform from market.stock s where s.offer_id = any (p_offer) order by s.offer_id for update;
  v_now := date_trunc('milliseconds', clock_timestamp());
  for i in 1..cardinality(p_id) loop
    if (p_shard[i] || ':' || p_epoch[i]) = any (v_live) is not true then
      v_codes := v_codes || 's';
      continue;
    end if;
    select * into v_offer from market.offer where id = p_offer[i];
    if p_record[i] is not null then
      v_code := market.store_offer(p_id[i], p_record[i], v_offer, v_now);
      v_codes := v_codes || v_code;
      continue;
    end if;
    select * into v_movement from market.stock_movement
      where op_id = p_id[i] and kind in ('adjustment', 'receipt');
    if found then
      v_codes := v_codes || case when v_movement.offer_id = p_offer[i] and v_movement.on_hand_delta = p_delta[i]
        and v_movement.kind = p_kind[i] then 'e' else 'x' end;
      continue;
    end if;
    if v_offer.id is null then
      v_codes := v_codes || 'f';
      continue;
    end if;
    update market.stock set on_hand = on_hand + p_delta[i]
      where offer_id = p_offer[i] and on_hand::bigint + p_delta[i] between reserved and ${ON_HAND_MAX} returning * into v_stock;
    if not found then
      v_codes := v_codes || 'o';
      continue;
    end if;
    v_codes := v_codes || 'c';
    insert into market.stock_movement (offer_id, kind, op_id, on_hand_delta, reserved_delta, on_hand, reserved, reason, at)
      values (p_offer[i], p_kind[i], p_id[i], p_delta[i], 0, v_stock.on_hand, v_stock.reserved, p_reason[i], v_now);
    v_told := v_told || jsonb_build_object('type', 'stock.adjusted', 'causationId', p_id[i], 'data', jsonb_build_object(
      'offer', p_offer[i], 'merchant', v_offer.merchant, 'kind', p_kind[i], 'delta', p_delta[i],
      'onHand', v_stock.on_hand, 'reserved', v_stock.reserved, 'reason', p_reason[i]));
    v_keys := v_keys || v_offer.merchant;
    if market.ran_low(v_stock.on_hand - v_stock.reserved - p_delta[i], v_stock.on_hand - v_stock.reserved, v_offer.low_stock)
    then
      v_told := v_told
        || market.told_low(p_offer[i], v_offer.merchant, v_stock.on_hand, v_stock.reserved, v_offer.low_stock);
      v_keys := v_keys || v_offer.merchant;
    end if;
  end loop;
  if cardinality(v_told) > 0 then
    insert into ops.outbox (target, keys, payload, created_at)
      values (${OUTBOX_TARGET.transactions}, v_keys, to_jsonb(v_told), v_now);
  end if;
  return v_codes;
end
$body$`;

/**
 * `p_before` is the offer as it stands; all of it null when there is none.
 *
 * @param refused SQL, each beginning with `or`: what else is not taken
 */
export const storeFunction = (refused = ''): string => `
create function market.store_offer(p_op uuid, p_record jsonb, p_before market.offer, p_now timestamptz) returns text
language plpgsql volatile set search_path = pg_catalog
as $body$
begin
  if p_before.op_id = p_op and p_before.version = (p_record ->> 'version')::int then return 'e'; end if;
  if (p_record ->> 'version')::int <> coalesce(p_before.version, 0) + 1
      or p_before.merchant <> (p_record ->> 'merchant')::uuid${refused} then
    return 'x';
  end if;
  insert into market.offer as d (id, merchant, version, title, description, kind, points, per_user_max, opens_at, closes_at,
      state, low_stock, place_id, op_id, created_at, changed_at)
    values ((p_record ->> 'id')::uuid, (p_record ->> 'merchant')::uuid, (p_record ->> 'version')::int,
      p_record ->> 'title', p_record ->> 'description', p_record ->> 'kind', (p_record ->> 'points')::bigint,
      (p_record ->> 'perUserMax')::int,
      to_timestamp(nullif((p_record ->> 'opensAtMs')::float8, 0) / 1000),
      to_timestamp(nullif((p_record ->> 'closesAtMs')::float8, 0) / 1000),
      p_record ->> 'state', (p_record ->> 'lowStock')::int, p_record ->> 'placeId', p_op, p_now, p_now)
    on conflict (id) do update set version = excluded.version, title = excluded.title, description = excluded.description,
      kind = excluded.kind, points = excluded.points, per_user_max = excluded.per_user_max, opens_at = excluded.opens_at,
      closes_at = excluded.closes_at, state = excluded.state, low_stock = excluded.low_stock,
      place_id = excluded.place_id, op_id = excluded.op_id, changed_at = excluded.changed_at;
  insert into market.stock (offer_id) values ((p_record ->> 'id')::uuid) on conflict do nothing;
  return 'c';
end
$body$`;

/** Parameters of timers, events and answers, as they were. */
const BEFORE = `
  t_shard smallint[], t_epoch bigint[], t_id uuid[], t_kind text[], t_actor text[], t_name text[], t_due bigint[],
  t_only bigint[], t_message text[],
  e_shard smallint[], e_epoch bigint[], e_id uuid[], e_user uuid[], e_n bigint[], e_after bigint[], e_lineage int[],
  e_about text[], e_frame text[],
  a_shard smallint[], a_epoch bigint[], a_id uuid[], a_user uuid[], a_key text[], a_hash text[], a_result text[]`;

const MARKET = `
  m_shard smallint[], m_epoch bigint[], m_id uuid[], m_offer uuid[], m_record jsonb[], m_delta int[], m_kind text[],
  m_reason text[]`;
const typesOf = (parameters: string): string => parameters.replace(/\b[team]_[a-z]+ /g, '');

/** For groups with notes of the market: the letters of the others, a slash, and those. */
const NOTES = `
create function ops.commit_notes(${BEFORE},${MARKET}) returns text
language plpgsql volatile security definer set search_path = pg_catalog set jit = off
as $body$
declare
  v_letters text;
begin
  perform from ops.shard_fence s
    where (s.shard, s.epoch) in (
      select * from unnest(t_shard || e_shard || a_shard || m_shard, t_epoch || e_epoch || a_epoch || m_epoch))
    order by s.shard for share of s;
  v_letters := ops.commit_notes(t_shard, t_epoch, t_id, t_kind, t_actor, t_name, t_due, t_only, t_message,
    e_shard, e_epoch, e_id, e_user, e_n, e_after, e_lineage, e_about, e_frame,
    a_shard, a_epoch, a_id, a_user, a_key, a_hash, a_result);
  return v_letters || '/'
    || market.commit_notes(m_shard, m_epoch, m_id, m_offer, m_record, m_delta, m_kind, m_reason);
end
$body$`;

/** Beside the function of version 15, which stays for groups without any. */
const WITH_MARKET = `ops.commit_notes(${typesOf(BEFORE)}, ${typesOf(MARKET)})`;

export const DROP_NOTES = `drop function ${WITH_MARKET}`;

export const MARKET_NOTES = [
  storeFunction(),
  COMMIT,
  NOTES,
  'revoke execute on all functions in schema market from public',
  `revoke execute on function ${WITH_MARKET} from public`,
  `grant execute on function ${WITH_MARKET} to ${APP_ROLE}`,
];
