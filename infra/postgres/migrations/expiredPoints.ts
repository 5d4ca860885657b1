/**
 * Version 26: points whose time is over.
 *
 * - The account to which they go. It is one row: a group updates it once, however many points expire with it.
 * - `ledger.unspent`: what is left of what came to an account, by the step of time in which it came. What came first is spent
 *   first, so it is the newest credits, as many as make up what can be spent: the walk begins at the newest posting and ends
 *   with the last point. It takes no row for each lot, and nothing is written while points move.
 */
import { Migration } from '@mikro-orm/migrations';
import { EXPIRED_ACCOUNT } from '../../../actors/durable.ts';
import { APP_ROLE } from '../limits.ts';

const UNSPENT = `
create function ledger.unspent(p_account uuid, p_version bigint, p_points bigint, p_step_ms bigint)
  returns table (step bigint, points bigint)
language plpgsql stable set search_path = pg_catalog as $body$
declare
  r record;
  v_left bigint := p_points;
  v_step bigint;
begin
  points := 0;
  if v_left > 0 then
    for r in
      select t.at, p.delta from ledger.posting p
        cross join lateral (select one.at from ledger.transfer one where one.id = p.transfer_id offset 0) t
      where p.account_id = p_account and p.stripe = 0 and p.account_version_after <= p_version and p.delta > 0
      order by p.account_version_after desc
    loop
      v_step := floor(extract(epoch from r.at) * 1000 / p_step_ms);
      if points > 0 and v_step <> step then
        return next;
        points := 0;
      end if;
      step := v_step;
      points := points + least(r.delta, v_left);
      v_left := v_left - least(r.delta, v_left);
      exit when v_left = 0;
    end loop;
    if points > 0 then return next; end if;
  end if;
end $body$`;

export class ExpiredPoints extends Migration {
  override up(): void {
    this.addSql(`insert into ledger.account (account_id) values ('${EXPIRED_ACCOUNT}')`);
    this.addSql(UNSPENT);
    this.addSql('revoke execute on function ledger.unspent from public');
    this.addSql(`grant execute on function ledger.unspent to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ledger.unspent');
    // with points it stays: no entry is ever lost
    this.addSql(`delete from ledger.account where account_id = '${EXPIRED_ACCOUNT}' and version = 0`);
  }
}
