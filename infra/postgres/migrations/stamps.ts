/**
 * Version 4: every transfer says under which ownership it was committed, and events carry their trace.
 *
 * `ledger.transfer.shard` and `.epoch` are the shard and the epoch that the commit function checked. They are for two
 * readers. Stream records are stamped with them (Kinesis cannot fence; a consumer can tell what an older owner did). And
 * who takes over the shards of a dead node can ask what was committed there lately, to tell it again:
 *
 *   select t.id, t.epoch, t.at, e.officer, e.civilian, e.method, e.officer_points, e.civilian_points
 *     from ledger.transfer t join meet.encounter e on e.id = t.id
 *     where t.shard = any ($1) and t.at > now() - interval '1 minute' order by t.at
 *
 * Rows of an epoch that is minted here are all visible when the mint returns: it waits for the groups under way. The
 * time is an index by block ranges, because rows come in its order: a few pages instead of an entry for every transfer.
 * Transfers from before this version have neither shard nor epoch.
 *
 * The trace stands in the outbox, not in the ledger: it is of use until the event is published, and then never again.
 *
 * An outbox row that shrinks keeps the places of what is left (the others become null), because a record's place is a
 * part of its number: the same event has the same number, however often it is sent.
 */
import { Migration } from '@mikro-orm/migrations';
import { MINT_ACCOUNT } from '../../../actors/durable.ts';
import { APP_ROLE } from '../limits.ts';
import { OUTBOX_TARGET } from '../outboxTargets.ts';
import { commitFunction } from './commitGroup.ts';
import { LESS, ROW_PER_GROUP } from './outboxByGroup.ts';

/** The traces of the entries, or an empty array when none of them has one. */
export const MORE = [...LESS, 'p_trace text[]'];

export const STAMPED_TRANSFER = `    insert into ledger.transfer (id, reason, rule_id, rule_version, request_hash, at, epoch, shard)
      select n.id, n.reason, n.rule, n.rule_version, n.hash, v_now, p_fence_epoch[n.fence], p_fence_shard[n.fence]
      from unnest(p_id, p_reason, p_rule, p_rule_version, p_hash, v_code, p_fence) with ordinality
        as n(id, reason, rule, rule_version, hash, code, fence, ix)
      where n.code = 0 and n.ix between v_from and v_to;`;

export const TRACED_ROW_PER_GROUP = `  if cardinality(p_trace) > 0 then
    insert into ops.outbox (target, keys, event_ids, traces, created_at)
      select ${OUTBOX_TARGET.transactions}, array_agg(n.subject order by n.ix), array_agg(n.id order by n.ix),
          array_agg(n.trace order by n.ix), v_now
        from unnest(p_id, p_subject, v_code, p_trace) with ordinality as n(id, subject, code, trace, ix)
        where n.code = 0 having count(*) > 0;
  else
    insert into ops.outbox (target, keys, event_ids, created_at)
      select ${OUTBOX_TARGET.transactions}, array_agg(n.subject order by n.ix), array_agg(n.id order by n.ix), v_now
        from unnest(p_id, p_subject, v_code) with ordinality as n(id, subject, code, ix)
        where n.code = 0 having count(*) > 0;
  end if;
  insert into ops.outbox (target, keys, created_at)
    select ${OUTBOX_TARGET.balances}, array_agg(n.account), v_now
      from unnest(p_account, v_version, v_before) as n(account, version, before)
      where n.version > n.before and n.account <> '${MINT_ACCOUNT}' having count(*) > 0;`;

export class Stamps extends Migration {
  override up(): void {
    this.addSql('alter table ledger.transfer add column epoch bigint, add column shard smallint');
    this.addSql('create index transfer_age on ledger.transfer using brin (at) with (pages_per_range = 32)');
    this.addSql('alter table ops.outbox add column traces text[]');
    this.addSql('alter table ops.outbox alter column traces set storage external');
    this.addSql('drop function ledger.commit_group');
    this.addSql(commitFunction(MORE, TRACED_ROW_PER_GROUP, { transfers: STAMPED_TRANSFER }));
    this.addSql('revoke execute on function ledger.commit_group from public');
    this.addSql(`grant execute on function ledger.commit_group to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ledger.commit_group');
    this.addSql('drop index ledger.transfer_age');
    this.addSql('alter table ops.outbox drop column traces');
    this.addSql(`update ops.outbox set keys = array_remove(keys, null), event_ids = array_remove(event_ids, null)
      where array_position(keys, null) is not null`);
    this.addSql('alter table ledger.transfer drop column epoch, drop column shard');
    this.addSql(commitFunction(LESS, ROW_PER_GROUP));
    this.addSql('revoke execute on function ledger.commit_group from public');
    this.addSql(`grant execute on function ledger.commit_group to ${APP_ROLE}`);
  }
}
