/**
 * Version 28: more than one user may have of an offer is another word than more than an account may spend.
 *
 * Who calls says how many codes it knows: one of the version before, which says nothing, is told the word that it knows.
 */
import { Migration } from '@mikro-orm/migrations';
import { COMMIT_CODES, type CommitCode } from '../../../actors/durable.ts';
import { commitFunction } from './commitGroup.ts';
import { granted, MARKET_OUTBOX, MARKET_PARAMETERS, marketFunction, marketPieces } from './market.ts';

const code = (word: CommitCode): number => COMMIT_CODES.indexOf(word);
const BEFORE = code('limit_exceeded');
const NOW = code('offer_limit_exceeded');

export const LIMITED_PARAMETERS = [...MARKET_PARAMETERS, `p_codes int default ${NOW}`];
/** In words that the caller knows. */
export const SAID = `case when p_codes > ${NOW} then v_code
    else array_replace(v_code, ${NOW}::smallint, ${BEFORE}::smallint) end`;

/** As it is made in this version. */
export const limitedFunction = (): string =>
  commitFunction(LIMITED_PARAMETERS, MARKET_OUTBOX, { ...marketPieces('offer_limit_exceeded'), said: SAID });

export class OfferLimit extends Migration {
  override up(): void {
    this.addSql('drop function ledger.commit_group');
    this.addSql(limitedFunction());
    granted(this);
  }

  override down(): void {
    this.addSql(`update ledger.burned set code = ${BEFORE} where code = ${NOW}`);
    this.addSql('drop function ledger.commit_group');
    this.addSql(marketFunction());
    granted(this);
  }
}
