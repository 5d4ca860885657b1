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

/** What later versions do otherwise, or besides; as it stands here it is this version. */
export interface ErasePieces {
  readonly parameters?: string;
  /** Nobody of this id is there. */
  readonly absent?: string;
  /** While what names the person is there still. */
  readonly first?: string;
  readonly readModel?: string;
  /** The operator and what the line of the trail says, each as SQL. */
  readonly operator?: string;
  readonly detail?: string;
  /** What is said of it. */
  readonly told?: string;
}

export const eraseFunction = ({
  parameters = 'p_user uuid',
  absent = `return 'absent';`,
  first = '',
  readModel = `
  update users.person set zip = null where user_id = p_user;`,
  operator = 'null',
  detail = `'{"by": "the person"}'`,
  told = '',
}: ErasePieces = {}): string => `
create function ops.erase_person(${parameters}) returns text
language plpgsql volatile security definer set search_path = pg_catalog
as $body$
begin
  perform from user_schema.users where id = p_user for update;
  if not found then ${absent} end if;
  -- in the order in which groups take them: what is under way is either seen below, or meets a closed account
  perform from ledger.account where account_id = p_user order by stripe for update;
  if exists (select from ledger.pending where state = 'pending' and p_user in (payer, payee)) then return 'reserved'; end if;
  if exists (select from giving.catalog where account = p_user) then return 'listed'; end if;
  if exists (select from market.offer where merchant = p_user and state = 'published') then return 'selling'; end if;
  update ledger.account set closed = true where account_id = p_user;${first}
  -- credential, officer, devices and what was seen of them go with it
  delete from user_schema.users where id = p_user;
  delete from ops.user_event where user_id = p_user;
  delete from ops.answer where user_id = p_user;
  delete from ops.idempotency where user_id = p_user;
  delete from ops.actor_timer where kind = 'user' and actor = p_user::text;
  delete from giving.fee f where f.payer = p_user and not exists (select from ledger.transfer t where t.id = f.id);${readModel}
  insert into ops.operator_audit (operator_id, action, user_id, detail)
    values (${operator}, 'person.erase', p_user, ${detail});${told}
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
