/** Stored answers to commands in memory: the twin of the table in PostgreSQL; both pass the same contract suite. */
import type { AnswerOp, Committed, DurableOp } from '../../actors/durable.ts';
import type { RememberedAnswer } from '../../actors/queries.ts';
import { isAnswer, resultText } from '../events/answerRules.ts';
import { ANSWER_LIMITS } from '../limits.ts';
import type { CommitEntry, CommitStore, EntryOutcome } from '../ports.ts';

export interface MemoryAnswer extends Omit<RememberedAnswer, 'result'> {
  readonly opId: string;
  readonly text: string;
  readonly atMs: number;
}

const NONE: ReadonlyMap<string, MemoryAnswer> = new Map();

export class MemoryAnswers implements CommitStore {
  /** By user and key, oldest first. */
  readonly #users = new Map<string, Map<string, MemoryAnswer>>();
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
      if (!isAnswer(op)) return { id: op.id, code: 'invalid', atMs: 0, postings: [] };
      if (this.#epochOf(shard) !== epoch) return { id: op.id, code: 'stale_epoch' };
      this.#apply(op);
      return { id: op.id, code: 'created', atMs: 0, postings: [] };
    });
  }

  async lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    return ops.map(op => {
      const so = isAnswer(op) && this.#all(op.user).get(op.key)?.opId === op.id;
      return so ? { id: op.id, code: 'exists', atMs: 0, postings: [] } : null;
    });
  }

  /** All that is kept of a user, newest first. */
  of(user: string): readonly (RememberedAnswer & { readonly atMs: number })[] {
    const sinceMs = this.#nowMs() - ANSWER_LIMITS.keepMs;
    return [...this.#all(user).values()]
      .filter(one => one.atMs > sinceMs)
      .map(({ key, requestHash, text, atMs }) => ({ key, requestHash, result: JSON.parse(text), atMs }))
      .reverse();
  }

  #all(user: string): ReadonlyMap<string, MemoryAnswer> {
    return this.#users.get(user) ?? NONE;
  }

  #apply({ id: opId, user, key, requestHash, result }: AnswerOp): void {
    const text = resultText(result) as string;
    const all = this.#users.get(user) ?? new Map<string, MemoryAnswer>();
    this.#users.set(user, all);
    all.delete(key);
    all.set(key, { key, requestHash, opId, text, atMs: this.#nowMs() });
    const [oldest] = all.keys();
    if (all.size > ANSWER_LIMITS.keep) all.delete(oldest!);
  }
}
