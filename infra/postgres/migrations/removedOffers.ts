/**
 * Version 36: an operator withdraws an offer for ever: it is `removed`, and no version follows. The store says so as well as
 * the actor: a node of the version before knows no such state, and would let a merchant publish what an operator took down.
 */
import { Migration } from '@mikro-orm/migrations';
import { storeFunction } from './marketNotes.ts';

/** Who may call it stays as it is. */
const replaced = (sql: string): string => sql.replace('create function', 'create or replace function');

const states = (words: string): string =>
  `alter table market.offer drop constraint offer_state_check,
     add constraint offer_state_check check (state in (${words}))`;

export class RemovedOffers extends Migration {
  override up(): void {
    this.addSql(states(`'draft', 'published', 'withdrawn', 'removed'`));
    this.addSql(replaced(storeFunction(` or p_before.state = 'removed'`)));
  }

  override down(): void {
    this.addSql(replaced(storeFunction()));
    this.addSql(`update market.offer set state = 'withdrawn' where state = 'removed'`);
    this.addSql(states(`'draft', 'published', 'withdrawn'`));
  }
}
