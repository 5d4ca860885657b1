/**
 * Version 8: further devices of accounts that may have several, such as the tills of a merchant. The device that an account
 * was opened on, or moved to, stays where it was: its number is in the codes that people show.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

export class LinkedDevices extends Migration {
  override up(): void {
    this.addSql(`create table user_schema.linked_device (
      user_id uuid not null references user_schema.users (id) on delete cascade,
      device_id text not null,
      linked_at timestamptz not null default clock_timestamp(),
      primary key (user_id, device_id)
    )`);
    this.addSql(`grant select, insert, delete on user_schema.linked_device to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop table user_schema.linked_device');
  }
}
