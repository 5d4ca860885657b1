/**
 * The output gate of one actor.
 *
 * Problem: an actor decides in memory, but what it promises must be durable before anybody hears of it. Waiting inside
 * the turn would block the actor for the length of a disk write and open the door to re-entrancy.
 *
 * Guarantee: nothing that a turn says leaves before every gated operation of that actor, made in this turn or earlier,
 * is committed. Later operations do not delay earlier outputs, and what a turn let go of (`turn.release`) counts as earlier
 * than its own. If a commit fails, what was held behind it never leaves.
 *
 * Mechanism: operations get rising numbers. An output that is made while operations are under way is held together
 * with the number of the newest one. Commits may finish in any order; an output leaves when no operation with a number
 * up to its own is under way, and outputs leave in the order in which they were made. (The idea is the output gate of
 * Durable Objects; ours is per actor and lets later turns run on.)
 */
import { assert } from '../protocol/assert.ts';

export class Gate<Output> {
  /** Numbers of operations under way, rising. */
  readonly #underWay: number[] = [];
  #held: { readonly after: number; readonly output: Output }[] = [];
  #lastOperation = 0;

  get open(): boolean {
    return this.#underWay.length === 0;
  }

  get held(): number {
    return this.#held.length;
  }

  /** Closes the gate behind a new operation and returns its number. */
  begin(): number {
    this.#lastOperation++;
    this.#underWay.push(this.#lastOperation);
    return this.#lastOperation;
  }

  /** Holds an output until the operations made so far are committed. Only while the gate is closed. */
  hold(output: Output): void {
    assert(!this.open, 'an open gate holds nothing');
    this.#held.push({ after: this.#lastOperation, output });
  }

  /** The operation is committed: returns what may leave now, in order. */
  committed(operation: number): Output[] {
    const at = this.#underWay.indexOf(operation);
    assert(at >= 0, 'an operation commits once');
    this.#underWay.splice(at, 1);
    const oldest = this.#underWay[0] ?? Number.POSITIVE_INFINITY;
    let free = 0;
    while (free < this.#held.length && (this.#held[free] as { after: number }).after < oldest) free++;
    return this.#held.splice(0, free).map(one => one.output);
  }

  /** A commit failed: everything held is taken out and must never leave; the actor is to be discarded. */
  failed(): Output[] {
    const lost = this.#held.map(one => one.output);
    this.#held = [];
    this.#underWay.length = 0;
    return lost;
  }
}
