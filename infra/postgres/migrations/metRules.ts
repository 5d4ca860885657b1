/**
 * Version 33: an encounter of two who stood together names the rule of meeting that found them so, in its version, beside
 * the rule that gave its points (`ledger.transfer`). Null: a hey or a code found them, or a node of the version before did.
 *
 * Who calls without saying it is a node of the version before.
 */
import { Migration } from '@mikro-orm/migrations';
import { commitFunction } from './commitGroup.ts';
import { heldPieces } from './holds.ts';
import { granted, MARKET_OUTBOX, marketPieces } from './market.ts';
import { LIMITED_PARAMETERS, limitedFunction, SAID } from './offerLimit.ts';
import { zippedEncounter } from './places.ts';
import { SCANNED, SCANNED_PIECES } from './scanTimes.ts';

const MET = {
  column: `${SCANNED.column}, met_rule, met_rule_version`,
  parameter: `${SCANNED.parameter}, p_met_rule, p_met_rule_version`,
  name: `${SCANNED.name}, met_rule, met_rule_version`,
  value: `${SCANNED.value}, n.met_rule, n.met_rule_version`,
  ofHold: `${SCANNED.ofHold}, h.met_rule, h.met_rule_version`,
};

const pieces = () => {
  const before = marketPieces('offer_limit_exceeded');
  const written = before.written!.replace(SCANNED_PIECES.written!, () => heldPieces(MET).written!);
  return { ...before, written, encounters: zippedEncounter(MET), said: SAID };
};

export class MetRules extends Migration {
  override up(): void {
    for (const table of ['encounter', 'hold'])
      this.addSql(`alter table meet.${table} add column met_rule text, add column met_rule_version int,
        add constraint ${table}_met_rule_whole check ((met_rule is null) = (met_rule_version is null))`);
    this.addSql('drop function ledger.commit_group');
    const more = ['p_met_rule text[] default null', 'p_met_rule_version int[] default null'];
    this.addSql(commitFunction([...LIMITED_PARAMETERS, ...more], MARKET_OUTBOX, pieces()));
    granted(this);
  }

  override down(): void {
    this.addSql('drop function ledger.commit_group');
    for (const table of ['encounter', 'hold'])
      this.addSql(`alter table meet.${table} drop column met_rule, drop column met_rule_version`);
    this.addSql(limitedFunction());
    granted(this);
  }
}
