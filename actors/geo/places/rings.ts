/**
 * Rings of polygons, and whether a point lies inside.
 *
 * An edge is a straight line between two corners on the map of longitude and latitude, as GeoJSON says (RFC 7946, 3.1.1).
 * An edge that spans more than 180 degrees goes the short way, over the antimeridian; from 180 to -180 it stays where it is,
 * except along a pole, which it circles. A ring that then does not come back to its longitude holds a pole: the nearer one.
 *
 * Corners are whole numbers, degrees times 1e7 (11 mm), longitudes as the distance from the middle of the ring. An edge is
 * always looked at from its southern end, and half open to the north and to the east: of two areas that share an edge,
 * exactly one holds each point of it.
 */
import { HALF_E7, POLE_E7, WHOLE_E7, wrapE7 } from './bandGrids.ts';

/** Edges that a look-up meets in one slab, about, in a ring whose edges do not run far north. */
const EDGES_PER_SLAB = 4;
/** Places in slabs for each edge at most, on average. */
const PLACES_PER_EDGE = 4;

/** Corners of a ring, closed: the last is the first. Longitudes may be beyond 180, so that no edge jumps. */
export interface Unrolled {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly west: number;
  readonly east: number;
  readonly south: number;
  readonly north: number;
}

/** `whole` is a turn and `pole` the latitude of the pole, in the unit of the corners. `at(i)` are those of the file. */
export function unroll(
  count: number,
  lngAt: (i: number) => number,
  latAt: (i: number) => number,
  whole: number,
  pole: number,
): Unrolled {
  const half = whole / 2;
  let turned = 0;
  const xs = new Float64Array(count + 2);
  const ys = new Float64Array(count + 2);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    if (i > 0) {
      const step = lngAt(i) - lngAt(i - 1);
      const circles =
        Math.abs(step) === whole && Math.abs(latAt(i)) === pole && Math.abs(latAt(i - 1)) === pole;
      if (step > half && !circles) turned -= whole;
      else if (step < -half && !circles) turned += whole;
    }
    xs[i] = lngAt(i) + turned;
    ys[i] = latAt(i);
    sum += latAt(i);
  }
  let length = count;
  if (xs[count - 1] !== xs[0]) {
    const to = sum < 0 ? -pole : pole;
    xs[count] = xs[count - 1]!;
    ys[count] = to;
    xs[count + 1] = xs[0]!;
    ys[count + 1] = to;
    length = count + 2;
  }
  let [west, east, south, north] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < length; i++) {
    west = Math.min(west, xs[i]!);
    east = Math.max(east, xs[i]!);
    south = Math.min(south, ys[i]!);
    north = Math.max(north, ys[i]!);
  }
  const x = new Float64Array(length + 1);
  const y = new Float64Array(length + 1);
  x.set(xs.subarray(0, length));
  y.set(ys.subarray(0, length));
  const closed = length === count; // then the last corner is the first already
  x[length] = xs[0]!;
  y[length] = ys[0]!;
  const corners = closed ? length : length + 1;
  return { x: x.subarray(0, corners), y: y.subarray(0, corners), west, east, south, north };
}

/** Rings by number, in arrays that grow while they are added. */
export interface RingTable {
  /** Middle longitude; `x` counts from there. */
  readonly middle: Float64Array;
  readonly halfSpan: Float64Array;
  readonly south: Int32Array;
  readonly north: Int32Array;
  /** Slabs of equal height from south to north: how many, and where they begin in `slabs`. */
  readonly slabCount: Int32Array;
  readonly slabFirst: Int32Array;
  /** Where the edges of each slab begin in `edges`; one more at the end. */
  readonly slabs: Int32Array;
  /** First corner of each edge; the next corner is its other end. */
  readonly edges: Int32Array;
  readonly x: Int32Array;
  readonly y: Int32Array;
}

/** Puts one ring after another into a {@link RingTable}. */
export class RingBuilder {
  readonly #middle: number[] = [];
  readonly #halfSpan: number[] = [];
  readonly #south: number[] = [];
  readonly #north: number[] = [];
  readonly #slabCount: number[] = [];
  readonly #slabFirst: number[] = [];
  readonly #slabs = new Growing();
  readonly #edges = new Growing();
  readonly #x = new Growing();
  readonly #y = new Growing();

  /** Corners in degrees times 1e7. Returns the number of the ring. */
  add({ x, y, west, east, south, north: highest }: Unrolled): number {
    // half open to the north: the pole itself would be in no ring
    const north = highest === POLE_E7 ? POLE_E7 + 1 : highest;
    const middle = Math.round((west + east) / 2);
    const first = this.#x.length;
    const last = x.length - 1;
    let climbed = 0;
    for (let i = 0; i <= last; i++) {
      this.#x.push(x[i]! - middle);
      this.#y.push(y[i] === POLE_E7 ? POLE_E7 + 1 : y[i]!);
      if (i > 0) climbed += Math.abs(y[i]! - y[i - 1]!);
    }
    const height = north - south + 1;
    const most = ((PLACES_PER_EDGE - 1) * last * height) / Math.max(1, climbed);
    const count = Math.max(1, Math.floor(Math.min(last / EDGES_PER_SLAB, most)));
    this.#slice(first, last, count, south, height);
    this.#middle.push(wrapE7(middle));
    this.#halfSpan.push((east - west) / 2 + 1);
    this.#south.push(south);
    this.#north.push(north);
    return this.#middle.length - 1;
  }

  get vertices(): number {
    return this.#x.length;
  }

  #slice(first: number, last: number, count: number, south: number, height: number): void {
    const scale = count / height;
    const from = new Int32Array(last);
    const to = new Int32Array(last);
    const starts = new Int32Array(count + 1);
    for (let i = 0; i < last; i++) {
      const [a, b] = [this.#y.at(first + i), this.#y.at(first + i + 1)];
      if (a === b) {
        // never crossed by a line to the east
        from[i] = 1;
        to[i] = 0;
        continue;
      }
      from[i] = Math.floor((Math.min(a, b) - south) * scale);
      to[i] = Math.min(count - 1, Math.floor((Math.max(a, b) - south) * scale));
      for (let slab = from[i]!; slab <= to[i]!; slab++) starts[slab + 1]!++;
    }
    for (let slab = 0; slab < count; slab++) starts[slab + 1]! += starts[slab]!;
    this.#slabFirst.push(this.#slabs.length);
    this.#slabCount.push(count);
    const base = this.#edges.length;
    for (let slab = 0; slab <= count; slab++) this.#slabs.push(base + starts[slab]!);
    const edges = this.#edges.room(starts[count]!);
    for (let i = 0; i < last; i++) {
      for (let slab = from[i]!; slab <= to[i]!; slab++) edges[base + starts[slab]!++] = first + i;
    }
  }

  done(): RingTable {
    return {
      middle: Float64Array.from(this.#middle),
      halfSpan: Float64Array.from(this.#halfSpan),
      south: Int32Array.from(this.#south),
      north: Int32Array.from(this.#north),
      slabCount: Int32Array.from(this.#slabCount),
      slabFirst: Int32Array.from(this.#slabFirst),
      slabs: this.#slabs.done(),
      edges: this.#edges.done(),
      x: this.#x.done(),
      y: this.#y.done(),
    };
  }
}

/** Whether ring `ring` holds the point; `lngE7` is wrapped. */
export function inRing(table: RingTable, ring: number, latE7: number, lngE7: number): boolean {
  const south = table.south[ring]!;
  const north = table.north[ring]!;
  if (latE7 < south || latE7 > north) return false;
  let px = lngE7 - table.middle[ring]!;
  if (px >= HALF_E7) px -= WHOLE_E7;
  else if (px < -HALF_E7) px += WHOLE_E7;
  if (Math.abs(px) > table.halfSpan[ring]!) return false;
  const { slabs, edges, x, y } = table;
  const slab =
    table.slabFirst[ring]! + Math.floor((latE7 - south) * (table.slabCount[ring]! / (north - south + 1)));
  let inside = false;
  const end = slabs[slab + 1]!;
  for (let at = slabs[slab]!; at < end; at++) {
    const edge = edges[at]!;
    const [ya, yb] = [y[edge]!, y[edge + 1]!];
    if (ya <= latE7 === yb <= latE7) continue;
    const [xa, xb] = [x[edge]!, x[edge + 1]!];
    // from the southern end, so that both areas at an edge reckon the same
    const west =
      ya < yb
        ? (xb - xa) * (latE7 - ya) - (px - xa) * (yb - ya)
        : (xa - xb) * (latE7 - yb) - (px - xb) * (ya - yb);
    if (west > 0) inside = !inside;
  }
  return inside;
}

/** Whole numbers in an array that doubles. */
class Growing {
  #array = new Int32Array(1_024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  at(i: number): number {
    return this.#array[i]!;
  }

  push(value: number): void {
    this.room(1)[this.#length - 1] = value;
  }

  /** The array, longer by so many, which are the caller's to fill. */
  room(count: number): Int32Array {
    this.#length += count;
    if (this.#length > this.#array.length) {
      const wider = new Int32Array(Math.max(this.#length, this.#array.length * 2));
      wider.set(this.#array);
      this.#array = wider;
    }
    return this.#array;
  }

  done(): Int32Array {
    return this.#array.slice(0, this.#length);
  }
}
