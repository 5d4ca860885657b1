/**
 * Version 3: one outbox row per group and target, with the keys and events of the whole group.
 *
 * A row and an index entry for each event and each balance were a quarter of what a commit cost PostgreSQL, and as much
 * again to delete. A group is written, read and removed as one; a publisher that got only some of it through shrinks
 * the row. The order of rows, and of the events inside a row, is the order per key.
 */
import { Migration } from '@mikro-orm/migrations';
import { MINT_ACCOUNT } from '../../../actors/durable.ts';
import { APP_ROLE } from '../limits.ts';
import { OUTBOX_TARGET } from '../outboxTargets.ts';
import { commitFunction, PARAMETERS, ROW_PER_EVENT } from './commitGroup.ts';

export const ROW_PER_GROUP = `
  insert into ops.outbox (target, keys, event_ids, created_at)
    select ${OUTBOX_TARGET.transactions}, array_agg(n.subject order by n.ix), array_agg(n.id order by n.ix), v_now
      from unnest(p_id, p_subject, v_code) with ordinality as n(id, subject, code, ix)
      where n.code = 0 having count(*) > 0;
  insert into ops.outbox (target, keys, created_at)
    select ${OUTBOX_TARGET.balances}, array_agg(n.account), v_now
      from unnest(p_account, v_version, v_before) as n(account, version, before)
      where n.version > n.before and n.account <> '${MINT_ACCOUNT}' having count(*) > 0;`;

/** The shard of an account was only for the outbox. */
export const LESS = PARAMETERS.filter(one => !one.startsWith('p_account_fence '));

export class OutboxByGroup extends Migration {
  override up(): void {
    this.addSql('alter table ops.outbox add column keys uuid[], add column event_ids uuid[]');
    this.addSql(`update ops.outbox set keys = array[key],
      event_ids = case when event_id is not null then array[event_id] end`);
    this.addSql('alter table ops.outbox alter column keys set not null');
    this.addSql('alter table ops.outbox drop column key, drop column event_id, drop column shard');
    // trying to compress ids is in vain
    this.addSql('alter table ops.outbox alter column keys set storage external');
    this.addSql('alter table ops.outbox alter column event_ids set storage external');
    this.addSql(`grant update (keys, event_ids) on ops.outbox to ${APP_ROLE}`);
    this.addSql('drop function ledger.commit_group');
    this.addSql(commitFunction(LESS, ROW_PER_GROUP));
    this.addSql('revoke execute on function ledger.commit_group from public');
    this.addSql(`grant execute on function ledger.commit_group to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ledger.commit_group');
    this.addSql(
      'alter table ops.outbox add column key uuid, add column event_id uuid, add column shard smallint',
    );
    this.addSql(`with grouped as (delete from ops.outbox returning *)
      insert into ops.outbox (target, keys, key, event_id, shard, payload, created_at)
      select g.target, '{}', n.key, n.event_id, 0, g.payload, g.created_at
      from grouped g cross join lateral unnest(g.keys, g.event_ids) with ordinality as n(key, event_id, ord)
      order by g.id, n.ord`);
    this.addSql('alter table ops.outbox alter column key set not null, alter column shard set not null');
    this.addSql('alter table ops.outbox drop column keys, drop column event_ids');
    this.addSql(commitFunction(PARAMETERS, ROW_PER_EVENT));
    this.addSql('revoke execute on function ledger.commit_group from public');
    this.addSql(`grant execute on function ledger.commit_group to ${APP_ROLE}`);
  }
}
