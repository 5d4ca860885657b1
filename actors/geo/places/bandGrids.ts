/**
 * The latitude-band grid of `../grid.ts` in every power of two of its edge, 2,048 m and up, for things of very different
 * sizes: each is filed at the level where it touches a handful of cells, so that neither a city block nor Alaska costs more
 * than that. Coordinates are degrees times 1e7 here, as everywhere in memory.
 */
import { EARTH_RADIUS_M, REGION_EDGE_M } from '../limits.ts';

const RAD = Math.PI / 180;
export const WHOLE_E7 = 3_600_000_000;
export const HALF_E7 = 1_800_000_000;
export const POLE_E7 = 900_000_000;
/** Metres of a degree of latitude, divided by 1e7. */
const METRES_PER_E7 = (Math.PI * EARTH_RADIUS_M) / 180 / 1e7;

interface Grid {
  readonly bandE7: number;
  readonly bands: number;
  /** First id of each band, and one more. Ids of coarser levels follow those of finer ones. */
  readonly base: Int32Array;
}

function gridOf(edgeM: number, firstId: number): Grid {
  const bands = Math.max(1, Math.floor((Math.PI * EARTH_RADIUS_M) / edgeM));
  const bandE7 = HALF_E7 / bands;
  const base = new Int32Array(bands + 1);
  base[0] = firstId;
  for (let band = 0; band < bands; band++) {
    const south = -90 + (band * 180) / bands;
    const narrowest = Math.max(0, Math.cos(Math.max(Math.abs(south), Math.abs(south + 180 / bands)) * RAD));
    const columns = Math.max(1, Math.floor((2 * Math.PI * EARTH_RADIUS_M * narrowest) / edgeM));
    base[band + 1] = base[band]! + columns;
  }
  return { bandE7, bands, base };
}

const GRIDS: Grid[] = [];
for (let edgeM = REGION_EDGE_M; edgeM < 2 * Math.PI * EARTH_RADIUS_M; edgeM *= 2) {
  const before = GRIDS.at(-1);
  GRIDS.push(gridOf(edgeM, before ? before.base[before.bands]! : 0));
}
export const LEVELS = GRIDS.length;

const bandOf = ({ bandE7, bands }: Grid, latE7: number): number => {
  const band = Math.floor((latE7 + POLE_E7) / bandE7);
  return band < 0 ? 0 : band >= bands ? bands - 1 : band;
};

/** Longitude, degrees times 1e7, in [-180, 180). */
export const wrapE7 = (lngE7: number): number => {
  if (lngE7 >= -HALF_E7 && lngE7 < HALF_E7) return lngE7;
  const turned = (lngE7 + HALF_E7) % WHOLE_E7;
  return (turned < 0 ? turned + WHOLE_E7 : turned) - HALF_E7;
};

/** Id of the cell of this level that holds a point; `lngE7` is wrapped. */
export function idAt(level: number, latE7: number, lngE7: number): number {
  const grid = GRIDS[level]!;
  const band = bandOf(grid, latE7);
  const first = grid.base[band]!;
  const columns = grid.base[band + 1]! - first;
  const column = Math.floor(((lngE7 + HALF_E7) / WHOLE_E7) * columns);
  return first + (column >= columns ? columns - 1 : column);
}

/** A part of the map between two latitudes, from `westE7` (wrapped) eastwards. */
export interface GeoBox {
  readonly southE7: number;
  readonly northE7: number;
  readonly westE7: number;
  /** At most {@link WHOLE_E7}: all the way around. */
  readonly spanE7: number;
}

/** The finest level at which a box touches few cells (nine, but for rounding and the poles). */
export function levelOf({ southE7, northE7, spanE7 }: GeoBox): number {
  const nearest = southE7 <= 0 && northE7 >= 0 ? 0 : Math.min(Math.abs(southE7), Math.abs(northE7));
  const widthM = spanE7 * METRES_PER_E7 * Math.cos((nearest / 1e7) * RAD);
  const sideM = Math.max(widthM, (northE7 - southE7) * METRES_PER_E7);
  let level = 0;
  for (let edgeM = REGION_EDGE_M; sideM > 2 * edgeM && level < LEVELS - 1; edgeM *= 2) level++;
  return level;
}

/** Ids of the cells of this level that a box touches, each once. */
export function idsIn(level: number, box: GeoBox): number[] {
  const grid = GRIDS[level]!;
  const ids: number[] = [];
  const last = bandOf(grid, box.northE7);
  for (let band = bandOf(grid, box.southE7); band <= last; band++) {
    const first = grid.base[band]!;
    const columns = grid.base[band + 1]! - first;
    const west = Math.floor(((box.westE7 + HALF_E7) / WHOLE_E7) * columns);
    const east = Math.floor(((box.westE7 + box.spanE7 + HALF_E7) / WHOLE_E7) * columns);
    if (east - west >= columns - 1) {
      for (let column = 0; column < columns; column++) ids.push(first + column);
    } else {
      for (let column = west; column <= east; column++) ids.push(first + (column % columns));
    }
  }
  return ids;
}
