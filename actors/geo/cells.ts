/**
 * The micro cells of a region: 32 x 32 doubly linked lists per role, threaded through the records of the members, so that
 * a mover meets only people of the other role around him.
 *
 * A civilian looks for the officers around, within 40 m or, where somebody asks who is near whom, within 200 m; they are
 * few: so every block of two by two cells has a list of those who may be in reach of it, in one line of memory. It changes
 * when an officer goes from one cell to another, which is one move in a hundred. Where more come than it has room for, it
 * says so until all of them are gone, and the cells are searched.
 *
 * Beside the lists each role has a word of 32 bits per row of cells, which says where anybody is at all: a search for
 * officers within 200 m looks at seven words instead of fifty empty lists.
 */
import { type Reach, STEPS } from './ground.ts';
import { MICRO_CELLS } from './limits.ts';
import { CELL_SHIFT, FLAGS, IS_CIVILIAN, NEXT, NIL, OFFICER, PREVIOUS, STATE, WHOLE } from './record.ts';

/** Heads of the officers' lists, of the civilians', then the rows of each. */
const CELLS = MICRO_CELLS * MICRO_CELLS;
const ROWS = 2 * CELLS;

/** Blocks in a row of them; a list: how many, and up to {@link BLOCK_MAX} members. */
const BLOCKS = MICRO_CELLS / 2;
export const BLOCK = 16;
export const BLOCK_MAX = BLOCK - 1;
/** In the place of the number: more came than there is room for. */
const OVERFULL = 0x4000_0000;

/** Where the list of the block of a cell begins. */
export const blockOf = (cell: number): number => BLOCK * ((cell >> 6) * BLOCKS + ((cell & 31) >> 1));

export class Cells {
  /** Officers who may be in reach of a block. */
  readonly blocks = new Int32Array(BLOCK * BLOCKS * BLOCKS);
  readonly #rows: number;
  readonly #columns: number;
  readonly #words = new Int32Array(ROWS + 2 * MICRO_CELLS).fill(NIL, 0, ROWS);

  /** `reach`: how far civilians look for officers. */
  constructor(reach: Reach) {
    this.#rows = Math.min(MICRO_CELLS, Math.ceil(reach.rows / STEPS));
    this.#columns = Math.min(MICRO_CELLS, Math.ceil(reach.columns / STEPS));
  }

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
    if (role === OFFICER) this.#around(index, cell, true);
  }

  unlink(index: number, whole: Int32Array): void {
    const words = this.#words;
    const at = WHOLE * index;
    const role = whole[at + STATE]! & IS_CIVILIAN;
    const cell = whole[at + STATE]! >>> CELL_SHIFT;
    if (role === OFFICER) this.#around(index, cell, false);
    const next = whole[at + NEXT]!;
    const previous = whole[at + PREVIOUS]!;
    if (next !== NIL) whole[WHOLE * next + PREVIOUS] = previous;
    if (previous !== NIL) {
      whole[WHOLE * previous + NEXT] = next;
      return;
    }
    words[role * CELLS + cell] = next;
    if (next === NIL) words[ROWS + role * MICRO_CELLS + (cell >> 5)]! &= ~(1 << (cell & 31));
  }

  /** Puts an officer, who stands in a cell, into the lists of the blocks in reach, or takes him out. */
  #around(index: number, cell: number, isHere: boolean): void {
    const row = cell >> 5;
    const column = cell & 31;
    const south = Math.max(0, (row - this.#rows) >> 1);
    const north = Math.min(BLOCKS - 1, (row + this.#rows) >> 1);
    const west = Math.max(0, (column - this.#columns) >> 1);
    const east = Math.min(BLOCKS - 1, (column + this.#columns) >> 1);
    for (let r = south; r <= north; r++) {
      for (let c = west; c <= east; c++) {
        const list = BLOCK * (r * BLOCKS + c);
        if (isHere) enlist(this.blocks, list, index);
        else strike(this.blocks, list, index);
      }
    }
  }
}

function enlist(blocks: Int32Array, list: number, index: number): void {
  const count = blocks[list]!;
  if (count < BLOCK_MAX) blocks[list + 1 + count] = index;
  blocks[list] = count === BLOCK_MAX ? OVERFULL + count + 1 : count + 1;
}

function strike(blocks: Int32Array, list: number, index: number): void {
  const count = blocks[list]! - 1;
  blocks[list] = count === OVERFULL ? 0 : count;
  if (count >= OVERFULL) return;
  let at = list + 1;
  while (blocks[at] !== index) at++;
  blocks[at] = blocks[list + 1 + count]!;
}

/** The row or column of a place, at the edge for places beyond it: which keeps the order of places, so every search right. */
export const clamped = (place: number): number => {
  const cell = Math.floor(place);
  return cell < 0 ? 0 : cell >= MICRO_CELLS ? MICRO_CELLS - 1 : cell;
};
