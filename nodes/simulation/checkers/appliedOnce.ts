/** Nothing is applied twice: one key, one movement of points; one encounter, one event on a phone. */
import type { Chronicle } from '../chronicle.ts';
import type { SeenEvent } from '../simulatedGateway.ts';
import type { Judge } from './judge.ts';
import type { Truth } from './truth.ts';

export class AppliedOnce {
  readonly #judge: Judge;
  readonly #truth: Truth;
  readonly #told = new Map<string, Set<string>>();

  constructor(judge: Judge, truth: Truth, _chronicle?: Chronicle) {
    this.#judge = judge;
    this.#truth = truth;
  }

  /** A phone took an event. */
  saw(userId: string, { event }: SeenEvent): void {
    const id =
      event?.name === 'encounter.completed'
        ? event.body.encounterId
        : event?.name === 'points.changed'
          ? event.body.transferId
          : null;
    if (id === null) return;
    const told = this.#told.get(userId) ?? new Set();
    this.#told.set(userId, told);
    if (told.has(id)) this.#fail(`${userId} was told twice of ${id}`);
    told.add(id);
  }

  judge(): void {
    for (const [key, made] of this.#truth.byKey) {
      if (made.length > 1)
        this.#fail(`the key "${key}" moved points ${made.length} times: ${made.join(' ')}`);
    }
  }

  #fail(words: string): void {
    this.#judge.fail('nothing applied twice', words);
  }
}
