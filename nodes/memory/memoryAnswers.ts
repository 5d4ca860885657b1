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

const NONE: readonly MemoryAnswer[] = [];

export class MemoryAnswers implements CommitStore {
  readonly #users = new Map<string, readonly MemoryAnswer[]>();
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
      const so = isAnswer(op) && this.#all(op.user).some(one => one.key === op.key && one.opId === op.id);
      return so ? { id: op.id, code: 'exists', atMs: 0, postings: [] } : null;
    });
  }

  /** What a starting actor reads of its own, newest first. */
  of(user: string): readonly (RememberedAnswer & { readonly atMs: number })[] {
    const sinceMs = this.#nowMs() - ANSWER_LIMITS.keepMs;
    return this.#all(user)
      .filter(one => one.atMs > sinceMs)
      .map(({ key, requestHash, text, atMs }) => ({ key, requestHash, result: JSON.parse(text), atMs }));
  }

  #all(user: string): readonly MemoryAnswer[] {
    return this.#users.get(user) ?? NONE;
  }

  #apply({ id: opId, user, key, requestHash, result }: AnswerOp): void {
    const text = resultText(result) as string;
    const others = this.#all(user).filter(one => one.key !== key);
    const answer = { key, requestHash, opId, text, atMs: this.#nowMs() };
    this.#users.set(user, [answer, ...others].slice(0, ANSWER_LIMITS.keep));
  }
}
