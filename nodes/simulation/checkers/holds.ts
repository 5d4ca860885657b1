/**
 * What is held waits: an encounter that something speaks against posts nothing until an operator released it, and then
 * once; one that was rejected never posts; the first verdict stands, whoever gives another; and both phones hear of it.
 */
import { eventId } from '../../../actors/user/stream.ts';
import type { Result } from '../../../protocol/errors.ts';
import type { Judge } from './judge.ts';
import type { Truth } from './truth.ts';

type Verdict = 'released' | 'rejected';

export class Holds {
  readonly #judge: Judge;
  readonly #truth: Truth;
  readonly #answered = new Map<string, Verdict>();

  constructor(judge: Judge, truth: Truth) {
    this.#judge = judge;
    this.#truth = truth;
  }

  /** An operator was answered. */
  answered(encounterId: string, verdict: Verdict, result: Result<unknown>): void {
    if (!result.ok) return;
    const before = this.#answered.get(encounterId);
    if (before !== undefined && before !== verdict) {
      this.#fail(`${encounterId} was ${before}, and then ${verdict}`);
    }
    this.#answered.set(encounterId, verdict);
    const stored = this.#truth.reviews.get(encounterId)?.verdict;
    if (stored !== verdict)
      this.#fail(`an operator heard that ${encounterId} is ${verdict}, the store has ${stored}`);
  }

  judge(): void {
    for (const id of this.#truth.held) this.#one(id);
    for (const [id, { op }] of this.#truth.effects) {
      if (op.type !== 'encounter' || !op.trust || this.#truth.held.has(id)) continue;
      this.#fail(`${id} was paid though ${op.trust} speaks against it`);
    }
    for (const [id, { verdict }] of this.#truth.reviews) {
      if (!this.#truth.held.has(id)) this.#fail(`${id} was ${verdict} and never held`);
    }
  }

  #one(id: string): void {
    const { effects, reviews, postings, events } = this.#truth;
    const op = effects.get(id)!.op;
    if (op.type !== 'encounter') return this.#fail(`${id} is held and no encounter`);
    const review = reviews.get(id);
    for (const [account, points] of [
      [op.officer, op.officerPoints],
      [op.civilian, op.civilianPoints],
    ] as const) {
      const paid = (postings.get(account) ?? []).filter(one => one.transferId === id);
      const due = review?.verdict === 'released' ? [points] : [];
      if (paid.map(one => one.delta).join() !== due.join()) {
        this.#fail(
          `${id} is ${review?.verdict ?? 'held'}, and ${account} got ${paid.map(one => one.delta).join() || 'nothing'}`,
        );
      }
      if (review && paid.some(one => one.atMs < review.atMs))
        this.#fail(`${id} was paid before it was released`);
      const stored = (name: 'encounter.held' | 'encounter.rejected'): number => {
        const event = eventId(name, account, id);
        return (events.get(account) ?? []).filter(one => one.id === event).length;
      };
      // who heard of the release first may or may not hear what it was before
      if (stored('encounter.held') > 1 || (!review && stored('encounter.held') === 0))
        this.#fail(`${account} heard ${stored('encounter.held')} times that ${id} is held`);
      const rejections = review?.verdict === 'rejected' ? 1 : 0;
      if (stored('encounter.rejected') !== rejections)
        this.#fail(`${account} heard ${stored('encounter.rejected')} times that ${id} was rejected`);
    }
  }

  #fail(words: string): void {
    this.#judge.fail('what is held waits', words);
  }
}
