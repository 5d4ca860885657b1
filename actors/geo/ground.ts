/**
 * The ground of one region: in which of 32 x 32 micro cells a position stands, and how far two people are apart.
 *
 * Almost always the ground is flat: a degree to the north has so many metres, one to the east so many at the latitude half
 * way between the two, and the square of the hypotenuse decides. That is right to a millimetre within the largest reach
 * (2 km), up to {@link FLAT_LAT}. Whoever is within {@link RIM_M} of a radius is decided by the haversine formula over the
 * very integers of the fixes, so flatness never decides anything; nearer to the poles everything is decided so.
 *
 * Sine and cosine come from those of the middle of the region by the addition theorem and a few terms of the series,
 * which is one of powers of the way to the middle.
 */
import { boxOf, latReachDeg, lngReachDeg } from './grid.ts';
import { EARTH_RADIUS_M, MICRO_CELLS } from './limits.ts';

const RAD = Math.PI / 180;
export const RAD_E7 = RAD / 1e7;
/** Metres per degree of latitude times 1e7. */
export const METRES_PER_E7 = EARTH_RADIUS_M * RAD_E7;
/** With so few columns in a band a pole is within reach: every micro column is searched. */
const POLAR_COLUMNS = 16;
/** Degrees. At 2 km, here: 2 km / R, squared, times the squared tangent, over 12, of 2 km: half a millimetre. */
const FLAT_LAT = 80;
/** Ten times what the flat ground may be wrong by, metres. */
export const RIM_M = 0.01;
/** Within so many radians the terms that are left out of the series are below 1e-11, a tenth of a millimetre in 2 km. */
const SERIES_RAD = 0.01;

/** Square of the straight line through the earth, in square metres, that belongs to a great-circle distance. */
export const lineSquared = (metres: number): number => {
  const line = 2 * EARTH_RADIUS_M * Math.sin(metres / EARTH_RADIUS_M / 2);
  return line * line;
};

/** The same between two places by the haversine formula; latitudes and difference of longitudes in degrees times 1e7. */
export const haversineSquared = (latE7A: number, latE7B: number, dLngE7: number): number => {
  const north = Math.sin(((latE7B - latE7A) * RAD_E7) / 2);
  const east = Math.sin((dLngE7 * RAD_E7) / 2);
  const h = north * north + Math.cos(latE7A * RAD_E7) * Math.cos(latE7B * RAD_E7) * east * east;
  return 4 * EARTH_RADIUS_M * EARTH_RADIUS_M * Math.min(h, 1);
};

/** How far a search must go, in {@link STEPS}ths of micro cells: whole numbers, which need no memory of their own. */
export interface Reach {
  readonly rows: number;
  readonly columns: number;
}
export const STEPS = 65_536;

/**
 * Where a region stood last: its place among the micro cells, with fractions, outside [0, 32) beyond the edges; metres to
 * the east per degree times 1e7 there, and how much that grows per degree times 1e7 of another's latitude. One for all
 * regions of a node, as a region stands, looks around and is done with it within one turn: so it stays in the cache.
 */
export const STAND = new Float64Array(4);
export const ROW = 0;
export const COLUMN = 1;
export const PER_EAST = 2;
export const PER_EAST_GROWS = 3;

const SOUTH = 0;
const ROWS_PER_E7 = 1;
const COLUMNS_PER_E7 = 2;
const CENTRE_COLUMN = 3;
const MIDDLE = 4;
/** By powers of the way to the middle, degrees times 1e7: what makes {@link PER_EAST}, then {@link PER_EAST_GROWS}. */
const COSINES = 5;
const SINES = 10;
const SERIES = 5;
/** What lies further from the middle, degrees times 1e7, is computed without the series. */
const SERIES_E7 = SERIES_RAD / RAD_E7;

export class Ground {
  /** So near to a pole that nothing is flat. */
  readonly isRound: boolean;
  readonly #centreE7: number;
  readonly #isPolar: boolean;
  /** Side by side: a number in a field of its own would be a line of memory of its own. */
  readonly #fixed = new Float64Array(SINES + SERIES);
  readonly #edgeDeg: number;

  constructor(cell: number) {
    const box = boxOf(cell);
    const middle = ((box.south + box.north) / 2) * RAD;
    const centreE7 = ((box.west + box.east) / 2) * 1e7;
    this.#centreE7 = Math.round(centreE7);
    const columnsPerE7 = MICRO_CELLS / (box.east - box.west) / 1e7;
    this.#fixed[SOUTH] = box.south * 1e7;
    this.#fixed[ROWS_PER_E7] = MICRO_CELLS / (box.north - box.south) / 1e7;
    this.#fixed[COLUMNS_PER_E7] = columnsPerE7;
    this.#fixed[CENTRE_COLUMN] = MICRO_CELLS / 2 + (this.#centreE7 - centreE7) * columnsPerE7;
    this.#fixed[MIDDLE] = middle / RAD_E7;
    const cosine = METRES_PER_E7 * Math.cos(middle);
    const sine = METRES_PER_E7 * Math.sin(middle);
    this.#fixed.set(series([cosine, -sine, -cosine, sine, cosine]), COSINES);
    this.#fixed.set(series([sine, cosine, -sine, -cosine, sine].map(one => (-one * RAD_E7) / 2)), SINES);
    this.#isPolar = box.columns < POLAR_COLUMNS;
    this.#edgeDeg = Math.max(Math.abs(box.south), Math.abs(box.north));
    this.isRound = this.#edgeDeg > FLAT_LAT;
  }

  /** The cells that hold everybody within a radius, from wherever in this region. */
  reach(radiusM: number): Reach {
    const latDeg = latReachDeg(radiusM);
    const lngDeg = this.#isPolar ? 360 : lngReachDeg(Math.min(90, this.#edgeDeg + latDeg), radiusM);
    const steps = (deg: number, perE7: number): number =>
      Math.min(Math.ceil(deg * 1e7 * perE7 * STEPS), 2 ** 30);
    return {
      rows: steps(latDeg, this.#fixed[ROWS_PER_E7]!),
      columns: steps(lngDeg, this.#fixed[COLUMNS_PER_E7]!),
    };
  }

  /** A longitude, counted from the middle of the region. */
  eastOf(lngE7: number): number {
    const east = lngE7 - this.#centreE7;
    return east < -1_800_000_000 ? east + 3_600_000_000 : east >= 1_800_000_000 ? east - 3_600_000_000 : east;
  }

  lngOf(east: number): number {
    const lngE7 = east + this.#centreE7;
    return lngE7 < -1_800_000_000
      ? lngE7 + 3_600_000_000
      : lngE7 >= 1_800_000_000
        ? lngE7 - 3_600_000_000
        : lngE7;
  }

  /** Fills {@link STAND}. Degrees times 1e7, the longitude as {@link eastOf} has it. */
  stand(latE7: number, east: number): void {
    const fixed = this.#fixed;
    STAND[ROW] = (latE7 - fixed[SOUTH]!) * fixed[ROWS_PER_E7]!;
    STAND[COLUMN] = east * fixed[COLUMNS_PER_E7]! + fixed[CENTRE_COLUMN]!;
    const d = latE7 - fixed[MIDDLE]!;
    if (this.isRound) {
      // no line is a number, so every decision is an exact one
      STAND[PER_EAST] = Number.NaN;
      STAND[PER_EAST_GROWS] = 0;
    } else if (d < SERIES_E7 && d > -SERIES_E7) {
      STAND[PER_EAST] =
        fixed[COSINES]! +
        d *
          (fixed[COSINES + 1]! +
            d * (fixed[COSINES + 2]! + d * (fixed[COSINES + 3]! + d * fixed[COSINES + 4]!)));
      STAND[PER_EAST_GROWS] =
        fixed[SINES]! +
        d * (fixed[SINES + 1]! + d * (fixed[SINES + 2]! + d * (fixed[SINES + 3]! + d * fixed[SINES + 4]!)));
    } else {
      STAND[PER_EAST] = METRES_PER_E7 * Math.cos(latE7 * RAD_E7);
      STAND[PER_EAST_GROWS] = (-METRES_PER_E7 * RAD_E7 * Math.sin(latE7 * RAD_E7)) / 2;
    }
  }
}

/** The terms of a series of derivatives: over n!, and by degrees times 1e7 instead of radians. */
const series = (derivatives: readonly number[]): number[] => {
  let term = 1;
  return derivatives.map((one, n) => one * (n === 0 ? 1 : (term *= RAD_E7 / n)));
};
