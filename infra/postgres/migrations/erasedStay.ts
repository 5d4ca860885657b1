/**
 * Version 35: whoever was erased stays so in what follows from here, whatever is told later and however often.
 *
 * An erasure leaves a row without a zip code in the read model, also where the sign-up is still on its way there: the key
 * makes the two wait for each other, and the reader never changes a row that is there. The sign-up that waits in the outbox
 * loses its zip code, so that no stream and no archive gets it any more. And what came too late before this version goes.
 *
 * An operator may erase somebody, too: then the line names the operator. Who was erased before is said to be, without
 * another line; a node of the version before names no operator, and calls it as it did.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';
import { OUTBOX_TARGET } from '../outboxTargets.ts';
import { eraseFunction } from './erasure.ts';
import { ERASED } from './toldChanges.ts';

const ERASE = eraseFunction({
  parameters: 'p_user uuid, p_operator uuid default null',
  absent: `return case
    when exists (select from ops.operator_audit where user_id = p_user and action = 'person.erase') then 'erased'
    else 'absent' end;`,
  first: `
  insert into users.person (user_id, kind, zip, at)
    select id, kind, null, created_at from user_schema.users where id = p_user
    on conflict (user_id) do update set zip = null;
  update ops.outbox set payload = jsonb_set(payload, '{data,zip}', 'null')
    where target = ${OUTBOX_TARGET.userEvents} and keys = array[p_user] and payload ->> 'type' = 'user.registered';`,
  readModel: '',
  operator: 'p_operator',
  detail: `jsonb_build_object('by', case when p_operator is null then 'the person' else 'an operator' end)`,
  told: ERASED,
});

const CAME_TOO_LATE = `
update users.person p set zip = null
where zip is not null
  and exists (select from ops.operator_audit a where a.user_id = p.user_id and a.action = 'person.erase')`;

export class ErasedStay extends Migration {
  override up(): void {
    this.addSql('drop function ops.erase_person');
    this.addSql(ERASE);
    this.#grant();
    this.addSql(CAME_TOO_LATE);
  }

  override down(): void {
    this.addSql('drop function ops.erase_person');
    this.addSql(eraseFunction({ told: ERASED }));
    this.#grant();
  }

  #grant(): void {
    this.addSql('revoke execute on function ops.erase_person from public');
    this.addSql(`grant execute on function ops.erase_person to ${APP_ROLE}`);
  }
}
