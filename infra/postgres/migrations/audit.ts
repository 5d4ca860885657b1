/**
 * Version 9: what operators looked at and did. Whoever serves may add a line and read, and cannot say when it was: the time
 * is the database's. Nobody who serves can change a line or take it back, and it stays when the person or the operator goes.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

export class Audit extends Migration {
  override up(): void {
    this.addSql(`create table ops.operator_audit (
      number bigint generated always as identity primary key,
      at timestamptz not null default clock_timestamp(),
      operator_id uuid,
      action text not null check (length(action) between 1 and 64),
      user_id uuid,
      detail jsonb not null default '{}' check (jsonb_typeof(detail) = 'object')
    )`);
    this.addSql('create index operator_audit_user on ops.operator_audit (user_id, number)');
    this.addSql(`grant select on ops.operator_audit to ${APP_ROLE}`);
    this.addSql(`grant insert (operator_id, action, user_id, detail) on ops.operator_audit to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop table ops.operator_audit');
  }
}
