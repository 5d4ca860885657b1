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

/** Metres per second from one fix to the next; two fixes of the same millisecond count as one millisecond apart. */
export function speedMps(from: TimedPoint, to: TimedPoint): number {
  const metres = distanceM(from.latE7, from.lngE7, to.latE7, to.lngE7);
  return (metres * 1000) / Math.max(1, to.takenAtMs - from.takenAtMs);
}
