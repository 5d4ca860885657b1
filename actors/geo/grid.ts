/**
 * The latitude-band grid: the earth cut into bands of equal height, each band into as many equal columns as fit at its
 * narrow edge. Every cell is at least {@link REGION_EDGE_M} high and wide, so a disc smaller than that touches at most
 * 3 x 3 cells; there is no seam at the antimeridian (columns are counted modulo) and none at the poles (one cell each).
 * An id costs some 30 ns, a thirtieth of H3, and neighbours are arithmetic (`reference/proximity.md` 1.3).
 */
import { EARTH_RADIUS_M, REGION_EDGE_M } from './limits.ts';

const RAD = Math.PI / 180;
/** Odd, so the grid is its own mirror image about the equator. */
const BANDS = Math.floor((Math.PI * EARTH_RADIUS_M) / REGION_EDGE_M);
const BAND_DEG = 180 / BANDS;
/** Against rounding where a disc touches an edge exactly: 1e-9 degrees is a tenth of a millimetre. */
const EDGE_DEG = 1e-9;

/** First cell id of each band, and one more: the number of cells, about 1.2e8. */
const BASE = new Int32Array(BANDS + 1);
for (let band = 0; band < BANDS; band++) {
  const south = -90 + band * BAND_DEG;
  const narrowest = Math.max(0, Math.cos(Math.max(Math.abs(south), Math.abs(south + BAND_DEG)) * RAD));
  const columns = Math.max(1, Math.floor((2 * Math.PI * EARTH_RADIUS_M * narrowest) / REGION_EDGE_M));
  BASE[band + 1] = BASE[band]! + columns;
}
export const CELL_COUNT = BASE[BANDS]!;

const bandOf = (lat: number): number => {
  const band = Math.floor((lat + 90) / BAND_DEG);
  return band < 0 ? 0 : band >= BANDS ? BANDS - 1 : band;
};
const columnsOf = (band: number): number => BASE[band + 1]! - BASE[band]!;

/** The cell that holds a point, degrees. Longitude 180 is longitude -180. */
export function cellOf(lat: number, lng: number): number {
  const band = bandOf(lat);
  const columns = columnsOf(band);
  const column = Math.floor(((lng + 180) / 360) * columns) % columns;
  return BASE[band]! + (column < 0 ? column + columns : column);
}

export interface Box {
  readonly south: number;
  readonly north: number;
  readonly west: number;
  readonly east: number;
  /** Cells in its band: small numbers mean a pole is close and longitudes say little. */
  readonly columns: number;
}

/** Edges of a cell, degrees. No box crosses the antimeridian. */
export function boxOf(cell: number): Box {
  let low = 0;
  let high = BANDS - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (BASE[middle]! <= cell) low = middle;
    else high = middle - 1;
  }
  const columns = columnsOf(low);
  const column = cell - BASE[low]!;
  return {
    south: -90 + low * BAND_DEG,
    north: -90 + (low + 1) * BAND_DEG,
    west: -180 + (column / columns) * 360,
    east: -180 + ((column + 1) / columns) * 360,
    columns,
  };
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

/** Every cell within `radiusM` of a point (and now and then one just beyond a corner), each once. */
export function cover(lat: number, lng: number, radiusM: number): number[] {
  const cells: number[] = [];
  const latReach = latReachDeg(radiusM);
  const lngReach = lngReachDeg(lat, radiusM);
  const last = bandOf(lat + latReach);
  for (let band = bandOf(lat - latReach); band <= last; band++) {
    const base = BASE[band]!;
    const columns = columnsOf(band);
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

/** Actor id of a region; also the coarse cell that people are told. At most 10 characters. */
export const regionId = (cell: number): string => `r${cell}`;

/** The cell of a region id, null when the text is not one. */
export function cellOfRegion(id: string): number | null {
  if (!/^r\d{1,9}$/.test(id)) return null;
  const cell = Number(id.slice(1));
  return cell < CELL_COUNT ? cell : null;
}
