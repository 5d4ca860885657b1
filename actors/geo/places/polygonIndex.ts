/**
 * Which area holds a point: tens of thousands of polygons with holes, asked some hundred thousand times a second.
 *
 * Areas are coded (a zip code for example), and an area may be several polygons. A look-up finds the polygons whose box
 * touches the point's cell, throws out those whose own box does not hold it, and counts edges in one slab of the rest.
 * When polygons overlap, the first of the file counts. Everything is in typed arrays: built on one thread, used on another.
 */
import { HALF_E7, POLE_E7, WHOLE_E7, wrapE7 } from './bandGrids.ts';
import { type BoxTable, buildBoxes, visitBoxes } from './boxIndex.ts';
import { inRing, RingBuilder, type RingTable, unroll } from './rings.ts';
import { readShape } from './shape.ts';

/** An area as it is stored: see `shape.ts`. */
export interface CodedShape {
  readonly code: string;
  readonly shape: Int32Array;
}

/** All of an index as plain values. */
export interface PolygonTable {
  readonly codes: readonly string[];
  /** By polygon: the number of its code, and where its rings begin (one more at the end); the first ring is outside. */
  readonly owner: Int32Array;
  readonly firstRing: Int32Array;
  readonly rings: RingTable;
  readonly boxes: BoxTable;
}

/** @throws Error when a shape is none: `shape.ts` wrote it, so that is a bug or a broken store */
export function buildPolygons(areas: readonly CodedShape[]): PolygonTable {
  const builder = new RingBuilder();
  const owner: number[] = [];
  const firstRing: number[] = [];
  let count = 0;
  for (const [number, { shape }] of areas.entries()) {
    for (const polygon of readShape(shape)) {
      owner.push(number);
      firstRing.push(count);
      for (const { first, corners } of polygon) {
        const lng = (i: number): number => shape[first + 2 * i]!;
        const lat = (i: number): number => shape[first + 2 * i + 1]!;
        count = builder.add(unroll(corners, lng, lat, WHOLE_E7, POLE_E7)) + 1;
      }
    }
  }
  firstRing.push(count);
  const rings = builder.done();
  const boxes = buildBoxes(owner.length, polygon => {
    const ring = firstRing[polygon]!;
    const span = Math.min(WHOLE_E7, 2 * rings.halfSpan[ring]!);
    return {
      southE7: rings.south[ring]!,
      northE7: rings.north[ring]!,
      westE7: span >= WHOLE_E7 ? -HALF_E7 : wrapE7(rings.middle[ring]! - span / 2),
      spanE7: span,
    };
  });
  return {
    codes: areas.map(area => area.code),
    owner: Int32Array.from(owner),
    firstRing: Int32Array.from(firstRing),
    rings,
    boxes,
  };
}

export class PolygonIndex {
  readonly #table: PolygonTable;
  /** The point of the look-up under way, and what it found; a turn of the event loop has one look-up at a time. */
  #latE7 = 0;
  #lngE7 = 0;
  #found = -1;
  readonly #visit = (polygon: number): void => {
    if ((this.#found === -1 || polygon < this.#found) && this.#holds(polygon)) this.#found = polygon;
  };

  constructor(table: PolygonTable) {
    this.#table = table;
  }

  static of(areas: readonly CodedShape[]): PolygonIndex {
    return new PolygonIndex(buildPolygons(areas));
  }

  /** Number of areas. */
  get size(): number {
    return this.#table.codes.length;
  }

  get polygons(): number {
    return this.#table.owner.length;
  }

  /** Code of the area that holds a point, degrees; null when none does. Longitude 180 is longitude -180. */
  at(lat: number, lng: number): string | null {
    this.#latE7 = Math.round(lat * 1e7);
    this.#lngE7 = wrapE7(Math.round(lng * 1e7));
    this.#found = -1;
    visitBoxes(this.#table.boxes, this.#latE7, this.#lngE7, this.#visit);
    return this.#found === -1 ? null : this.#table.codes[this.#table.owner[this.#found]!]!;
  }

  #holds(polygon: number): boolean {
    const { firstRing, rings } = this.#table;
    const outside = firstRing[polygon]!;
    if (!inRing(rings, outside, this.#latE7, this.#lngE7)) return false;
    for (let ring = outside + 1; ring < firstRing[polygon + 1]!; ring++) {
      if (inRing(rings, ring, this.#latE7, this.#lngE7)) return false;
    }
    return true;
  }
}
