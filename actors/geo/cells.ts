/**
 * The micro cells of a region: 32 x 32 doubly linked lists per role, threaded through the records of the members, so that
 * a mover meets only people of the other role around him.
 *
 * Beside the lists each role has a word of 32 bits per row of cells, which says where anybody is at all: a search for
 * officers within 200 m looks at seven words instead of fifty empty lists.
 */
import { MICRO_CELLS } from './limits.ts';
import { CELL_SHIFT, FLAGS, IS_CIVILIAN, NEXT, NIL, PREVIOUS, STATE, WHOLE } from './record.ts';

/** Heads of the officers' lists, of the civilians', then the rows of each. */
const CELLS = MICRO_CELLS * MICRO_CELLS;
const ROWS = 2 * CELLS;

export class Cells {
  readonly #words = new Int32Array(ROWS + 2 * MICRO_CELLS).fill(NIL, 0, ROWS);

  /** First member of the role in a cell, -1 for none. */
  head(role: number, cell: number): number {
    return this.#words[role * CELLS + cell]!;
  }

  /** Columns of a row in which somebody of the role is, one bit each. */
  row(role: number, row: number): number {
    return this.#words[ROWS + role * MICRO_CELLS + row]!;
  }

  /** Hangs a member at the head of its list. `whole`: the records. */
  link(index: number, cell: number, whole: Int32Array): void {
    const words = this.#words;
    const at = WHOLE * index;
    const role = whole[at + STATE]! & IS_CIVILIAN;
    const list = role * CELLS + cell;
    const head = words[list]!;
    whole[at + STATE] = (whole[at + STATE]! & FLAGS) | (cell << CELL_SHIFT);
    whole[at + NEXT] = head;
    whole[at + PREVIOUS] = NIL;
    if (head !== NIL) whole[WHOLE * head + PREVIOUS] = index;
    else words[ROWS + role * MICRO_CELLS + (cell >> 5)]! |= 1 << (cell & 31);
    words[list] = index;
  }

  unlink(index: number, whole: Int32Array): void {
    const words = this.#words;
    const at = WHOLE * index;
    const next = whole[at + NEXT]!;
    const previous = whole[at + PREVIOUS]!;
    if (next !== NIL) whole[WHOLE * next + PREVIOUS] = previous;
    if (previous !== NIL) {
      whole[WHOLE * previous + NEXT] = next;
      return;
    }
    const role = whole[at + STATE]! & IS_CIVILIAN;
    const cell = whole[at + STATE]! >>> CELL_SHIFT;
    words[role * CELLS + cell] = next;
    if (next === NIL) words[ROWS + role * MICRO_CELLS + (cell >> 5)]! &= ~(1 << (cell & 31));
  }
}

/** The row or column of a place, at the edge for places beyond it: which keeps the order of places, so every search right. */
export const clamped = (place: number): number => {
  const cell = Math.floor(place);
  return cell < 0 ? 0 : cell >= MICRO_CELLS ? MICRO_CELLS - 1 : cell;
};
