/**
 * The coarse cell: what is left of a position in mode `coarse`. The phone snaps to its middle before it says anything, and the
 * server snaps again before it does anything, so neither has to trust the other.
 *
 * A latitude-band grid: the earth cut into bands of equal height, each into as many equal columns as fit at its narrow edge.
 * Small and without tables, for phones; the server's grid (`actors/geo/grid.ts`) has the same cells, as a test says.
 */

const E7 = 10_000_000;

/** Degrees times 1e7. */
interface Point {
  readonly latE7: number;
  readonly lngE7: number;
}

/** Mean radius of the earth (IUGG), metres. */
const EARTH_RADIUS_M = 6_371_008.8;
/** No cell is lower or narrower, metres. */
export const COARSE_EDGE_M = 2_048;
/** Half the diagonal of a cell of that size, in decimetres: as sharp as a snapped position is. */
export const COARSE_ACCURACY_DM = Math.round((COARSE_EDGE_M / Math.SQRT2) * 10);

const RAD = Math.PI / 180;
const FITTING = Math.floor((Math.PI * EARTH_RADIUS_M) / COARSE_EDGE_M);
/** Odd, so that the equator is in the middle of a band. */
const BANDS = FITTING - ((FITTING + 1) % 2);
const BAND_DEG = 180 / BANDS;

/** The middle of the coarse cell that holds a point of the globe. */
export const coarseOf = ({ latE7, lngE7 }: Point): Point => {
  const band = Math.min(BANDS - 1, Math.max(0, Math.floor((latE7 / E7 + 90) / BAND_DEG)));
  const south = -90 + band * BAND_DEG;
  const narrow = Math.cos(Math.max(Math.abs(south), Math.abs(south + BAND_DEG)) * RAD);
  const columns = Math.max(1, Math.floor((2 * Math.PI * EARTH_RADIUS_M * narrow) / COARSE_EDGE_M));
  const column = Math.floor(((lngE7 / E7 + 180) / 360) * columns) % columns;
  const lng = -180 + ((column + 0.5) / columns) * 360;
  return { latE7: Math.round((south + BAND_DEG / 2) * E7), lngE7: Math.round(lng * E7) };
};
