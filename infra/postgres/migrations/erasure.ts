/**
 * Version 24: the end of a person (`nodes/personPort.ts`).
 *
 * What names somebody goes: handle, password, badge, zip code, devices, events on their way to the phone, what commands were
 * answered, timers. What remains has the id alone: the ledger with its account closed, encounters, redemptions, the audit
 * log. Nothing leads from the id to a person any more, here or in the streams, which never had more than id, kind and zip.
 *
 * Whoever serves cannot do any of it by hand: the function asks first whether something of others still hangs on the account.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

/** @param told what a later version says of it */
export const eraseFunction = (told = ''): string => `
create function ops.erase_person(p_user uuid) returns text
language plpgsql volatile security definer set search_path = pg_catalog
as $body$
begin
  perform from user_schema.users where id = p_user for update;
  if not found then return 'absent'; end if;
  -- in the order in which groups take them: what is under way is either seen below, or meets a closed account
  perform from ledger.account where account_id = p_user order by stripe for update;
  if exists (select from ledger.pending where state = 'pending' and p_user in (payer, payee)) then return 'reserved'; end if;
  if exists (select from giving.catalog where account = p_user) then return 'listed'; end if;
  if exists (select from market.offer where merchant = p_user and state = 'published') then return 'selling'; end if;
  update ledger.account set closed = true where account_id = p_user;
  -- credential, officer, devices and what was seen of them go with it
  delete from user_schema.users where id = p_user;
  delete from ops.user_event where user_id = p_user;
  delete from ops.answer where user_id = p_user;
  delete from ops.idempotency where user_id = p_user;
  delete from ops.actor_timer where kind = 'user' and actor = p_user::text;
  delete from giving.fee f where f.payer = p_user and not exists (select from ledger.transfer t where t.id = f.id);
  update users.person set zip = null where user_id = p_user;
  insert into ops.operator_audit (action, user_id, detail) values ('person.erase', p_user, '{"by": "the person"}');${told}
  return 'erased';
end
$body$`;

export class Erasure extends Migration {
  override up(): void {
    this.addSql(eraseFunction());
    this.addSql('revoke execute on function ops.erase_person from public');
    this.addSql(`grant execute on function ops.erase_person to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ops.erase_person');
  }
}
