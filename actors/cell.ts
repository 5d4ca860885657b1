/**
 * A part of a state that changes far more often than the rest. All else of a state is a value that a turn replaces, and one
 * change makes all of it anew: forty fields for one event, thousands of times a second, each of them copied again by the
 * collector of garbage. What stands in a cell is a value like any other, and it alone is replaced.
 *
 * A turn that throws has changed nothing: the turn knows what stood there before, and puts it back. So a cell is set in
 * turns only, and who wants to know how things were before a change keeps the value and not the cell.
 */
import type { Turn } from './turn.ts';

export class Cell<V> {
  /** Private, so that a state that is frozen to the bottom can still have its turns. */
  #now: V;

  constructor(first: V) {
    this.#now = first;
  }

  get now(): V {
    return this.#now;
  }

  set(next: V, turn: Pick<Turn, 'replaced'>): void {
    turn.replaced(this, this.#now);
    this.#now = next;
  }

  /** The turn threw. */
  putBack(before: V): void {
    this.#now = before;
  }
}
