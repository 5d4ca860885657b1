/**
 * The ground of one region: where a position stands on the sphere, and in which of 32 x 32 micro cells.
 *
 * Positions are points on the sphere in metres from its centre. The square of the straight line between two of them
 * grows with the great-circle distance exactly, at the poles and across the antimeridian too, so one comparison of
 * squares is the haversine decision; a flat projection would need a second look near every radius.
 *
 * Sine and cosine come from those of the middle of the region by the addition theorem and a few terms of the series,
 * exact to the last digits so close to it; four calls of the library would cost as much as the whole search.
 */
import { boxOf, latReachDeg, lngReachDeg } from './grid.ts';
import { EARTH_RADIUS_M, MICRO_CELLS } from './limits.ts';

const RAD = Math.PI / 180;
const RAD_E7 = RAD / 1e7;
/** With so few columns in a band a pole is within reach: every micro column is searched. */
const POLAR_COLUMNS = 16;
/** Within so many radians the first term that is left out of a series is below 1e-17. */
const SERIES_RAD = 0.01;

/** Square of the straight line, in square metres, that belongs to a great-circle distance. */
export const lineSquared = (metres: number): number => {
  const line = 2 * EARTH_RADIUS_M * Math.sin(metres / EARTH_RADIUS_M / 2);
  return line * line;
};

/** How far a search must go, in micro cells. */
export interface Reach {
  readonly rows: number;
  readonly columns: number;
}

export class Ground {
  /** Where {@link stand} was called for: metres from the centre of the earth ... */
  x = 0;
  y = 0;
  z = 0;
  /** ... the cosines and sines of its angles ... */
  cosLat = 0;
  sinLat = 0;
  cosLng = 0;
  sinLng = 0;
  /** ... and its place among the micro cells, with fractions, outside [0, 32) beyond the edges. */
  row = 0;
  column = 0;

  readonly #southE7: number;
  readonly #centreE7: number;
  readonly #middle: number;
  readonly #cosMiddle: number;
  readonly #sinMiddle: number;
  readonly #cosCentre: number;
  readonly #sinCentre: number;
  readonly #rowsPerE7: number;
  readonly #columnsPerE7: number;
  readonly #isPolar: boolean;
  readonly #edgeDeg: number;

  constructor(cell: number) {
    const box = boxOf(cell);
    this.#southE7 = box.south * 1e7;
    this.#centreE7 = ((box.west + box.east) / 2) * 1e7;
    this.#middle = ((box.south + box.north) / 2) * RAD;
    this.#cosMiddle = Math.cos(this.#middle);
    this.#sinMiddle = Math.sin(this.#middle);
    this.#cosCentre = Math.cos(this.#centreE7 * RAD_E7);
    this.#sinCentre = Math.sin(this.#centreE7 * RAD_E7);
    this.#rowsPerE7 = MICRO_CELLS / (box.north - box.south) / 1e7;
    this.#columnsPerE7 = MICRO_CELLS / (box.east - box.west) / 1e7;
    this.#isPolar = box.columns < POLAR_COLUMNS;
    this.#edgeDeg = Math.max(Math.abs(box.south), Math.abs(box.north));
  }

  /** The cells that hold everybody within a radius, from wherever in this region. */
  reach(radiusM: number): Reach {
    const latDeg = latReachDeg(radiusM);
    const lngDeg = this.#isPolar ? 360 : lngReachDeg(Math.min(90, this.#edgeDeg + latDeg), radiusM);
    return { rows: latDeg * 1e7 * this.#rowsPerE7, columns: lngDeg * 1e7 * this.#columnsPerE7 };
  }

  /** Degrees times 1e7. */
  stand(latE7: number, lngE7: number): void {
    let east = lngE7 - this.#centreE7;
    if (east < -1_800_000_000) east += 3_600_000_000;
    else if (east >= 1_800_000_000) east -= 3_600_000_000;
    this.row = (latE7 - this.#southE7) * this.#rowsPerE7;
    this.column = east * this.#columnsPerE7 + MICRO_CELLS / 2;

    const lat = latE7 * RAD_E7;
    const dLat = lat - this.#middle;
    if (dLat < SERIES_RAD && dLat > -SERIES_RAD) {
      const square = dLat * dLat;
      const sine = dLat * (1 - (square / 6) * (1 - square / 20));
      const cosine = 1 - (square / 2) * (1 - (square / 12) * (1 - square / 30));
      this.sinLat = this.#sinMiddle * cosine + this.#cosMiddle * sine;
      this.cosLat = this.#cosMiddle * cosine - this.#sinMiddle * sine;
    } else {
      this.sinLat = Math.sin(lat);
      this.cosLat = Math.cos(lat);
    }
    const dLng = east * RAD_E7;
    if (dLng < SERIES_RAD && dLng > -SERIES_RAD) {
      const square = dLng * dLng;
      const sine = dLng * (1 - (square / 6) * (1 - square / 20));
      const cosine = 1 - (square / 2) * (1 - (square / 12) * (1 - square / 30));
      this.sinLng = this.#sinCentre * cosine + this.#cosCentre * sine;
      this.cosLng = this.#cosCentre * cosine - this.#sinCentre * sine;
    } else {
      this.sinLng = Math.sin(lngE7 * RAD_E7);
      this.cosLng = Math.cos(lngE7 * RAD_E7);
    }
    const ring = EARTH_RADIUS_M * this.cosLat;
    this.x = ring * this.cosLng;
    this.y = ring * this.sinLng;
    this.z = EARTH_RADIUS_M * this.sinLat;
  }
}
