/**
 * Access tokens that were revoked before they expired. Few and short-lived: a row is deleted when no token that it speaks
 * of can be alive. Gateways read what is new twice a second, hence the index on the time of adding.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

export class Revocations extends Migration {
  override up(): void {
    this.addSql(`create table identity_schema.revocation (
      id uuid primary key,
      user_id uuid,
      token_id uuid,
      spared_device text,
      issued_until_ms bigint not null,
      expires_at_ms bigint not null,
      added_at timestamptz not null default now(),
      check (user_id is not null or token_id is not null)
    )`);
    this.addSql('create index revocation_added on identity_schema.revocation (added_at)');
    this.addSql('create index revocation_expires on identity_schema.revocation (expires_at_ms)');
    this.addSql(`grant select, insert, delete on identity_schema.revocation to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop table identity_schema.revocation');
  }
}
