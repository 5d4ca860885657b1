/** Metres between two positions, and the units of the doors: E7 degrees here, degrees at the service. */

const EARTH_M = 6_371_008.8;
const RADIANS = Math.PI / 180;
const E7 = 10_000_000;

export interface Point {
  readonly latE7: number;
  readonly lngE7: number;
}

/** Great circle (haversine), metres. */
export function metresBetween(a: Point, b: Point): number {
  const latA = (a.latE7 / E7) * RADIANS;
  const latB = (b.latE7 / E7) * RADIANS;
  const sinLat = Math.sin((latB - latA) / 2);
  const sinLng = Math.sin((((b.lngE7 - a.lngE7) / E7) * RADIANS) / 2);
  const h = sinLat * sinLat + Math.cos(latA) * Math.cos(latB) * sinLng * sinLng;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** As the service writes it: `[longitude, latitude]`, degrees. */
export const toDegrees = ({ latE7, lngE7 }: Point): [number, number] => [lngE7 / E7, latE7 / E7];

/** Null for what is no position. */
export function fromDegrees(position: readonly number[] | undefined): Point | null {
  const [lng, lat] = position ?? [];
  if (typeof lng !== 'number' || typeof lat !== 'number') return null;
  if (!(Math.abs(lat) <= 90 && Math.abs(lng) <= 180)) return null;
  return { latE7: Math.round(lat * E7), lngE7: Math.round(lng * E7) };
}

export const isPoint = ({ latE7, lngE7 }: Point): boolean =>
  Number.isInteger(latE7) &&
  Number.isInteger(lngE7) &&
  Math.abs(latE7) <= 90 * E7 &&
  Math.abs(lngE7) <= 180 * E7;
