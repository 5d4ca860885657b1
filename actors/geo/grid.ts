/**
 * The latitude-band grid: the earth cut into bands of equal height, each band into as many equal columns as fit at its
 * narrow edge. Every cell is at least as high and wide as the edge of its level, so a disc smaller than that touches at
 * most 3 x 3 cells; there is no seam at the antimeridian (columns are counted modulo) and none at the poles (one cell
 * each). An id costs some 30 ns, a thirtieth of H3, and neighbours are arithmetic (proximity study 1.3).
 *
 * Two levels, which have nothing to do with each other: regions ({@link REGION_EDGE_M}), where people are matched, and
 * areas ({@link AREA_EDGE_M}), all that a civilian is told of where an officer is. Both are fixed for good: a cell that
 * were drawn or displaced anew would be found by drawing again.
 */
import { AREA_EDGE_M, EARTH_RADIUS_M, REGION_EDGE_M } from './limits.ts';

const RAD = Math.PI / 180;
/** Against rounding where a disc touches an edge exactly: 1e-9 degrees is a tenth of a millimetre. */
const EDGE_DEG = 1e-9;

export interface Box {
  readonly south: number;
  readonly north: number;
  readonly west: number;
  readonly east: number;
  /** Cells in its band: small numbers mean a pole is close and longitudes say little. */
  readonly columns: number;
}

/** A part of the earth from which the same cells are in reach, degrees times 1e7; its edges do not belong to it. */
export interface Inside {
  readonly south: number;
  readonly north: number;
  readonly west: number;
  readonly east: number;
}

/** Holds no position. */
export const NOWHERE: Inside = { south: 1, north: -1, west: 1, east: -1 };

export const isInside = ({ south, north, west, east }: Inside, latE7: number, lngE7: number): boolean =>
  latE7 > south && latE7 < north && lngE7 > west && lngE7 < east;

/** One cut of the earth into cells of an edge. */
class Level {
  /** Odd, so the grid is its own mirror image about the equator. */
  readonly #bands: number;
  readonly #bandDeg: number;
  /** First cell id of each band, and one more: the number of cells, about 1.2e8 for regions. */
  readonly #base: Int32Array;
  readonly cellCount: number;

  constructor(edgeM: number) {
    const bands = Math.floor((Math.PI * EARTH_RADIUS_M) / edgeM);
    this.#bands = bands - ((bands + 1) % 2);
    this.#bandDeg = 180 / this.#bands;
    this.#base = new Int32Array(this.#bands + 1);
    for (let band = 0; band < this.#bands; band++) {
      const south = -90 + band * this.#bandDeg;
      const widest = Math.max(Math.abs(south), Math.abs(south + this.#bandDeg));
      const narrowest = Math.max(0, Math.cos(widest * RAD));
      const columns = Math.max(1, Math.floor((2 * Math.PI * EARTH_RADIUS_M * narrowest) / edgeM));
      this.#base[band + 1] = this.#base[band]! + columns;
    }
    this.cellCount = this.#base[this.#bands]!;
  }

  #bandOf(lat: number): number {
    const band = Math.floor((lat + 90) / this.#bandDeg);
    return band < 0 ? 0 : band >= this.#bands ? this.#bands - 1 : band;
  }

  #columnsOf(band: number): number {
    return this.#base[band + 1]! - this.#base[band]!;
  }

  /** The cell that holds a point, degrees. Longitude 180 is longitude -180. */
  cellOf(lat: number, lng: number): number {
    const band = this.#bandOf(lat);
    const columns = this.#columnsOf(band);
    const column = Math.floor(((lng + 180) / 360) * columns) % columns;
    return this.#base[band]! + (column < 0 ? column + columns : column);
  }

  /** Edges of a cell, degrees. No box crosses the antimeridian. */
  boxOf(cell: number): Box {
    let low = 0;
    let high = this.#bands - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#base[middle]! <= cell) low = middle;
      else high = middle - 1;
    }
    const columns = this.#columnsOf(low);
    const column = cell - this.#base[low]!;
    return {
      south: -90 + low * this.#bandDeg,
      north: -90 + (low + 1) * this.#bandDeg,
      west: -180 + (column / columns) * 360,
      east: -180 + ((column + 1) / columns) * 360,
      columns,
    };
  }

  /** The part of a cell that is further than `reachM` from its edges. */
  insideOf(cell: number, reachM: number): Inside {
    const box = this.boxOf(cell);
    const latReach = latReachDeg(reachM);
    const lngReach = lngReachDeg(Math.max(Math.abs(box.south), Math.abs(box.north)), reachM);
    return {
      south: (box.south + latReach) * 1e7,
      north: (box.north - latReach) * 1e7,
      west: (box.west + lngReach) * 1e7,
      east: (box.east - lngReach) * 1e7,
    };
  }

  /** Every cell within `radiusM` of a point (and now and then one just beyond a corner), each once. */
  cover(lat: number, lng: number, radiusM: number): number[] {
    const cells: number[] = [];
    const latReach = latReachDeg(radiusM);
    const lngReach = lngReachDeg(lat, radiusM);
    const last = this.#bandOf(lat + latReach);
    for (let band = this.#bandOf(lat - latReach); band <= last; band++) {
      const base = this.#base[band]!;
      const columns = this.#columnsOf(band);
      const west = Math.floor(((lng - lngReach + 180) / 360) * columns);
      const east = Math.floor(((lng + lngReach + 180) / 360) * columns);
      if (lngReach >= 180 || east - west >= columns - 1) {
        for (let column = 0; column < columns; column++) cells.push(base + column);
      } else {
        for (let column = west; column <= east; column++) {
          cells.push(base + (column < 0 ? column + columns : column >= columns ? column - columns : column));
        }
      }
    }
    return cells;
  }
}

/** Half the width in degrees of longitude of a disc around a point; 180 when the disc holds a pole. */
export function lngReachDeg(lat: number, radiusM: number): number {
  const angle = radiusM / EARTH_RADIUS_M;
  const sine = Math.sin(angle) / Math.cos(lat * RAD);
  if (Math.abs(lat) * RAD + angle >= Math.PI / 2 || sine >= 1) return 180;
  return Math.asin(sine) / RAD + EDGE_DEG;
}

/** Height in degrees of a radius. */
export const latReachDeg = (radiusM: number): number => radiusM / EARTH_RADIUS_M / RAD + EDGE_DEG;

/** The cells of regions. */
export const REGIONS = new Level(REGION_EDGE_M);
/** The cells of areas. */
export const AREAS = new Level(AREA_EDGE_M);

/** Of the cells of regions; see {@link Level}. */
export const CELL_COUNT = REGIONS.cellCount;
export const cellOf = (lat: number, lng: number): number => REGIONS.cellOf(lat, lng);
export const boxOf = (cell: number): Box => REGIONS.boxOf(cell);
export const cover = (lat: number, lng: number, radiusM: number): number[] =>
  REGIONS.cover(lat, lng, radiusM);

/** Actor id of a region; also the coarse cell of an encounter. At most 10 characters. */
export const regionId = (cell: number): string => `r${cell}`;

/** Actor id of an area; also what people are told. At most 9 characters. */
export const areaId = (cell: number): string => `a${cell}`;

const cellOfId = (id: string, letter: string, { cellCount }: Level): number | null => {
  if (id[0] !== letter || !/^.\d{1,9}$/.test(id)) return null;
  const cell = Number(id.slice(1));
  return cell < cellCount ? cell : null;
};

/** The cell of a region id, null when the text is not one. */
export const cellOfRegion = (id: string): number | null => cellOfId(id, 'r', REGIONS);

/** The cell of an area id, null when the text is not one. */
export const cellOfArea = (id: string): number | null => cellOfId(id, 'a', AREAS);
