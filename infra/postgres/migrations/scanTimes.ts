/**
 * Version 13: when a code was scanned whose meeting is settled later.
 *
 * A scan that was made offline may wait for days before it is settled, and its row had the time of that alone: of two scans
 * of one pair, minutes apart, both counted when they were settled more than a cooldown apart. `scanned_at` is the moment
 * that the scanner's phone signed; null for a meeting that was settled when it was proved. `at` stays what orders the
 * ledger and what lists show.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';
import { commitFunction } from './commitGroup.ts';
import { HELD_PARAMETERS, heldPieces } from './holds.ts';
import { zippedEncounter } from './places.ts';
import { TRACED_ROW_PER_GROUP } from './stamps.ts';

export const SCANNED_PARAMETERS = [...HELD_PARAMETERS, 'p_meet_scanned_ms bigint[]'];

/** What a meeting says besides, from this version on. */
export const SCANNED = {
  column: ', scanned_at',
  parameter: ', p_meet_scanned_ms',
  name: ', scanned_ms',
  value: ', to_timestamp(n.scanned_ms::float8 / 1000)',
  ofHold: ', h.scanned_at',
};

export const SCANNED_PIECES = { ...heldPieces(SCANNED), encounters: zippedEncounter(SCANNED) };

export class ScanTimes extends Migration {
  override up(): void {
    for (const table of ['encounter', 'hold'])
      this.addSql(`alter table meet.${table} add column scanned_at timestamptz`);
    this.addSql('drop function ledger.commit_group');
    this.addSql(commitFunction(SCANNED_PARAMETERS, TRACED_ROW_PER_GROUP, SCANNED_PIECES));
    this.addSql('revoke execute on function ledger.commit_group from public');
    this.addSql(`grant execute on function ledger.commit_group to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ledger.commit_group');
    for (const table of ['encounter', 'hold'])
      this.addSql(`alter table meet.${table} drop column scanned_at`);
    this.addSql(commitFunction(HELD_PARAMETERS, TRACED_ROW_PER_GROUP, heldPieces()));
    this.addSql('revoke execute on function ledger.commit_group from public');
    this.addSql(`grant execute on function ledger.commit_group to ${APP_ROLE}`);
  }
}
