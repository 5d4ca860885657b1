/** Timers in memory: the twin of the PostgreSQL store; both pass the same contract suite. */
import type { Committed, DurableOp, TimerOp } from '../../actors/durable.ts';
import type { CommitEntry, DueTimer, EntryOutcome, TimerStore } from '../ports.ts';
import { isTimer, messageText, timerKey } from '../timers/timerRules.ts';

interface Stored extends Omit<DueTimer, 'message'> {
  readonly opId: string;
  readonly text: string;
}

export class MemoryTimers implements TimerStore {
  readonly #timers = new Map<string, Stored>();
  readonly #epochOf: (shard: number) => number;

  /** @param epochOf the epoch that counts now; the fence */
  constructor(epochOf: (shard: number) => number) {
    this.#epochOf = epochOf;
  }

  async commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    return entries.map(({ shard, epoch, op }): EntryOutcome => {
      if (!isTimer(op)) return { id: op.id, code: 'invalid', atMs: 0, postings: [] };
      if (this.#epochOf(shard) !== epoch) return { id: op.id, code: 'stale_epoch' };
      this.set(shard, op);
      return { id: op.id, code: 'created', atMs: 0, postings: [] };
    });
  }

  async lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    return ops.map(op => {
      if (op.type !== 'timer') return null;
      const there = this.#timers.get(timerKey(op));
      const so =
        op.dueAtMs === null
          ? there === undefined || (op.onlyDueAtMs !== null && there.dueAtMs !== op.onlyDueAtMs)
          : there?.opId === op.id;
      return so ? { id: op.id, code: 'exists', atMs: 0, postings: [] } : null;
    });
  }

  async due(shards: readonly number[], untilMs: number, limit: number): Promise<DueTimer[]> {
    const wanted = new Set(shards);
    return [...this.#timers.values()]
      .filter(timer => wanted.has(timer.shard) && timer.dueAtMs <= untilMs)
      .sort((a, b) => a.dueAtMs - b.dueAtMs)
      .slice(0, limit)
      .map(({ opId: _, text, ...timer }) => ({ ...timer, message: JSON.parse(text) }));
  }

  /** What a starting actor reads of its own, soonest first. */
  of(kind: TimerOp['kind'], actor: string): DueTimer[] {
    return [...this.#timers.values()]
      .filter(timer => timer.kind === kind && timer.actor === actor)
      .sort((a, b) => a.dueAtMs - b.dueAtMs)
      .map(({ opId: _, text, ...timer }) => ({ ...timer, message: JSON.parse(text) }));
  }

  /** Sets, replaces or removes it. */
  set(shard: number, op: TimerOp): void {
    const key = timerKey(op);
    const { kind, actor, name, dueAtMs } = op;
    if (dueAtMs !== null) {
      const text = messageText(op.message) as string;
      this.#timers.set(key, { shard, kind, actor, name, dueAtMs, opId: op.id, text });
    } else if (op.onlyDueAtMs === null || this.#timers.get(key)?.dueAtMs === op.onlyDueAtMs) {
      this.#timers.delete(key);
    }
  }
}
