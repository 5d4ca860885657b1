/**
 * Version 17: offers, their stock, and redemptions: stock is set aside, sold, and given back together with its points, in the
 * very entry that moves them.
 *
 * - `market.offer`: what a merchant offers, the newest version; written by its actor as a note.
 * - `market.stock`: how much of it is there (`on_hand`), and how much of that is set aside (`reserved`). A group locks the
 *   rows of its offers in one order, after its accounts, and writes each once.
 * - `market.redemption`: one for each pending entry with stock, under the same id. Whatever becomes of it does so with the
 *   points: sold when they are posted (what is not posted is free again), cancelled or expired when they are voided. What was
 *   given back of a sale is counted here, and never more than was sold (`market.refund`: one row for each time). Its user's
 *   account is locked by whoever reads or changes it, because the points are his.
 * - `market.stock_movement`: the log; `on_hand` and `reserved` are the sums of it. Kinds: an allocation sets aside, a sale
 *   takes away what was, a release sets free, a cancellation brings back what was sold; adjustments and receipts are the
 *   merchant's.
 * - `rule_trace` of transfers, of what is pending and of what is held: hash of the evaluation of their rule.
 *
 * What happens is told in one row of the outbox for each group, with a payload: `redemption.reserved`, `.confirmed`,
 * `.cancelled`, `.expired`, `.refunded` under the key of the user, `stock.adjusted` and `stock.low` under that of the
 * merchant. A sale is a transfer besides, and told as one.
 */
import { Migration } from '@mikro-orm/migrations';
import { COMMIT_CODES, type CommitCode } from '../../../actors/durable.ts';
import { APP_ROLE } from '../limits.ts';
import { OUTBOX_TARGET } from '../outboxTargets.ts';
import { type CommitPieces, commitFunction } from './commitGroup.ts';
import { DROP_NOTES, MARKET_NOTES } from './marketNotes.ts';
import {
  BURNED,
  MOVED,
  type MoreOfPending,
  PENDING_KIND,
  RESERVED_OUTBOX,
  RESERVED_PARAMETERS,
  reservedPieces,
} from './reservations.ts';

const code = (word: CommitCode): number => COMMIT_CODES.indexOf(word);
const INVALID = code('invalid');
const OFFER_CLOSED = code('offer_closed');

export const MARKET_PARAMETERS = [
  ...RESERVED_PARAMETERS,
  'p_rule_trace text[]',
  // of each pending entry; null: all, or nothing of it is stock
  'p_pending_quantity int[]',
  'p_stock_entry int[]',
  'p_stock_offer uuid[]',
  'p_stock_quantity int[]',
  'p_stock_user_max int[]',
  'p_stock_code text[]',
  'p_refund_entry int[]',
  'p_refund_redemption uuid[]',
  'p_refund_quantity int[]',
  'p_refund_restock boolean[]',
];

const TABLES = [
  'create schema market',
  // op_id: the operation that stored this version, so that an unknown commit can be looked up
  `create table market.offer (
     id uuid primary key,
     merchant uuid not null,
     version int not null check (version > 0),
     title text not null,
     description text not null,
     kind text not null check (kind in ('goods', 'service')),
     points bigint not null check (points > 0),
     per_user_max int not null check (per_user_max >= 0),
     opens_at timestamptz,
     closes_at timestamptz,
     state text not null check (state in ('draft', 'published', 'withdrawn')),
     low_stock int not null check (low_stock >= 0),
     place_id text,
     op_id uuid not null,
     created_at timestamptz not null,
     changed_at timestamptz not null
   )`,
  'create index offer_of_merchant on market.offer (merchant)',
  `create table market.stock (
     offer_id uuid primary key,
     on_hand int not null default 0,
     reserved int not null default 0,
     constraint stock_not_oversold check (reserved >= 0 and on_hand >= reserved)
   ) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)`,
  `create table market.redemption (
     id uuid primary key,
     user_id uuid not null,
     merchant uuid not null,
     offer_id uuid not null,
     quantity int not null check (quantity > 0),
     points bigint not null check (points > 0 and points % quantity = 0),
     code text not null,
     state text not null default 'reserved' check (state in ('reserved', 'confirmed', 'cancelled', 'expired')),
     rule_id text not null,
     rule_version int not null,
     rule_trace text,
     at timestamptz not null,
     expires_at timestamptz not null,
     settled_at timestamptz,
     transfer_id uuid,
     sold_quantity int not null default 0 check (sold_quantity between 0 and quantity),
     sold_points bigint not null default 0 check (sold_points between 0 and points),
     refunded_quantity int not null default 0,
     refunded_points bigint not null default 0,
     constraint refunds_not_above_sale check (
       refunded_quantity between 0 and sold_quantity and refunded_points between 0 and sold_points),
     check ((state = 'confirmed') = (transfer_id is not null) and (state = 'confirmed') = (sold_quantity > 0)),
     check ((state = 'reserved') = (settled_at is null))
   ) with (fillfactor = 80)`,
  `create unique index redemption_code on market.redemption (merchant, code) where state = 'reserved'`,
  'create index redemption_of_user on market.redemption (offer_id, user_id)',
  `create index redemption_sold on market.redemption (merchant, settled_at) where state = 'confirmed'`,
  // op_id: the redemption, the refund, or the operation of the merchant
  `create table market.stock_movement (
     id bigint generated always as identity primary key,
     offer_id uuid not null,
     kind text not null
       check (kind in ('allocation', 'sale', 'release', 'cancellation', 'adjustment', 'receipt')),
     op_id uuid not null,
     on_hand_delta int not null,
     reserved_delta int not null,
     on_hand int not null,
     reserved int not null,
     reason text,
     at timestamptz not null
   )`,
  'create index stock_history on market.stock_movement (offer_id, id)',
  `create unique index stock_operation on market.stock_movement (op_id) where kind in ('adjustment', 'receipt')`,
  'create index redemption_by_user on market.redemption (user_id, at, id)',
  'create index redemption_by_merchant on market.redemption (merchant, at, id)',
  `create table market.refund (
     transfer_id uuid primary key,
     redemption_id uuid not null,
     merchant uuid not null,
     quantity int not null check (quantity > 0),
     points bigint not null check (points > 0),
     restocked boolean not null,
     at timestamptz not null
   )`,
  'create index refund_by_merchant on market.refund (merchant, at)',
  'create index refund_of_redemption on market.refund (redemption_id)',
  `grant usage on schema market to ${APP_ROLE}`,
  `grant select on all tables in schema market to ${APP_ROLE}`,
  'alter table ledger.transfer add column rule_trace text',
  'alter table ledger.pending add column rule_trace text',
  'alter table meet.hold add column rule_trace text',
];

/** When stock has run low, and how that is told. */
const LOW = [
  // so much was free, and so much is now
  `create function market.ran_low(p_before bigint, p_after bigint, p_low int) returns boolean
   language sql immutable set search_path = pg_catalog
   begin atomic
     select p_low > 0 and p_after <= p_low and p_before > p_low;
   end`,
  `create function market.told_low(p_offer uuid, p_merchant uuid, p_on_hand int, p_reserved int, p_low int) returns jsonb
   language sql immutable set search_path = pg_catalog
   begin atomic
     select jsonb_build_object('type', 'stock.low', 'data', jsonb_build_object(
       'offer', p_offer, 'merchant', p_merchant, 'onHand', p_on_hand, 'reserved', p_reserved, 'lowStock', p_low));
   end`,
];

const DECLARED = `
  v_market boolean := cardinality(p_stock_entry) > 0;
  v_offer uuid[];
  v_merchant uuid[];
  v_published boolean[];
  v_opens timestamptz[];
  v_closes timestamptz[];
  v_low int[];
  v_on_hand int[];
  v_kept int[];
  v_redemption market.redemption%rowtype;
  v_units int;
  v_moved_offer uuid[] := '{}';
  v_moved_kind text[] := '{}';
  v_moved_op uuid[] := '{}';
  v_moved_on_hand int[] := '{}';
  v_moved_kept int[] := '{}';
  v_moved_then int[] := '{}';
  v_moved_then_kept int[] := '{}';
  v_told text[] := '{}';
  v_told_id uuid[] := '{}';
  v_told_entry int[] := '{}';
  v_told_cause uuid[] := '{}';
  v_told_units int[] := '{}';
  v_told_points bigint[] := '{}';
  v_told_on_hand int[] := '{}';
  v_told_kept int[] := '{}';
  q int;
`;

/** Offers that the group sets aside of, and those of redemptions whose points it moves: their accounts are ours by now. */
const LOCKED = `  if v_market or v_two_phase or cardinality(p_refund_entry) > 0 then
    select array_agg(l.offer_id), array_agg(l.merchant), array_agg(l.state = 'published'), array_agg(l.opens_at),
           array_agg(l.closes_at), array_agg(l.low_stock), array_agg(l.on_hand), array_agg(l.reserved)
      into v_offer, v_merchant, v_published, v_opens, v_closes, v_low, v_on_hand, v_kept
      from (
        select s.offer_id, d.merchant, d.state, d.opens_at, d.closes_at, d.low_stock, s.on_hand, s.reserved
        from (
            select offer_id from unnest(p_stock_offer) as n(offer_id)
            union select m.offer_id from market.redemption m where m.id = any (p_pending_ref || p_refund_redemption)
          ) w
          join market.offer d on d.id = w.offer_id
          join market.stock s on s.offer_id = w.offer_id
        order by s.offer_id for update of s) l;
    v_market := v_offer is not null;
    v_now := date_trunc('milliseconds', clock_timestamp());
  end if;
`;

/** One event of a redemption, or `low` of its offer; with the units and points of this step. */
const told = (type: string, cause: string, units: string, points: string): string => `
          v_told := v_told || ${type};
          v_told_id := v_told_id || v_redemption.id;
          v_told_entry := v_told_entry || i;
          v_told_cause := v_told_cause || ${cause};
          v_told_units := v_told_units || ${units};
          v_told_points := v_told_points || ${points};
          v_told_on_hand := v_told_on_hand || v_on_hand[q];
          v_told_kept := v_told_kept || v_kept[q];`;

/** One line of the log. */
const moved = (kind: string, op: string, onHand: string, reserved: string): string => `
          v_moved_offer := v_moved_offer || v_offer[q];
          v_moved_kind := v_moved_kind || '${kind}'::text;
          v_moved_op := v_moved_op || ${op};
          v_moved_on_hand := v_moved_on_hand || ${onHand};
          v_moved_kept := v_moved_kept || ${reserved};
          v_moved_then := v_moved_then || v_on_hand[q];
          v_moved_then_kept := v_moved_then_kept || v_kept[q];`;

const moreWith = (userLimit: CommitCode): MoreOfPending => ({
  looked: `        v_redemption := null;
        if v_market then select * into v_redemption from market.redemption where id = p_pending_ref[h]; end if;
`,
  refusal: `        elsif p_pending_kind[h] = ${PENDING_KIND.post} and p_pending_quantity[h] > v_redemption.quantity then
          v_code[i] := ${code('exceeds_pending')};
        elsif p_pending_kind[h] = ${PENDING_KIND.post} and (case when v_redemption.id is null
            then p_pending_quantity[h] is not null
            else p_pending_points[h] * v_redemption.quantity
              <> v_redemption.points * coalesce(p_pending_quantity[h], v_redemption.quantity) end) then
          v_code[i] := ${INVALID};
`,
  aside: `                u := array_position(p_stock_entry, i);
                if u is not null then
                  v_units := p_stock_quantity[u];
                  q := array_position(v_offer, p_stock_offer[u]);
                  if q is null or v_merchant[q] <> p_pending_payee[h] or not v_published[q]
                      or (v_now < v_opens[q] or v_now >= v_closes[q]) is true then
                    v_code[i] := ${OFFER_CLOSED};
                  elsif p_stock_user_max[u] > 0 and p_stock_user_max[u] < v_units + (
                      select coalesce(sum(case m.state when 'reserved' then m.quantity
                        else m.sold_quantity - m.refunded_quantity end), 0)
                      from market.redemption m where m.offer_id = v_offer[q] and m.user_id = p_account[k]) then
                    v_code[i] := ${code(userLimit)};
                  elsif v_on_hand[q] - v_kept[q] < v_units then
                    v_code[i] := ${code('out_of_stock')};
                  else
                    insert into market.redemption (id, user_id, merchant, offer_id, quantity, points, code, rule_id,
                        rule_version, rule_trace, at, expires_at)
                      values (p_id[i], p_account[k], v_merchant[q], v_offer[q], v_units, b, p_stock_code[u], p_rule[i],
                        p_rule_version[i], p_rule_trace[i], v_now, v_now + make_interval(secs => p_pending_hold_s[h]))
                      on conflict (merchant, code) where state = 'reserved' do nothing
                      returning * into v_redemption;
                    if not found then
                      v_code[i] := ${code('code_taken')};
                    else
                      v_kept[q] := v_kept[q] + v_units;
${moved('allocation', 'p_id[i]', '0', 'v_units')}${told("'reserved'::text", 'v_redemption.id', 'v_units', 'b')}
                      u := v_on_hand[q] - v_kept[q];
                      if v_low[q] > 0 and market.ran_low(u + v_units, u, v_low[q]) then${told("'low'::text", 'v_redemption.id', 'v_units', 'b')}
                      end if;
                    end if;
                  end if;
                  continue when v_code[i] <> 0;
                end if;
`,
  givenBack: `          if v_market and p_pending_kind[h] <> ${PENDING_KIND.post} then
            update market.redemption set settled_at = v_now,
                state = case p_pending_kind[h] when ${PENDING_KIND.voided} then 'cancelled' else 'expired' end
              where id = p_pending_ref[h] returning * into v_redemption;
            if found then
              q := array_position(v_offer, v_redemption.offer_id);
              v_units := v_redemption.quantity;
              v_kept[q] := v_kept[q] - v_units;
${moved('release', 'v_redemption.id', '0', '-v_units')}${told('v_redemption.state', 'v_redemption.id', 'v_units', 'v_redemption.points')}
            end if;
          end if;
`,
  column: ', rule_trace',
  value: ', p_rule_trace[n.entry]',
});

/** Before anything of the entry is tried: whether so much of the redemption can be given back. */
const REFUNDABLE = `      if cardinality(p_refund_entry) > 0 then
        u := array_position(p_refund_entry, i);
        if u is not null then
          v_redemption := null;
          select * into v_redemption from market.redemption where id = p_refund_redemption[u];
          j := p_leg_from[i];
          v_units := p_refund_quantity[u];
          if (v_redemption.merchant = p_account[p_leg_account[j]]
              and v_redemption.user_id = p_account[p_leg_account[j + 1]]) is not true then
            v_code[i] := ${code('pending_not_found')};
          elsif v_redemption.refunded_quantity + v_units > v_redemption.sold_quantity then
            v_code[i] := ${code('exceeds_refundable')};
          elsif p_leg_delta[j + 1] * v_redemption.quantity <> v_redemption.points * v_units then
            v_code[i] := ${INVALID};
          end if;
          continue when v_code[i] <> 0;
        end if;
      end if;
`;

/** The points have moved: so does the stock. */
const TRIED = `      if v_market and v_code[i] = 0 then
        if h is not null then
          update market.redemption set settled_at = v_now, state = 'confirmed', transfer_id = p_id[i],
              sold_quantity = coalesce(p_pending_quantity[h], quantity), sold_points = p_pending_points[h]
            where id = p_pending_ref[h] returning * into v_redemption;
          if found then
            q := array_position(v_offer, v_redemption.offer_id);
            v_units := v_redemption.sold_quantity;
            v_on_hand[q] := v_on_hand[q] - v_units;
            v_kept[q] := v_kept[q] - v_units;
${moved('sale', 'v_redemption.id', '-v_units', '-v_units')}
            v_units := v_redemption.quantity - v_units;
            if v_units > 0 then
              v_kept[q] := v_kept[q] - v_units;
${moved('release', 'v_redemption.id', '0', '-v_units')}
            end if;
${told("'confirmed'::text", 'p_id[i]', 'v_redemption.sold_quantity', 'v_redemption.sold_points')}
          end if;
        else
          u := array_position(p_refund_entry, i);
          if u is not null then
            v_units := p_refund_quantity[u];
            b := p_leg_delta[p_leg_from[i] + 1];
            update market.redemption set refunded_quantity = refunded_quantity + v_units, refunded_points = refunded_points + b
              where id = p_refund_redemption[u] returning * into v_redemption;
            insert into market.refund (transfer_id, redemption_id, merchant, quantity, points, restocked, at)
              values (p_id[i], v_redemption.id, v_redemption.merchant, v_units, b, p_refund_restock[u], v_now);
            q := array_position(v_offer, v_redemption.offer_id);
            if p_refund_restock[u] then
              v_on_hand[q] := v_on_hand[q] + v_units;
${moved('cancellation', 'p_id[i]', 'v_units', '0')}
            end if;
${told("'refunded'::text", 'p_id[i]', 'v_units', 'b')}
          end if;
        end if;
      end if;
`;

/** The hash of an evaluation is kept where its rule is; most entries of a group were held before, or never. */
const WRITTEN = `    if cardinality(p_rule_trace) > 0 then
      update meet.hold d set rule_trace = p_rule_trace[n.entry]
        from unnest(p_meet_entry) as n(entry)
        where d.encounter_id = p_id[n.entry] and d.at = v_now and d.rule_trace is null
          and n.entry between v_from and v_to and v_code[n.entry] = ${code('held')};
    end if;
`;

const UPDATED = `
  if v_market then
    update market.stock s set on_hand = n.on_hand, reserved = n.reserved
      from unnest(v_offer, v_on_hand, v_kept) as n(offer_id, on_hand, reserved)
      where s.offer_id = n.offer_id and (s.on_hand <> n.on_hand or s.reserved <> n.reserved);
    insert into market.stock_movement (offer_id, kind, op_id, on_hand_delta, reserved_delta, on_hand, reserved, at)
      select n.offer_id, n.kind, n.op_id, n.on_hand_delta, n.reserved_delta, n.on_hand, n.reserved, v_now
      from unnest(v_moved_offer, v_moved_kind, v_moved_op, v_moved_on_hand, v_moved_kept, v_moved_then, v_moved_then_kept)
        with ordinality as n(offer_id, kind, op_id, on_hand_delta, reserved_delta, on_hand, reserved, ix)
      order by n.ix;
  end if;`;

export const MARKET_OUTBOX = `${RESERVED_OUTBOX}
  if cardinality(v_told) > 0 then
    insert into ops.outbox (target, keys, traces, payload, created_at)
      select ${OUTBOX_TARGET.transactions}, array_agg(case n.type when 'low' then m.merchant else m.user_id end order by n.ix),
        array_agg(p_trace[n.entry] order by n.ix),
        jsonb_agg(case n.type
          when 'low' then market.told_low(m.offer_id, m.merchant, n.on_hand, n.reserved, d.low_stock)
          else jsonb_strip_nulls(jsonb_build_object('type', 'redemption.' || n.type, 'causationId', n.cause,
            'data', jsonb_build_object(
              'redemptionId', m.id, 'user', m.user_id, 'merchant', m.merchant, 'offer', m.offer_id,
              'quantity', n.units, 'points', n.points, 'transferId', nullif(n.cause, m.id),
              'onHand', n.on_hand, 'reserved', n.reserved, 'restock', f.restocked,
              'expiresAt', case n.type when 'reserved'
                then to_char(m.expires_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') end,
              'rule', jsonb_build_object(
                'id', p_rule[n.entry], 'version', p_rule_version[n.entry], 'trace', p_rule_trace[n.entry])))) end
          order by n.ix), v_now
      from unnest(v_told, v_told_id, v_told_entry, v_told_cause, v_told_units, v_told_points, v_told_on_hand, v_told_kept)
          with ordinality as n(type, id, entry, cause, units, points, on_hand, reserved, ix)
        join market.redemption m on m.id = n.id
        join market.offer d on d.id = m.offer_id
        left join market.refund f on f.transfer_id = n.cause;
  end if;`;

const TRANSFERS = `    insert into ledger.transfer (id, reason, rule_id, rule_version, request_hash, at, epoch, shard, rule_trace)
      select n.id, n.reason, n.rule, n.rule_version, n.hash, v_now, p_fence_epoch[n.fence], p_fence_shard[n.fence], n.trace
      from unnest(p_id, p_reason, p_rule, p_rule_version, p_hash, v_code, p_fence, p_rule_trace) with ordinality
        as n(id, reason, rule, rule_version, hash, code, fence, trace, ix)
      where n.code = 0 ${MOVED} and n.ix between v_from and v_to;`;

/** @param userLimit what is said of more than one user may have of an offer */
export const marketPieces = (userLimit: CommitCode): CommitPieces => {
  const burned = new Set<CommitCode>([...BURNED, 'out_of_stock', 'offer_closed', userLimit]);
  const reserved = reservedPieces(moreWith(userLimit), [...burned]);
  return {
    ...reserved,
    // what is two-phase is declared before what asks for it
    declared: `${reserved.declared}${DECLARED}`,
    locked: `${LOCKED}${reserved.locked}`,
    entry: `${REFUNDABLE}${reserved.entry}`,
    tried: TRIED,
    written: `${reserved.written}${WRITTEN}`,
    update: `${reserved.update}${UPDATED}`,
    transfers: TRANSFERS,
  };
};

/** As it is made in this version. */
export const marketFunction = (): string =>
  commitFunction(MARKET_PARAMETERS, MARKET_OUTBOX, marketPieces('limit_exceeded'));

export const granted = (migration: Migration): void => {
  migration.addSql('revoke execute on function ledger.commit_group from public');
  migration.addSql(`grant execute on function ledger.commit_group to ${APP_ROLE}`);
};

export class Market extends Migration {
  override up(): void {
    for (const sql of [...TABLES, ...LOW]) this.addSql(sql);
    this.addSql('drop function ledger.commit_group');
    this.addSql(marketFunction());
    granted(this);
    for (const sql of MARKET_NOTES) this.addSql(sql);
  }

  override down(): void {
    this.addSql(DROP_NOTES);
    this.addSql('drop function ledger.commit_group');
    this.addSql('drop schema market cascade');
    for (const table of ['ledger.transfer', 'ledger.pending', 'meet.hold'])
      this.addSql(`alter table ${table} drop column rule_trace`);
    this.addSql(commitFunction(RESERVED_PARAMETERS, RESERVED_OUTBOX, reservedPieces()));
    granted(this);
  }
}
