/**
 * Which of many boxes may hold a point: a hash table from cells to the boxes that touch them, in typed arrays, so that it
 * can be built on one thread and used on another. A look-up probes one cell for each level in use.
 */
import { type GeoBox, idAt, idsIn, LEVELS, levelOf } from './bandGrids.ts';

/** Plain arrays: what a thread hands to another. */
export interface BoxTable {
  /** Levels that hold something, finest first. */
  readonly levels: Int32Array;
  /** Open addressing, a power of two: cell id or -1, and where its boxes begin in `items`. */
  readonly keys: Int32Array;
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** Numbers of boxes, rising within a cell. */
  readonly items: Int32Array;
}

const slotOf = (key: number, mask: number): number => (Math.imul(key, 0x9e3779b1) >>> 7) & mask;

/** Where the key stands or would stand. */
function find(keys: Int32Array, key: number): number {
  const mask = keys.length - 1;
  let slot = slotOf(key, mask);
  while (keys[slot] !== key && keys[slot] !== -1) slot = (slot + 1) & mask;
  return slot;
}

export function buildBoxes(count: number, boxAt: (number: number) => GeoBox): BoxTable {
  const pairs: number[] = [];
  const used = new Set<number>();
  for (let number = 0; number < count; number++) {
    const box = boxAt(number);
    const level = levelOf(box);
    used.add(level);
    for (const id of idsIn(level, box)) pairs.push(id, number);
  }
  let size = 16;
  while (size < pairs.length) size *= 2; // at most half full: a pair is two numbers
  const keys = new Int32Array(size).fill(-1);
  const counts = new Int32Array(size);
  for (let at = 0; at < pairs.length; at += 2) {
    const slot = find(keys, pairs[at]!);
    keys[slot] = pairs[at]!;
    counts[slot]!++;
  }
  const starts = new Int32Array(size);
  let end = 0;
  for (let slot = 0; slot < size; slot++) {
    starts[slot] = end;
    end += counts[slot]!;
  }
  const items = new Int32Array(end);
  const filled = starts.slice();
  for (let at = 0; at < pairs.length; at += 2) {
    const slot = find(keys, pairs[at]!);
    items[filled[slot]!++] = pairs[at + 1]!;
  }
  const levels = Int32Array.from(
    Array.from({ length: LEVELS }, (_, i) => i).filter(level => used.has(level)),
  );
  return { levels, keys, starts, counts, items };
}

/** Calls `visit` with every box that may hold the point (`lngE7` wrapped), and now and then with one close by. */
export function visitBoxes(
  table: BoxTable,
  latE7: number,
  lngE7: number,
  visit: (number: number) => void,
): void {
  const { levels, keys, starts, counts, items } = table;
  for (let i = 0; i < levels.length; i++) {
    const slot = find(keys, idAt(levels[i]!, latE7, lngE7));
    if (keys[slot] === -1) continue;
    const first = starts[slot]!;
    const end = first + counts[slot]!;
    for (let at = first; at < end; at++) visit(items[at]!);
  }
}
