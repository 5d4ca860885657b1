/** Points are conserved: the store's books add up after every commit, nobody is below zero. */
import { MINT_ACCOUNT } from '../../../actors/durable.ts';
import type { MemoryLedger } from '../../memory/memoryLedger.ts';
import type { Judge } from './judge.ts';

export class Conservation {
  readonly #judge: Judge;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  judge(ledger: MemoryLedger): void {
    const sums = new Map<string, number>();
    let minted = 0;
    for (const [id, { postings }] of ledger.transfers) {
      let total = 0;
      for (const { account, delta } of postings) {
        total += delta;
        sums.set(account, (sums.get(account) ?? 0) + delta);
        if (account === MINT_ACCOUNT) minted -= delta;
      }
      if (total !== 0) this.#fail(`the postings of ${id} add up to ${total}`);
    }
    let held = 0;
    for (const [id, { balance, limited }] of ledger.accounts) {
      if ((sums.get(id) ?? 0) !== balance)
        this.#fail(`${id} holds ${balance}, its postings ${sums.get(id) ?? 0}`);
      if (limited && balance < 0) this.#fail(`${id} holds ${balance}`);
      if (id !== MINT_ACCOUNT) held += balance;
    }
    if (held !== minted) this.#fail(`${minted} points were minted, ${held} are held`);
  }

  #fail(words: string): void {
    this.#judge.fail('points conserved', words);
  }
}
