/**
 * The role that serves may see the names of what is applied of the schema, and no more: a node that was not given the
 * owner's URL cannot bring the database up to date, but must know whether it is.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

export class SchemaVersion extends Migration {
  override up(): void {
    this.addSql(`grant select (name) on ops.migration to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql(`revoke select (name) on ops.migration from ${APP_ROLE}`);
  }
}
