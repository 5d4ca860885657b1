/** Who of a role is around a member: one walk through the micro cells in reach, the same for every question of a matcher. */
import { BLOCK_MAX, blockOf, clamped } from './cells.ts';
import { COLUMN, METRES_PER_E7, PER_EAST, PER_EAST_GROWS, type Reach, ROW, STAND, STEPS } from './ground.ts';
import { MICRO_CELLS } from './limits.ts';
import type { Members } from './members.ts';
import {
  ACCURACY,
  CELL_SHIFT,
  EAST,
  LAT,
  NEXT,
  NIL,
  NUMBERS,
  OFFICER,
  STATE,
  TAKEN,
  WHOLE,
} from './record.ts';

/**
 * What the search that was made last has found: the members, and the square of the line to each. One for all regions of
 * a node, as a region searches and is done with it within one turn, so that it stays in the cache.
 */
export class Found {
  member = new Int32Array(64);
  line = new Float64Array(64);

  grow(): void {
    const member = new Int32Array(2 * this.member.length);
    member.set(this.member);
    this.member = member;
    const line = new Float64Array(2 * this.line.length);
    line.set(this.line);
    this.line = line;
  }
}

export const FOUND = new Found();

/**
 * Puts into {@link FOUND} the members of the role around the one that was placed last: with fixes at most `freshMs` from
 * his, within the square of a line that `limits` gives for the sum of both accuracies. Ends when more than `most` are
 * found; returns how many were.
 */
export function around(
  members: Members,
  index: number,
  role: number,
  reach: Reach,
  limits: Float64Array,
  freshMs: number,
  most: number,
): number {
  const { whole, numbers, cells } = members;
  const row = STAND[ROW]!;
  const column = STAND[COLUMN]!;
  const perEast = STAND[PER_EAST]!;
  const perEastGrows = STAND[PER_EAST_GROWS]!;
  const rows = reach.rows / STEPS;
  const width = reach.columns / STEPS;
  const { rim } = members.radii;
  const north = clamped(row + rows);
  const first = clamped(column - width);
  const last = clamped(column + width);
  // a shift by 32 would be none
  const columns = (-1 << first) & (-1 >>> (MICRO_CELLS - 1 - last));
  const at = WHOLE * index;
  const lat = whole[at + LAT]!;
  const east = whole[at + EAST]!;
  const accuracy = whole[at + ACCURACY]!;
  const taken = numbers[NUMBERS * index + TAKEN]!;
  let count = 0;
  for (let r = clamped(row - rows); r <= north; r++) {
    for (let bits = cells.row(role, r) & columns; bits !== 0; bits &= bits - 1) {
      const cell = r * MICRO_CELLS + 31 - Math.clz32(bits & -bits);
      for (let other = cells.head(role, cell); other !== NIL; other = whole[WHOLE * other + NEXT]!) {
        const to = WHOLE * other;
        const dLat = whole[to + LAT]! - lat;
        const y = dLat * METRES_PER_E7;
        const x = (whole[to + EAST]! - east) * (perEast + perEastGrows * dLat);
        const line = x * x + y * y;
        const limit = limits[accuracy + whole[to + ACCURACY]!]!;
        if (line > limit + rim) continue;
        if (!(line <= limit - rim) && !members.isExactlyWithin(index, other, limit)) continue;
        const apart = numbers[NUMBERS * other + TAKEN]! - taken;
        if (apart > freshMs || apart < -freshMs) continue;
        if (count === FOUND.member.length) FOUND.grow();
        FOUND.member[count] = other;
        FOUND.line[count] = line;
        count++;
        if (count > most) return count;
      }
    }
  }
  return count;
}

/** The officers around a civilian who was placed last, as {@link around} finds them. */
export function officersAround(
  members: Members,
  index: number,
  reach: Reach,
  limits: Float64Array,
  freshMs: number,
): number {
  const { whole, numbers } = members;
  const { blocks } = members.cells;
  const at = WHOLE * index;
  const list = blockOf(whole[at + STATE]! >>> CELL_SHIFT);
  const end = list + blocks[list]!;
  if (end === list) return 0;
  if (end - list > BLOCK_MAX)
    return around(members, index, OFFICER, reach, limits, freshMs, Number.MAX_SAFE_INTEGER);
  const { rim } = members.radii;
  const perEast = STAND[PER_EAST]!;
  const perEastGrows = STAND[PER_EAST_GROWS]!;
  const lat = whole[at + LAT]!;
  const east = whole[at + EAST]!;
  const accuracy = whole[at + ACCURACY]!;
  const taken = numbers[NUMBERS * index + TAKEN]!;
  const { member, line: lines } = FOUND;
  let count = 0;
  for (let i = list + 1; i <= end; i++) {
    const other = blocks[i]!;
    const to = WHOLE * other;
    const dLat = whole[to + LAT]! - lat;
    const y = dLat * METRES_PER_E7;
    const x = (whole[to + EAST]! - east) * (perEast + perEastGrows * dLat);
    const line = x * x + y * y;
    const limit = limits[accuracy + whole[to + ACCURACY]!]!;
    if (line > limit + rim) continue;
    if (!(line <= limit - rim) && !members.isExactlyWithin(index, other, limit)) continue;
    const apart = numbers[NUMBERS * other + TAKEN]! - taken;
    if (apart > freshMs || apart < -freshMs) continue;
    member[count] = other;
    lines[count] = line;
    count++;
  }
  return count;
}
