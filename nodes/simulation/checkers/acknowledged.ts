/**
 * Nothing acknowledged is lost: an outcome that a phone was told is the outcome. What was confirmed is durable under its
 * key, what was refused for good had not happened when it was asked for, and at the end every balance that can be read is that of the ledger.
 */
import type { History, Op } from '../history.ts';
import type { Judge } from './judge.ts';
import type { Truth } from './truth.ts';

const MOVES: ReadonlySet<string> = new Set(['hey.accept', 'qr.scan', 'give']);

export class Acknowledged {
  readonly #judge: Judge;
  readonly #truth: Truth;

  constructor(judge: Judge, truth: Truth) {
    this.#judge = judge;
    this.#truth = truth;
  }

  /** Judges every operation of a run that is over. */
  judge(history: History): void {
    for (const op of history.ops) if (MOVES.has(op.name)) this.#one(op);
  }

  /** What the actor of a user says when all is quiet. */
  finally(userId: string, said: { readonly balance: number; readonly version: number }): void {
    const { balance, version } = this.#truth.balanceOf(userId);
    if (said.balance === balance && said.version === version) return;
    const missed = this.#truth.postingOf(userId, said.version + 1);
    const effect = missed && this.#truth.effects.get(missed.transferId);
    const what = effect
      ? `; it was not told of ${effect.op.type} ${effect.op.id}, committed by ${effect.by} for shard ${effect.shard}`
      : '';
    this.#fail(
      `${userId} reads ${said.balance} at version ${said.version}; the ledger has ${balance} at ${version}${what}`,
    );
  }

  #one(op: Op): void {
    const made = this.#truth.byKey.get(`${op.user} ${op.key}`) ?? [];
    if (op.outcome === 'ok' && op.result?.ok) {
      const value = op.result.value as { encounterId?: string; transferId?: string };
      const named = value.encounterId ?? value.transferId;
      const durable = named === undefined ? made.length > 0 : this.#truth.effects.has(named);
      if (!durable)
        this.#fail(`${op.name} ${op.key} of ${op.user} was confirmed (${named}) and is not there`);
    } else if (op.outcome === 'failed' && made.length > 0) {
      // an earlier try, whose outcome was called unknown, may still have been on its way then
      const { atMs } = this.#truth.effects.get(made[0]!)!;
      if (atMs > (op.lastMs ?? op.endMs)) return;
      const why = op.result && !op.result.ok ? op.result.message : '';
      this.#fail(`${op.name} ${op.key} of ${op.user} was refused (${why}) but had happened: ${made[0]}`);
    }
  }

  #fail(words: string): void {
    this.#judge.fail('nothing acknowledged is lost', words);
  }
}
