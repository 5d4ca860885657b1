/** Version 32: a day of a merchant that is kept is told to the stream of transactions in the same commit, once. */
import { Migration } from '@mikro-orm/migrations';
import { OUTBOX_TARGET } from '../outboxTargets.ts';
import { closeFunction } from './settlements.ts';

/** Without the offers: their titles are the merchant's words. */
export const TELL_CLOSED = `
  if found then
    insert into ops.outbox (target, keys, payload) values (${OUTBOX_TARGET.transactions}, array[p_merchant],
      jsonb_build_object('type', 'settlement.closed',
        'data', jsonb_build_object('merchant', p_merchant, 'day', p_day) || (v_report - 'offers')));
  end if;`;

/** Who may call it stays as it is. */
const replaced = (sql: string): string => sql.replace('create function', 'create or replace function');

export class ToldSettlements extends Migration {
  override up(): void {
    this.addSql(replaced(closeFunction(TELL_CLOSED)));
  }

  override down(): void {
    this.addSql(replaced(closeFunction()));
  }
}
