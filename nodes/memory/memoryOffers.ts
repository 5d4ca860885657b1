/** Offers and changes of their stock as notes in memory: the twin of `market.commit_notes`; both pass the same contract suite. */
import type { CommitCode, Committed, DurableOp } from '../../actors/durable.ts';
import { isMarketNote } from '../market/stockRules.ts';
import type { CommitEntry, CommitStore, EntryOutcome } from '../ports.ts';
import type { MemoryMarket } from './memoryMarket.ts';

export class MemoryOffers implements CommitStore {
  readonly #market: MemoryMarket;
  readonly #epochOf: (shard: number) => number;

  /** @param epochOf the epoch that counts now; the fence */
  constructor(market: MemoryMarket, epochOf: (shard: number) => number) {
    this.#market = market;
    this.#epochOf = epochOf;
  }

  async commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    return entries.map(({ shard, epoch, op }): EntryOutcome => {
      if (!isMarketNote(op)) return outcome(op, 'invalid');
      if (this.#epochOf(shard) !== epoch) return { id: op.id, code: 'stale_epoch' };
      return outcome(op, this.#market.note(op));
    });
  }

  async lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    return ops.map(op => (isMarketNote(op) && this.#market.holds(op) ? outcome(op, 'exists') : null));
  }
}

const outcome = ({ id }: DurableOp, code: CommitCode): Committed => ({ id, code, atMs: 0, postings: [] });
