/**
 * Version 12: encounters that are held for review: they count for the cooldown of the pair, and nothing is posted.
 *
 * `meet.hold` holds the encounter as it was proved, with the bits of what speaks against it. It is no row of
 * `meet.encounter`, so that whatever counts, lists or pays encounters knows nothing of it. An operator's verdict is an
 * entry of a group like any other, fenced and repeatable:
 * - released: the encounter is posted as if it came now, under its own id, which is the primary key of its transfer: it
 *   cannot be posted twice. Its row in `meet.encounter` has the time at which the two met.
 * - rejected: the row says so, for ever; nothing else happens.
 * Whatever the verdict, the id is taken: no other transfer gets it.
 *
 * Numbers that the commit function answers from here on: 9 held, 10 not held (any more), 11 rejected, 99 a stale epoch.
 */
import { Migration } from '@mikro-orm/migrations';
import { COMMIT_CODES, MINT_ACCOUNT } from '../../../actors/durable.ts';
import { METHODS } from '../../../protocol/catalogue.ts';
import { APP_ROLE } from '../limits.ts';
import { type CommitPieces, commitFunction, EFFECT } from './commitGroup.ts';
import { ZIPPED, ZIPPED_PIECES } from './places.ts';
import { TRACED_ROW_PER_GROUP } from './stamps.ts';

/** Stands for a stale epoch; beyond every word of COMMIT_CODES. */
export const STALE = 99;
const HELD = COMMIT_CODES.indexOf('held');
const NOT_HELD = COMMIT_CODES.indexOf('not_held');
const REJECTED = COMMIT_CODES.indexOf('rejected');

/** Bits of each meeting; the entries that are reviews, and whether they release. */
export const HELD_PARAMETERS = [
  ...ZIPPED,
  'p_meet_trust int[]',
  'p_review_entry int[]',
  'p_review_release boolean[]',
];

const TABLE = [
  `create table meet.hold (
     encounter_id uuid primary key,
     officer uuid not null,
     civilian uuid not null,
     method text not null check (method in (${METHODS.map(word => `'${word}'`).join(', ')})),
     cell text not null,
     zip text,
     at timestamptz not null,
     officer_points bigint not null,
     civilian_points bigint not null,
     trust int not null check (trust > 0),
     rule_id text not null,
     rule_version int not null,
     request_hash uuid not null,
     shard smallint not null,
     verdict text not null default 'held' check (verdict in ('held', 'released', 'rejected')),
     decided_at timestamptz
   )`,
  `create index hold_waiting on meet.hold (at) where verdict = 'held'`,
  `create index hold_of_officer on meet.hold (officer, at)`,
  `create index hold_of_civilian on meet.hold (civilian, at)`,
  `create index hold_age on meet.hold (shard, greatest(at, decided_at))`,
  `grant select on meet.hold to ${APP_ROLE}`,
];

/** Ids that are held or rejected already, and reviews: what becomes of them. */
const KNOWN = `
    for r in
      select n.ix, h.verdict, h.request_hash = n.hash as same
      from unnest(p_id, p_hash) with ordinality as n(id, hash, ix)
        cross join lateral (select verdict, request_hash from meet.hold
          where encounter_id = n.id and verdict <> 'released' limit 1) h
      where n.ix between v_from and v_to and n.ix <> all (p_review_entry)
    loop
      if v_code[r.ix] = 0 then
        v_code[r.ix] := case when not r.same then 2 when r.verdict = 'held' then ${HELD} else ${REJECTED} end;
      end if;
    end loop;

    if cardinality(p_review_entry) > 0 then
      for k in 1..cardinality(p_review_entry) loop
        i := p_review_entry[k];
        continue when i < v_from or i > v_to or v_code[i] not in (0, 1, 2);
        v_verdict := null;
        select verdict into v_verdict from meet.hold
          where encounter_id = p_id[i] and request_hash = p_hash[i] for update;
        if p_review_release[k] then
          if v_code[i] = 0 and v_verdict is distinct from 'held' then v_code[i] := ${NOT_HELD}; end if;
        elsif v_code[i] > 0 or v_verdict is null or v_verdict = 'released' then v_code[i] := ${NOT_HELD};
        else
          if v_verdict = 'held' then
            update meet.hold set verdict = 'rejected', decided_at = v_now where encounter_id = p_id[i];
          end if;
          v_code[i] := ${REJECTED};
        end if;
      end loop;
    end if;
`;

/** Of the meetings that may count, those that are looked at first. */
const MET = `      for r in
        select n.entry from unnest(p_meet_entry, p_meet_trust) as n(entry, trust)
          where n.trust > 0 and n.entry between v_from and v_to and v_code[n.entry] = 0
      loop
        v_code[r.entry] := ${HELD};
        v_new := v_new || r.entry;
      end loop;
`;

/** What a later version keeps of a meeting besides, where it stands in the list of a statement; each with its comma. */
export interface MoreOfMeeting {
  readonly column: string;
  readonly parameter: string;
  readonly name: string;
  readonly value: string;
  readonly ofHold: string;
}
const NO_MORE: MoreOfMeeting = { column: '', parameter: '', name: '', value: '', ofHold: '' };

const writtenWith = ({ column, parameter, name, value, ofHold }: MoreOfMeeting): string => `
    if cardinality(v_new) > 0 then
      insert into meet.hold (encounter_id, officer, civilian, method, cell, zip, at, officer_points, civilian_points, trust,
          rule_id, rule_version, request_hash, shard${column})
        select p_id[n.entry], n.officer, n.civilian, n.method, n.cell, n.zip, v_now, n.officer_points, n.civilian_points,
          n.trust, p_rule[n.entry], p_rule_version[n.entry], p_hash[n.entry], p_fence_shard[p_fence[n.entry]]${value}
        from unnest(p_meet_entry, p_meet_officer, p_meet_civilian, p_meet_method, p_meet_cell,
            p_meet_officer_points, p_meet_civilian_points, p_meet_trust, p_meet_zip${parameter})
          as n(entry, officer, civilian, method, cell, officer_points, civilian_points, trust, zip${name})
        where n.entry = any (v_new);
      v_new := '{}';
    end if;
    if cardinality(p_review_entry) > 0 then
      insert into meet.encounter (id, officer, civilian, method, cell, at, officer_points, civilian_points, zip${column})
        select h.encounter_id, h.officer, h.civilian, h.method, h.cell, h.at, h.officer_points, h.civilian_points, h.zip${ofHold}
        from unnest(p_review_entry) as n(entry) join meet.hold h on h.encounter_id = p_id[n.entry]
        where n.entry between v_from and v_to and v_code[n.entry] = 0;
      update meet.hold h set verdict = 'released', decided_at = v_now
        from unnest(p_review_entry) as n(entry)
        where h.encounter_id = p_id[n.entry] and n.entry between v_from and v_to and v_code[n.entry] = 0;
    end if;
`;

/** How the function holds and reviews, from this version on. */
export const heldPieces = (more: MoreOfMeeting = NO_MORE): CommitPieces => ({
  ...ZIPPED_PIECES,
  stale: STALE,
  declared: `  v_new int[] := '{}';\n  v_verdict text;\n`,
  known: KNOWN,
  met: MET,
  written: writtenWith(more),
  kept: `v_code[n.entry] in (0, 1, ${HELD}, ${REJECTED})`,
});

/** What is posted, and what is held or rejected. */
export const HELD_EFFECTS = `
create or replace function ledger.effects_of(p_ids uuid[]) returns jsonb
language sql stable set search_path = pg_catalog
begin atomic
  select coalesce(jsonb_object_agg(e.id, e.effect), '{}') from (
    select t.id, jsonb_build_object(
      'atMs', (extract(epoch from t.at) * 1000)::bigint, 'hash', t.request_hash,
      'postings', (
        select jsonb_agg(jsonb_build_object('account', p.account_id, 'delta', p.delta,
                 'balance', p.balance_after, 'version', p.account_version_after) order by p.seq)
        from ledger.posting p where p.transfer_id = t.id and p.account_id <> '${MINT_ACCOUNT}')) as effect
    from ledger.transfer t where t.id = any (p_ids)
    union all
    select h.encounter_id, jsonb_build_object(
      'atMs', (extract(epoch from h.at) * 1000)::bigint, 'hash', h.request_hash, 'verdict', h.verdict)
    from meet.hold h where h.encounter_id = any (p_ids) and h.verdict <> 'released') e;
end`;

export class Holds extends Migration {
  override up(): void {
    for (const sql of TABLE) this.addSql(sql);
    this.addSql('drop function ledger.commit_group');
    this.addSql(commitFunction(HELD_PARAMETERS, TRACED_ROW_PER_GROUP, heldPieces()));
    this.addSql(HELD_EFFECTS);
    this.addSql('revoke execute on function ledger.commit_group from public');
    this.addSql(`grant execute on function ledger.commit_group to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ledger.commit_group');
    this.addSql(EFFECT);
    // what was held is in no version before: with the table the keys go that led to nothing else
    this.addSql(`delete from ops.idempotency i using meet.hold h
      where i.transfer_id = h.encounter_id and h.verdict <> 'released'`);
    this.addSql('drop table meet.hold');
    this.addSql(commitFunction(ZIPPED, TRACED_ROW_PER_GROUP, ZIPPED_PIECES));
    this.addSql('revoke execute on function ledger.commit_group from public');
    this.addSql(`grant execute on function ledger.commit_group to ${APP_ROLE}`);
  }
}
