/**
 * PostgreSQL in bad weather: the ledger and the people in memory behind a line to each node. A commit is one statement: it
 * takes its locks when it begins, is applied as a whole when it ends, and goes on without the one who asked when the
 * connection breaks or the process dies. What waits for it, waits: minting an epoch of a shard with a commit under way,
 * and looking up what became of a lost one, because only then is "nothing there" a proof.
 */
import type { Committed, DurableOp } from '../../actors/durable.ts';
import type { StoreQuery } from '../../actors/queries.ts';
import type { MemoryLedger } from '../memory/memoryLedger.ts';
import type { MemoryNotes } from '../memory/memoryNotes.ts';
import {
  type CommitEntry,
  CommitError,
  type CommitStore,
  type EntryOutcome,
  type EpochStore,
  type NoteStore,
  type QueryStore,
} from '../ports.ts';
import type { Chronicle } from './chronicle.ts';
import type { Dice } from './dice.ts';
import type { FaultCounts } from './faults.ts';
import type { Link } from './link.ts';
import type { SimulatedProcess } from './process.ts';
import type { VirtualTime } from './virtualTime.ts';

/** Shares of statements with which something happens; the nemesis moves them. */
export interface SqlWeather {
  failedBefore: number;
  failedAfter: number;
  /** The connection breaks at once, the statement is applied later all the same. */
  brokeOff: number;
  slow: number;
  /** A commit that holds its locks nearly as long as the statement timeout allows. */
  held: number;
}

export const FINE_SQL: Readonly<SqlWeather> = {
  failedBefore: 0,
  failedAfter: 0,
  brokeOff: 0,
  slow: 0,
  held: 0,
};

/** `statement_timeout` is 2 s: no lock is held longer. */
const HELD_MS = { min: 800, max: 1_900 };
const SLOW_MS = { min: 50, max: 900 };
const WORK_MS = { min: 0.3, max: 2 };
/** A connection into a cut is given up by the driver after so long. */
const LINE_MS = { min: 1_500, max: 3_000 };

interface Statement {
  readonly by: string;
  readonly shards: ReadonlySet<number>;
  over: boolean;
}

/** Told of everything that became durable, in order. */
export interface SqlWitness {
  committed(by: string, entry: CommitEntry, outcome: EntryOutcome): void;
  minted(by: string, shard: number, epoch: number): void;
}

export class SqlServer {
  readonly ledger: MemoryLedger;
  readonly notes: MemoryNotes;
  readonly people: QueryStore;
  readonly weather: SqlWeather = { ...FINE_SQL };
  /** The whole server is away. */
  away = false;
  readonly witness: SqlWitness;
  readonly #underWay: Statement[] = [];
  #waiting: (() => void)[] = [];

  constructor(tables: Pick<SqlServer, 'ledger' | 'notes' | 'people'>, witness: SqlWitness) {
    this.ledger = tables.ledger;
    this.notes = tables.notes;
    this.people = tables.people;
    this.witness = witness;
  }

  begin(statement: Statement): void {
    this.#underWay.push(statement);
  }

  end(statement: Statement): void {
    statement.over = true;
    this.#underWay.splice(this.#underWay.indexOf(statement), 1);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) run();
  }

  /** Runs when no statement that concerns it is under way any more. True when it had to wait. */
  when(concerned: (statement: Statement) => boolean, run: () => void): boolean {
    if (!this.#underWay.some(concerned)) {
      run();
      return false;
    }
    this.#waiting.push(() => this.when(concerned, run));
    return true;
  }
}

export interface SqlParts {
  readonly time: VirtualTime;
  readonly process: SimulatedProcess;
  readonly link: Link;
  readonly server: SqlServer;
  readonly dice: Dice;
  readonly faults: FaultCounts;
  readonly chronicle: Chronicle;
}

type Settle<T> = { readonly resolve: (value: T) => void; readonly reject: (error: Error) => void };

const away = (): CommitError => new CommitError('unavailable', 'the database is away');
const broken = (): CommitError => new CommitError('unknown', 'the connection broke');

export class SimulatedSql implements CommitStore, EpochStore, QueryStore {
  readonly #parts: SqlParts;

  constructor(parts: SqlParts) {
    this.#parts = parts;
  }

  /** The tables of timers, events and answers, with weather of the same kind. */
  get notes(): NoteStore {
    const { notes } = this.#parts.server;
    return {
      commit: entries => this.#commit(notes, entries),
      lookup: ops => this.#lookup(notes, ops),
      due: (shards, untilMs, limit) => this.#read(() => notes.due(shards, untilMs, limit)),
    };
  }

  commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    return this.#commit(this.#parts.server.ledger, entries);
  }

  lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    return this.#lookup(this.#parts.server.ledger, ops);
  }

  query(query: StoreQuery): Promise<unknown> {
    return this.#read(() => this.#parts.server.people.query(query));
  }

  #commit(store: CommitStore, entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    const { process: host, server, dice, faults, chronicle, time } = this.#parts;
    const { weather } = server;
    return this.#statement<EntryOutcome[]>(broken, settle => {
      if (dice.chance(weather.failedBefore)) {
        faults.hit('sql failed before');
        return settle.reject(dice.chance(0.5) ? away() : broken());
      }
      const statement: Statement = {
        by: host.name,
        shards: new Set(entries.map(entry => entry.shard)),
        over: false,
      };
      const brokeOff = dice.chance(weather.brokeOff);
      if (brokeOff) {
        chronicle.note('a commit broke off and goes on', host.name);
        settle.reject(broken());
      }
      server.begin(statement);
      time.after(this.#workMs(brokeOff), () => {
        if (brokeOff) faults.hit('sql broke off, applied later');
        this.#apply(store, entries, outcomes => {
          server.end(statement);
          if (!dice.chance(weather.failedAfter)) return settle.resolve(outcomes);
          faults.hit('sql failed after');
          chronicle.note('a commit was applied, its answer lost', host.name);
          settle.reject(broken());
        });
      });
    });
  }

  #lookup(store: CommitStore, ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    const { process: host, server } = this.#parts;
    return this.#statement<(Committed | null)[]>(away, settle => {
      const mine = (statement: Statement): boolean => statement.by === host.name;
      server.when(mine, () => void store.lookup(ops).then(settle.resolve, settle.reject));
    });
  }

  mint(shards: readonly number[], owner: string): Promise<number[]> {
    const { server, dice, faults, process: host } = this.#parts;
    const { weather } = server;
    return this.#statement<number[]>(away, settle => {
      if (dice.chance(weather.failedBefore)) {
        faults.hit('sql failed before');
        return settle.reject(away());
      }
      const locked = (statement: Statement): boolean => shards.some(shard => statement.shards.has(shard));
      const waited = server.when(locked, () => {
        void server.ledger.mint(shards, owner).then(epochs => {
          for (const [at, shard] of shards.entries()) {
            server.witness.minted(host.name, shard, epochs[at]!);
          }
          if (!dice.chance(weather.failedAfter)) return settle.resolve(epochs);
          faults.hit('sql failed after');
          settle.reject(broken());
        });
      });
      if (waited) faults.hit('mint waited for a commit');
    });
  }

  #read<T>(read: () => Promise<T>): Promise<T> {
    const { server, dice, faults, time } = this.#parts;
    return this.#statement<T>(away, settle => {
      if (dice.chance(server.weather.failedBefore)) {
        faults.hit('sql failed before');
        return settle.reject(away());
      }
      time.after(this.#workMs(false), () => void read().then(settle.resolve, settle.reject));
    });
  }

  /** Over the line, to the server, and back; nothing is promised when the line is cut. */
  #statement<T>(lost: () => CommitError, run: (settle: Settle<T>) => void): Promise<T> {
    const { process: host, link, server, time, dice } = this.#parts;
    return new Promise<T>((resolve, reject) => {
      let settled = false;
      const settle = (answer: () => void): void =>
        host.arrive(() => {
          if (settled) return;
          settled = true;
          unwatch();
          answer();
        });
      const back = (answer: () => void): void => link.in(() => settle(answer));
      const watchLine = (): void => {
        if (!link.cut) return;
        time.after(dice.between(LINE_MS.min, LINE_MS.max), () => {
          if (link.cut) settle(() => reject(lost()));
        });
      };
      const unwatch = link.watch(watchLine);
      watchLine();
      link.out(() => {
        // the driver closed this connection: what still waited in it is never run
        if (settled) return;
        if (server.away) {
          this.#parts.faults.hit('sql away');
          return back(() => reject(away()));
        }
        run({ resolve: value => back(() => resolve(value)), reject: error => back(() => reject(error)) });
      });
    });
  }

  #apply(
    store: CommitStore,
    entries: readonly CommitEntry[],
    done: (outcomes: EntryOutcome[]) => void,
  ): void {
    const { server, process: host, faults } = this.#parts;
    void store.commit(entries).then(outcomes => {
      for (const [at, outcome] of outcomes.entries()) {
        if (outcome.code === 'stale_epoch') faults.hit('stale commit refused');
        server.witness.committed(host.name, entries[at]!, outcome);
      }
      done(outcomes);
    });
  }

  #workMs(longer: boolean): number {
    const { dice, faults, server } = this.#parts;
    if (longer || dice.chance(server.weather.held)) {
      if (!longer) faults.hit('sql lock held');
      return dice.between(HELD_MS.min, HELD_MS.max);
    }
    if (dice.chance(server.weather.slow)) {
      faults.hit('sql slow');
      return dice.between(SLOW_MS.min, SLOW_MS.max);
    }
    return dice.between(WORK_MS.min, WORK_MS.max);
  }
}
