/**
 * Whether a ring crosses itself: two of its edges meet in a point that is inside both. Touching is no crossing.
 *
 * Edges are sorted into slabs by latitude, and compared within each along the longitude while they overlap; what is too
 * much for the budget is not decided. Reckoned on the numbers of the file, so that rounding makes no crossing.
 */
import type { Unrolled } from './rings.ts';

/** Comparisons that are left for the whole file. */
export interface PairBudget {
  left: number;
}

/** Relative to the products that are subtracted: a side nearer than rounding can tell is no side. */
const ROUNDING = 1e-15;

/** On which side of the line from a to b the point c lies: -1, 0, 1. */
function side(ax: number, ay: number, bx: number, by: number, cx: number, cy: number): number {
  const [left, right] = [(bx - ax) * (cy - ay), (by - ay) * (cx - ax)];
  const cross = left - right;
  return Math.abs(cross) <= ROUNDING * (Math.abs(left) + Math.abs(right)) * 4 ? 0 : Math.sign(cross);
}

export function crossing(ring: Unrolled, budget: PairBudget): 'none' | 'crosses' | 'unknown' {
  const { x, y, south, north } = ring;
  const edges = x.length - 1;
  const height = north - south;
  if (!(height > 0)) return 'none';
  let climbed = 0;
  for (let i = 0; i < edges; i++) climbed += Math.abs(y[i + 1]! - y[i]!);
  const count = Math.max(1, Math.floor(Math.min(edges / 4, (3 * edges * height) / climbed)));
  const slabs: number[][] = Array.from({ length: count }, () => []);
  const slabOf = (lat: number): number => Math.min(count - 1, Math.floor(((lat - south) / height) * count));
  for (let i = 0; i < edges; i++) {
    const to = slabOf(Math.max(y[i]!, y[i + 1]!));
    for (let slab = slabOf(Math.min(y[i]!, y[i + 1]!)); slab <= to; slab++) slabs[slab]!.push(i);
  }
  const westOf = (i: number): number => Math.min(x[i]!, x[i + 1]!);
  for (const slab of slabs) {
    slab.sort((a, b) => westOf(a) - westOf(b));
    for (let i = 0; i < slab.length; i++) {
      const a = slab[i]!;
      const east = Math.max(x[a]!, x[a + 1]!);
      for (let j = i + 1; j < slab.length && westOf(slab[j]!) < east; j++) {
        if (--budget.left < 0) return 'unknown';
        if (cross(x, y, a, slab[j]!)) return 'crosses';
      }
    }
  }
  return 'none';
}

function cross(x: Float64Array, y: Float64Array, a: number, b: number): boolean {
  const [ax, ay, bx, by] = [x[a]!, y[a]!, x[a + 1]!, y[a + 1]!];
  const [cx, cy, dx, dy] = [x[b]!, y[b]!, x[b + 1]!, y[b + 1]!];
  return (
    side(ax, ay, bx, by, cx, cy) * side(ax, ay, bx, by, dx, dy) < 0 &&
    side(cx, cy, dx, dy, ax, ay) * side(cx, cy, dx, dy, bx, by) < 0
  );
}
