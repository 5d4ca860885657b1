/**
 * Devices that were seen: which ones, when first and last, with which version of the app. Written behind by the doors, so
 * it is a help for people ("is this mine?") and proof of nothing; which device an account lives on stands elsewhere.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

export class SeenDevices extends Migration {
  override up(): void {
    this.addSql(`create table user_schema.seen_device (
      user_id uuid not null references user_schema.users (id) on delete cascade,
      device_id text not null,
      app text,
      first_seen timestamptz not null,
      last_seen timestamptz not null,
      primary key (user_id, device_id)
    )`);
    this.addSql(`grant select, insert, update on user_schema.seen_device to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop table user_schema.seen_device');
  }
}
