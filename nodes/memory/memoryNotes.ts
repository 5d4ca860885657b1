/** What actors note besides points, in memory: the tables of timers, events, answers and offers under one commit. */
import type { Committed, DurableOp } from '../../actors/durable.ts';
import type { CommitEntry, CommitStore, DueTimer, EntryOutcome, NoteStore } from '../ports.ts';
import { MemoryAnswers } from './memoryAnswers.ts';
import { MemoryEvents } from './memoryEvents.ts';
import type { MemoryLedger } from './memoryLedger.ts';
import { MemoryOffers } from './memoryOffers.ts';
import type { MemoryTimers } from './memoryTimers.ts';

export class MemoryNotes implements NoteStore {
  readonly timers: MemoryTimers;
  readonly events: MemoryEvents;
  readonly answers: MemoryAnswers;
  readonly offers: MemoryOffers;

  /**
   * @param epochOf the epoch that counts now; the fence
   * @param nowMs stands for the database clock
   * @param town the offers of the same town, of whose stock the ledger sells, and the timers that it sets together with points
   */
  constructor(
    epochOf: (shard: number) => number,
    nowMs: () => number,
    { market, timers }: Pick<MemoryLedger, 'market' | 'timers'>,
  ) {
    this.timers = timers;
    this.events = new MemoryEvents(epochOf, nowMs);
    this.answers = new MemoryAnswers(epochOf, nowMs);
    this.offers = new MemoryOffers(market, epochOf);
  }

  async commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    return this.#each(
      entries,
      one => one.op,
      (table, some) => table.commit(some),
    );
  }

  async lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    return this.#each(
      ops,
      op => op,
      (table, some) => table.lookup(some),
    );
  }

  due(shards: readonly number[], untilMs: number, limit: number): Promise<DueTimer[]> {
    return this.timers.due(shards, untilMs, limit);
  }

  /** All tables in one go, before anybody else has a turn. */
  async #each<T, R>(
    all: readonly T[],
    opOf: (one: T) => DurableOp,
    ask: (table: CommitStore, some: readonly T[]) => Promise<R[]>,
  ): Promise<R[]> {
    const tables: CommitStore[] = [this.timers, this.events, this.answers, this.offers];
    const tableOf = (one: T): CommitStore => {
      const { type } = opOf(one);
      if (type === 'offer' || type === 'stock') return this.offers;
      return type === 'event' ? this.events : type === 'answer' ? this.answers : this.timers;
    };
    const parts = tables.map(table => all.filter(one => tableOf(one) === table));
    const answers = await Promise.all(tables.map((table, at) => ask(table, parts[at]!)));
    const next = tables.map(() => 0);
    return all.map(one => {
      const at = tables.indexOf(tableOf(one));
      return answers[at]![next[at]!++]!;
    });
  }
}
