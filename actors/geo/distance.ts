/** Distances on the sphere, and the speed between two fixes. */
import { EARTH_RADIUS_M } from './limits.ts';

const RAD_E7 = Math.PI / 180 / 1e7;

/** Great-circle distance in metres by the haversine formula; coordinates in degrees times 1e7. */
export function distanceM(latE7A: number, lngE7A: number, latE7B: number, lngE7B: number): number {
  const north = Math.sin(((latE7B - latE7A) * RAD_E7) / 2);
  const east = Math.sin(((lngE7B - lngE7A) * RAD_E7) / 2);
  const h = north * north + Math.cos(latE7A * RAD_E7) * Math.cos(latE7B * RAD_E7) * east * east;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.sqrt(Math.min(h, 1)));
}

export interface TimedPoint {
  readonly latE7: number;
  readonly lngE7: number;
  readonly takenAtMs: number;
}

/** How somebody came to the second of two fixes: metres per second, and their parts to the east and the north there. */
export interface Motion {
  readonly speedMps: number;
  readonly eastMps: number;
  readonly northMps: number;
}

/** The speed between two fixes, in the direction of the arrival along the great circle. */
export function motion(from: TimedPoint, to: TimedPoint): Motion {
  const speed = speedMps(from, to);
  const lat = to.latE7 * RAD_E7;
  const before = from.latE7 * RAD_E7;
  const turn = (to.lngE7 - from.lngE7) * RAD_E7;
  const ring = Math.cos(before);
  // the place before, seen from the tangent plane of the place after
  const east = ring * Math.sin(turn);
  const north = ring * Math.cos(turn) * Math.sin(lat) - Math.sin(before) * Math.cos(lat);
  const line = Math.hypot(east, north);
  const scale = line === 0 ? 0 : speed / line;
  return { speedMps: speed, eastMps: east * scale, northMps: north * scale };
}

/** Metres per second from one fix to the next; two fixes of the same millisecond count as one millisecond apart. */
export function speedMps(from: TimedPoint, to: TimedPoint): number {
  const metres = distanceM(from.latE7, from.lngE7, to.latE7, to.lngE7);
  return (metres * 1000) / Math.max(1, to.takenAtMs - from.takenAtMs);
}
