/**
 * Version 16: points that are set aside, limits, and refusals that stay.
 *
 * - `ledger.pending`: points that a payer sets aside for a payee. They stay in his balance, count as spent (`reserved`), and
 *   are posted as a transfer, in whole or in part, or given back. Whatever becomes of them does so once: the row is locked and
 *   has one state. Nothing posts them after `expires_at`, by this server's clock, also when nobody has given them back yet.
 * - `ledger.debit_limit`: what an account may spend at once, and in a day (UTC). What is set aside counts when it is; what is
 *   given back on the same day does not count. The row of the account guards that of its limit.
 * - `ledger.burned`: ids of movements that were refused for want of points, an account or room under a limit. A repeat is
 *   answered with the same word, also when the points are there by now: whoever asked has long been told no.
 * - `ledger.balance_at`: what an account had at a moment, from the balances that stand beside its postings.
 */
import { Migration } from '@mikro-orm/migrations';
import { COMMIT_CODES, type CommitCode } from '../../../actors/durable.ts';
import { APP_ROLE } from '../limits.ts';
import { type CommitPieces, commitFunction, UPDATE } from './commitGroup.ts';
import { HELD_EFFECTS } from './holds.ts';
import { SCANNED_PARAMETERS, SCANNED_PIECES } from './scanTimes.ts';
import { STAMPED_TRANSFER, TRACED_ROW_PER_GROUP } from './stamps.ts';

const code = (word: CommitCode): number => COMMIT_CODES.indexOf(word);
const EXISTS = code('exists');
const DIFFERENT = code('exists_with_different_payload');
const INSUFFICIENT = code('insufficient_points');
const UNKNOWN = code('account_unknown');
const CLOSED = code('account_closed');
const LIMIT = code('limit_exceeded');

/** What a pending entry is, in `p_pending_kind`. */
export const PENDING_KIND = { pending: 0, post: 1, voided: 2, expired: 3 } as const;

/** Null: no limit. */
export const SET_DEBIT_LIMIT = `create function ledger.set_debit_limit(p_account uuid, p_entry_max bigint, p_day_max bigint) returns boolean
   language plpgsql volatile security definer set search_path = pg_catalog as $body$
   begin
     update ledger.account set capped = p_entry_max is not null or p_day_max is not null
       where account_id = p_account and stripe = 0;
     if not found then return false; end if;
     insert into ledger.debit_limit as d (account_id, entry_max, day_max) values (p_account, p_entry_max, p_day_max)
       on conflict (account_id) do update set entry_max = excluded.entry_max, day_max = excluded.day_max;
     return true;
   end $body$`;

export const RESERVED_PARAMETERS = [
  ...SCANNED_PARAMETERS,
  'p_pending_entry int[]',
  'p_pending_kind smallint[]',
  'p_pending_ref uuid[]',
  'p_pending_account int[]',
  'p_pending_payee uuid[]',
  'p_pending_points bigint[]',
  'p_pending_hold_s int[]',
  'p_burn_entry int[]',
];

const TABLES = [
  `alter table ledger.account
     add column reserved bigint not null default 0,
     add column capped boolean not null default false,
     drop constraint account_not_overdrawn,
     add constraint account_not_overdrawn check (reserved >= 0 and (not limited or balance >= reserved))`,
  `create table ledger.pending (
     id uuid primary key,
     payer uuid not null,
     payee uuid not null,
     points bigint not null check (points > 0),
     reason text not null,
     rule_id text not null,
     rule_version int not null,
     request_hash uuid not null,
     shard smallint not null,
     at timestamptz not null,
     expires_at timestamptz not null,
     state text not null default 'pending' check (state in ('pending', 'posted', 'voided', 'expired')),
     posted_points bigint check (posted_points between 1 and points),
     transfer_id uuid unique,
     settled_at timestamptz,
     check ((state = 'posted') = (transfer_id is not null and posted_points is not null)),
     check ((state = 'pending') = (settled_at is null))
   ) with (fillfactor = 80)`,
  `create index pending_of_payer on ledger.pending (payer) where state = 'pending'`,
  `create table ledger.debit_limit (
     account_id uuid primary key,
     entry_max bigint check (entry_max >= 0),
     day_max bigint check (day_max >= 0),
     day date not null default '-infinity',
     spent bigint not null default 0
   )`,
  `create table ledger.burned (
     id uuid primary key,
     request_hash uuid not null,
     code smallint not null,
     at timestamptz not null
   )`,
  `create index burned_age on ledger.burned using brin (at)`,
  `grant select on ledger.pending, ledger.debit_limit, ledger.burned to ${APP_ROLE}`,
  SET_DEBIT_LIMIT,
  // an account's times rise with its versions, so the last one up to a moment is found by halving
  `create function ledger.balance_at(p_account uuid, p_at timestamptz) returns bigint
   language plpgsql stable set search_path = pg_catalog as $body$
   declare
     a record;
     v_low bigint; v_high bigint; v_middle bigint;
     v_balance bigint; v_sum bigint;
   begin
     for a in select stripe, version from ledger.account where account_id = p_account loop
       v_low := 0;
       v_high := a.version;
       v_balance := 0;
       while v_low < v_high loop
         v_middle := (v_low + v_high + 1) / 2;
         if (select t.at from ledger.posting p join ledger.transfer t on t.id = p.transfer_id
             where p.account_id = p_account and p.stripe = a.stripe and p.account_version_after = v_middle) <= p_at then
           v_low := v_middle;
         else
           v_high := v_middle - 1;
         end if;
       end loop;
       select p.balance_after into v_balance from ledger.posting p
         where p.account_id = p_account and p.stripe = a.stripe and p.account_version_after = v_low;
       v_sum := coalesce(v_sum, 0) + coalesce(v_balance, 0);
     end loop;
     return v_sum;
   end $body$`,
];

const DECLARED = `
  v_two_phase constant boolean := cardinality(p_pending_entry) > 0;
  v_reserved bigint[] := array_fill(0::bigint, array[cardinality(p_account)]);
  v_capped boolean;
  v_day date;
  v_entry_max bigint[];
  v_day_max bigint[];
  v_spent bigint[];
  v_held bigint[] := array_fill(0::bigint, array[cardinality(p_pending_entry)]);
  v_today boolean[];
  v_pending ledger.pending%rowtype;
  v_payee_closed boolean;
  h int;
`;

/** What accounts with a limit have spent today; nulls where there is none. */
const LOCKED = `  v_day := (v_now at time zone 'utc')::date;
  if v_capped then
    select array_agg(d.entry_max order by n.ix), array_agg(d.day_max order by n.ix),
           array_agg(case when d.day = v_day then d.spent when d.day is not null then 0 end order by n.ix)
      into v_entry_max, v_day_max, v_spent
      from unnest(p_account) with ordinality as n(account_id, ix)
        left join ledger.debit_limit d on d.account_id = n.account_id;
  end if;
`;

/** What a later version does besides with what is pending: each is a statement or a branch of the function. */
export interface MoreOfPending {
  /** Before the row `h` of something pending is looked at. */
  readonly looked: string;
  /** One more reason why the post `h` is refused. */
  readonly refusal: string;
  /** Before the points of the entry `i` are set aside; `continue` refuses it. */
  readonly aside: string;
  /** After the points of the void `h` were given back. */
  readonly givenBack: string;
  /** A column that is kept of it, and its value, each with its comma. */
  readonly column: string;
  readonly value: string;
}
const NO_MORE: MoreOfPending = {
  looked: '',
  refusal: '',
  aside: '',
  givenBack: '',
  column: '',
  value: '',
};

/** Ids of encounters follow from their evidence: they are never those of something pending. */
const knownWith = ({ looked, refusal }: MoreOfPending): string => `
    if cardinality(p_burn_entry) > 0 then
      for r in
        select e.ix, known.code, known.request_hash = p_hash[e.ix] as same
        from unnest(p_burn_entry) as e(ix)
          cross join lateral (
            select code, request_hash from ledger.burned where id = p_id[e.ix]
            union all
            select ${EXISTS}, request_hash from ledger.pending where id = p_id[e.ix]
            limit 1) known
        where e.ix between v_from and v_to
      loop
        if v_code[r.ix] = 0 then v_code[r.ix] := case when r.same then r.code else ${DIFFERENT} end; end if;
      end loop;
    end if;

    if v_two_phase then
      for h in 1..cardinality(p_pending_entry) loop
        i := p_pending_entry[h];
        continue when i < v_from or i > v_to or v_code[i] <> 0 or p_pending_kind[h] = ${PENDING_KIND.pending};
${looked}        select * into v_pending from ledger.pending where id = p_pending_ref[h] for update;
        if not found or v_pending.payer <> p_account[p_pending_account[h]]
            or p_pending_kind[h] = ${PENDING_KIND.post} and v_pending.payee <> p_pending_payee[h] then
          v_code[i] := ${code('pending_not_found')};
        elsif v_pending.state = 'posted' then v_code[i] := ${code('pending_already_posted')};
        elsif v_pending.state = 'voided' then
          v_code[i] := case p_pending_kind[h] when ${PENDING_KIND.voided} then ${EXISTS}
            else ${code('pending_already_voided')} end;
        elsif v_pending.state = 'expired' then
          v_code[i] := case p_pending_kind[h] when ${PENDING_KIND.expired} then ${EXISTS}
            else ${code('pending_expired')} end;
        elsif p_pending_kind[h] = ${PENDING_KIND.post} and v_now >= v_pending.expires_at then
          v_code[i] := ${code('pending_expired')};
        elsif p_pending_kind[h] = ${PENDING_KIND.post} and p_pending_points[h] > v_pending.points then
          v_code[i] := ${code('exceeds_pending')};
${refusal}        else
          v_held[h] := v_pending.points;
          v_today[h] := (v_pending.at at time zone 'utc')::date = v_day;
        end if;
      end loop;
    end if;
`;

/** Sets aside, gives back, and counts what is spent; legs are tried after it. */
const entryWith = ({ aside, givenBack }: MoreOfPending): string => `      h := null;
      if v_two_phase then
        h := array_position(p_pending_entry, i);
        if h is not null then
          k := p_pending_account[h];
          b := p_pending_points[h];
          if p_pending_kind[h] = ${PENDING_KIND.pending} then
            if (b > v_entry_max[k] or v_spent[k] + b > v_day_max[k]) is true then v_code[i] := ${LIMIT};
            elsif v_balance[k] is null then v_code[i] := ${UNKNOWN};
            elsif v_closed[k] then v_code[i] := ${CLOSED};
            elsif v_balance[k] - b < v_floor[k] then v_code[i] := ${INSUFFICIENT};
            else
              select bool_or(closed) into v_payee_closed from ledger.account where account_id = p_pending_payee[h];
              if v_payee_closed is null then v_code[i] := ${UNKNOWN};
              elsif v_payee_closed then v_code[i] := ${CLOSED};
              else
${aside}                v_floor[k] := v_floor[k] + b;
                v_reserved[k] := v_reserved[k] + b;
                v_spent[k] := v_spent[k] + b;
              end if;
            end if;
            continue;
          end if;
          v_floor[k] := v_floor[k] - v_held[h];
          v_reserved[k] := v_reserved[k] - v_held[h];
          if v_today[h] then v_spent[k] := v_spent[k] - v_held[h] + b; end if;
${givenBack}          continue when p_pending_kind[h] <> ${PENDING_KIND.post};
        end if;
      end if;
      if v_capped and h is null then
        for j in p_leg_from[i]..p_leg_from[i + 1] - 1 loop
          k := p_leg_account[j];
          if p_leg_delta[j] < 0
              and (-p_leg_delta[j] > v_entry_max[k] or v_spent[k] - p_leg_delta[j] > v_day_max[k]) is true then
            v_code[i] := ${LIMIT};
          end if;
        end loop;
        continue when v_code[i] <> 0;
        for j in p_leg_from[i]..p_leg_from[i + 1] - 1 loop
          if p_leg_delta[j] < 0 then
            v_spent[p_leg_account[j]] := v_spent[p_leg_account[j]] - p_leg_delta[j];
          end if;
        end loop;
      end if;
`;

/** As if the entry had not been tried. */
const REFUSED = `          if h is not null then
            k := p_pending_account[h];
            v_floor[k] := v_floor[k] + v_held[h];
            v_reserved[k] := v_reserved[k] + v_held[h];
            if v_today[h] then v_spent[k] := v_spent[k] + v_held[h] - p_pending_points[h]; end if;
          elsif v_capped then
            for u in p_leg_from[i]..p_leg_from[i + 1] - 1 loop
              if p_leg_delta[u] < 0 then
                v_spent[p_leg_account[u]] := v_spent[p_leg_account[u]] + p_leg_delta[u];
              end if;
            end loop;
          end if;
`;

const writtenWith = ({ column, value }: MoreOfPending, burned: readonly CommitCode[]): string => `
    if v_two_phase then
      insert into ledger.pending (id, payer, payee, points, reason, rule_id, rule_version, request_hash, shard, at, expires_at${column})
        select p_id[n.entry], p_account[n.account], n.payee, n.points, p_reason[n.entry], p_rule[n.entry],
          p_rule_version[n.entry], p_hash[n.entry], p_fence_shard[p_fence[n.entry]], v_now,
          v_now + make_interval(secs => n.hold_s)${value}
        from unnest(p_pending_entry, p_pending_kind, p_pending_account, p_pending_payee, p_pending_points, p_pending_hold_s)
          as n(entry, kind, account, payee, points, hold_s)
        where n.kind = ${PENDING_KIND.pending} and n.entry between v_from and v_to and v_code[n.entry] = 0;
      update ledger.pending p set settled_at = v_now,
          state = case n.kind when ${PENDING_KIND.post} then 'posted' when ${PENDING_KIND.voided} then 'voided' else 'expired' end,
          posted_points = case n.kind when ${PENDING_KIND.post} then n.points end,
          transfer_id = case n.kind when ${PENDING_KIND.post} then p_id[n.entry] end
        from unnest(p_pending_entry, p_pending_kind, p_pending_ref, p_pending_points) as n(entry, kind, ref, points)
        where p.id = n.ref and n.kind <> ${PENDING_KIND.pending} and n.entry between v_from and v_to and v_code[n.entry] = 0;
    end if;
    if cardinality(p_burn_entry) > 0 and v_code && '{${burned.map(code).join(',')}}'::smallint[] then
      insert into ledger.burned (id, request_hash, code, at)
        select p_id[n.entry], p_hash[n.entry], v_code[n.entry], v_now from unnest(p_burn_entry) as n(entry)
        where n.entry between v_from and v_to
          and v_code[n.entry] in (${burned.map(code).join(', ')})
        on conflict (id) do nothing;
    end if;
`;

/** In one statement: a check sees no balance without what is set aside of it. */
const UPDATED = `  if v_two_phase then
    update ledger.account a set balance = n.balance, version = n.version, reserved = a.reserved + n.reserved
      from unnest(v_place, v_balance, v_version, v_before, v_reserved) as n(place, balance, version, before, reserved)
      where a.ctid = n.place and (n.version > n.before or n.reserved <> 0);
  else
  ${UPDATE.replaceAll('\n', '\n  ')}
  end if;
  if v_capped then
    update ledger.debit_limit d set day = v_day, spent = n.spent
      from unnest(p_account, v_spent) as n(account_id, spent)
      where d.account_id = n.account_id and n.spent is not null;
  end if;`;

/** Nothing moves when points are set aside or given back: that is no transfer, and no event of one. */
export const MOVED = 'and p_leg_from[n.ix + 1] > p_leg_from[n.ix]';
/** Refusals that stay. */
export const BURNED: readonly CommitCode[] = [
  'insufficient_points',
  'account_unknown',
  'account_closed',
  'limit_exceeded',
];

/** How the function sets points aside, from this version on. */
export const reservedPieces = (
  more: MoreOfPending = NO_MORE,
  burned: readonly CommitCode[] = BURNED,
): CommitPieces => ({
  ...SCANNED_PIECES,
  declared: `${SCANNED_PIECES.declared}${DECLARED}`,
  accountColumns: ', a.reserved, a.capped',
  accountLists: ', v_capped',
  accountValues: ', bool_or(l.capped)',
  floor: 'l.reserved',
  locked: LOCKED,
  known: `${SCANNED_PIECES.known}${knownWith(more)}`,
  entry: entryWith(more),
  refused: REFUSED,
  written: `${SCANNED_PIECES.written}${writtenWith(more, burned)}`,
  update: UPDATED,
  transfers: STAMPED_TRANSFER.replace('where n.code = 0', `where n.code = 0 ${MOVED}`),
});
export const RESERVED_OUTBOX = TRACED_ROW_PER_GROUP.replaceAll(
  'where n.code = 0',
  `where n.code = 0 ${MOVED}`,
);

/** What is posted, held, rejected, or set aside. */
const RESERVED_EFFECTS = HELD_EFFECTS.replace(
  /from meet\.hold h where h\.encounter_id = any \(p_ids\) and h\.verdict <> 'released'/,
  `$&
    union all
    select p.id, jsonb_build_object(
      'atMs', (extract(epoch from p.at) * 1000)::bigint, 'hash', p.request_hash, 'payer', p.payer, 'state', p.state)
    from ledger.pending p where p.id = any (p_ids)
      and not exists (select from ledger.transfer t where t.id = p.id)
      and not exists (select from meet.hold h where h.encounter_id = p.id and h.verdict <> 'released')`,
);

const granted = (migration: Migration): void => {
  migration.addSql('revoke execute on all functions in schema ledger from public');
  migration.addSql(`grant execute on function ledger.commit_group to ${APP_ROLE}`);
};

export class Reservations extends Migration {
  override up(): void {
    for (const sql of TABLES) this.addSql(sql);
    this.addSql('drop function ledger.commit_group');
    this.addSql(commitFunction(RESERVED_PARAMETERS, RESERVED_OUTBOX, reservedPieces()));
    this.addSql(RESERVED_EFFECTS);
    granted(this);
    this.addSql(`grant execute on function ledger.set_debit_limit, ledger.balance_at to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ledger.commit_group, ledger.set_debit_limit, ledger.balance_at');
    this.addSql(HELD_EFFECTS);
    // what is set aside is in no version before: its points are the payer's again
    this.addSql(`delete from ops.idempotency i using ledger.pending p where i.transfer_id = p.id`);
    this.addSql('drop table ledger.pending, ledger.debit_limit, ledger.burned');
    this.addSql(`alter table ledger.account drop constraint account_not_overdrawn, drop column reserved, drop column capped,
      add constraint account_not_overdrawn check (not limited or balance >= 0)`);
    this.addSql(commitFunction(SCANNED_PARAMETERS, TRACED_ROW_PER_GROUP, SCANNED_PIECES));
    granted(this);
  }
}
