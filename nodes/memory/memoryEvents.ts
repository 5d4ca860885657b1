/** Users' stored events in memory: the twin of the PostgreSQL store; both pass the same contract suite. */
import type { CommitCode, Committed, DurableOp, EventOp } from '../../actors/durable.ts';
import { isEvent } from '../events/eventRules.ts';
import { EVENT_LIMITS } from '../limits.ts';
import type { CommitEntry, EntryOutcome, EventStore } from '../ports.ts';

export type MemoryEvent = EventOp & { readonly atMs: number };

const NONE: readonly MemoryEvent[] = [];

export class MemoryEvents implements EventStore {
  /** The town's name for its events; a test may give it another, as another database would. */
  town = 'memory';
  readonly #users = new Map<string, MemoryEvent[]>();
  readonly #epochOf: (shard: number) => number;
  readonly #nowMs: () => number;

  /**
   * @param epochOf the epoch that counts now; the fence
   * @param nowMs stands for the database clock
   */
  constructor(epochOf: (shard: number) => number, nowMs: () => number) {
    this.#epochOf = epochOf;
    this.#nowMs = nowMs;
  }

  async commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    return entries.map(({ shard, epoch, op }): EntryOutcome => {
      if (!isEvent(op)) return outcome(op, 'invalid');
      if (this.#epochOf(shard) !== epoch) return { id: op.id, code: 'stale_epoch' };
      return outcome(op, this.#apply(op));
    });
  }

  async lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    return ops.map(op => (isEvent(op) && this.#holds(op) ? outcome(op, 'exists') : null));
  }

  /** Of a user, oldest first. */
  of(user: string): readonly MemoryEvent[] {
    return this.#users.get(user) ?? NONE;
  }

  #apply(op: EventOp): CommitCode {
    const rows = this.of(op.user);
    if (this.#holds(op)) return 'exists';
    if (op.n !== (rows.at(-1)?.n ?? 0) + 1) return 'exists_with_different_payload';
    const atMs = this.#nowMs();
    const kept = rows.filter(row => {
      const [events, ms] =
        row.about === null
          ? [EVENT_LIMITS.keepEvents, EVENT_LIMITS.keepMs]
          : [EVENT_LIMITS.keepAbout, EVENT_LIMITS.keepAboutMs];
      return row.n > op.n - events && row.atMs >= atMs - ms;
    });
    this.#users.set(op.user, [...kept, { ...op, frame: Uint8Array.from(op.frame), atMs }]);
    return 'created';
  }

  #holds({ user, n, id }: EventOp): boolean {
    return this.of(user).some(row => row.n === n && row.id === id);
  }
}

const outcome = ({ id }: DurableOp, code: CommitCode): Committed => ({ id, code, atMs: 0, postings: [] });
