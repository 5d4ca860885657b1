/** The stores in memory as the contract suites want them; those of a simulated world stand before the same ones. */
import type { StoreTown } from '../contracts/town.ts';
import { seededRandom } from '../simulation/virtualTime.ts';
import { MemoryLedger } from './memoryLedger.ts';
import { MemoryNotes } from './memoryNotes.ts';
import { MemoryPeople } from './memoryPeople.ts';

export interface MemoryTown {
  readonly town: StoreTown;
  readonly ledger: MemoryLedger;
  readonly notes: MemoryNotes;
  readonly people: MemoryPeople;
}

/** Its clock goes on by a millisecond whenever somebody looks. */
export function memoryTown(): MemoryTown {
  let nowMs = 1_795_000_000_000;
  const clock = () => ++nowMs;
  const random = seededRandom(1);
  const ledger = new MemoryLedger(clock);
  const notes = new MemoryNotes(shard => ledger.epochOf(shard), clock, ledger);
  const people = new MemoryPeople(ledger, random, clock, notes);
  const town: StoreTown = {
    commitStore: ledger,
    epochStore: ledger,
    queryStore: people,
    noteStore: notes,
    directory: people,
    givingStore: people.giving,
    closeAccount: async id => {
      ledger.accounts.get(id)!.closed = true;
    },
    limitDebits: async (id, entryMax, dayMax) => {
      ledger.limits.set(id, { entryMax: entryMax ?? undefined, dayMax: dayMax ?? undefined });
    },
    endPending: async id => ledger.endPending(id),
    reservedOf: async id => ledger.accounts.get(id)!.reserved,
    endCooldown: async (officer, civilian) => {
      ledger.pairs.set(`${officer}|${civilian}`, nowMs);
    },
    sums: async () => ({
      postings: sum(
        [...ledger.transfers.values()].flatMap(one => one.postings.map(posting => posting.delta)),
      ),
      accounts: sum([...ledger.accounts.values()].map(account => account.balance)),
    }),
    uuid: () => random.uuid(clock()),
    close: async () => {},
  };
  return { town, ledger, notes, people };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
