/**
 * Version 14: what the location service said of the positions of the two of a held encounter, for the operator who decides.
 * One word each, null while nobody could ask; no statement of the ledger reads it, and no place stands in it.
 */
import { Migration } from '@mikro-orm/migrations';
import type { Opinion } from '../../../actors/fraud/opinion.ts';
import { APP_ROLE } from '../limits.ts';

const COLUMNS = ['officer_position', 'civilian_position'];
const OPINIONS: readonly Opinion[] = ['fits', 'unknown', 'far', 'proxy'];

export class HoldPositions extends Migration {
  override up(): void {
    const words = OPINIONS.map(word => `'${word}'`).join(', ');
    for (const column of COLUMNS)
      this.addSql(`alter table meet.hold add column ${column} text check (${column} in (${words}))`);
    this.addSql(`grant update (${COLUMNS.join(', ')}) on meet.hold to ${APP_ROLE}`);
  }

  override down(): void {
    for (const column of COLUMNS) this.addSql(`alter table meet.hold drop column ${column}`);
  }
}
