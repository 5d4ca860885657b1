/**
 * The ground on which an attacker hunts: a block of two by two areas in metres, and the grids that he knows because the
 * documents describe them. Written apart from `actors/geo/grid.ts`: what he assumes must not change with the product.
 */
const EARTH_RADIUS_M = 6_371_008.8;
const RAD = Math.PI / 180;
export const METRES_PER_DEGREE = EARTH_RADIUS_M * RAD;

/** Cells of matching and of encounter rows: the coarse cell. */
export const COARSE_M = 2_048;
/** What civilians are told of. */
export const AREA_M = 8_192;

export interface Point {
  /** Metres east and north of the middle of the block. */
  readonly x: number;
  readonly y: number;
}

/** A latitude-band grid: bands of equal height, in each as many columns as fit at its narrow edge. */
class Bands {
  readonly #bandDeg: number;
  readonly #bands: number;

  constructor(edgeM: number) {
    this.#bands = Math.floor((Math.PI * EARTH_RADIUS_M) / edgeM);
    this.#bandDeg = 180 / this.#bands;
    this.edgeM = edgeM;
  }

  readonly edgeM: number;

  bandOf(lat: number): number {
    return Math.min(this.#bands - 1, Math.floor((lat + 90) / this.#bandDeg));
  }

  columnsOf(band: number): number {
    const south = -90 + band * this.#bandDeg;
    const narrow = Math.cos(Math.max(Math.abs(south), Math.abs(south + this.#bandDeg)) * RAD);
    return Math.max(1, Math.floor((2 * Math.PI * EARTH_RADIUS_M * narrow) / this.edgeM));
  }

  /** A number for the cell that holds a point; only good for comparing. */
  cellOf(lat: number, lng: number): number {
    const band = this.bandOf(lat);
    return band * 65_536 + Math.floor(((lng + 180) / 360) * this.columnsOf(band));
  }

  /** North-east corner of the cell of a point, degrees. */
  cornerOf(lat: number, lng: number): { readonly lat: number; readonly lng: number } {
    const band = this.bandOf(lat);
    const columns = this.columnsOf(band);
    const column = Math.floor(((lng + 180) / 360) * columns);
    return { lat: -90 + (band + 1) * this.#bandDeg, lng: -180 + ((column + 1) / columns) * 360 };
  }
}

const COARSE = new Bands(COARSE_M);
const AREAS = new Bands(AREA_M);

/** Two by two areas about a corner of the grid near New York. Its half is one area. */
export class Block {
  readonly halfM = AREA_M;
  readonly #lat: number;
  readonly #lng: number;
  readonly #perLng: number;

  constructor(near = { lat: 40.7306, lng: -73.9866 }) {
    const corner = AREAS.cornerOf(near.lat, near.lng);
    this.#lat = corner.lat;
    this.#lng = corner.lng;
    this.#perLng = METRES_PER_DEGREE * Math.cos(corner.lat * RAD);
  }

  latOf(y: number): number {
    return this.#lat + y / METRES_PER_DEGREE;
  }

  lngOf(x: number): number {
    return this.#lng + x / this.#perLng;
  }

  coarseOf(x: number, y: number): number {
    return COARSE.cellOf(this.latOf(y), this.lngOf(x));
  }

  areaOf(x: number, y: number): number {
    return AREAS.cellOf(this.latOf(y), this.lngOf(x));
  }

  /** Coarse cells within `reachM` of a point. */
  coarseNear(x: number, y: number, reachM: number): Set<number> {
    const found = new Set<number>();
    for (const dx of [-reachM, 0, reachM])
      for (const dy of [-reachM, 0, reachM]) found.add(this.coarseOf(x + dx, y + dy));
    return found;
  }
}
