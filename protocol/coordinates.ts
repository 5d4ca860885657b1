/** Coordinates travel as degrees times 10,000,000 in an int32 (1.1 cm at the equator): whole numbers, no rounding. */

import type { Location } from './frames.ts';
import { ACCURACY_DM_MAX } from './limits.ts';

const E7 = 10_000_000;
export const LATITUDE_E7_MAX = 90 * E7;
export const LONGITUDE_E7_MAX = 180 * E7;

/** Degrees to E7, rounded to the nearest. Not finite stays not finite and fails every range check. */
export const degreesToE7 = (degrees: number): number => Math.round(degrees * E7) + 0;
export const e7ToDegrees = (e7: number): number => e7 / E7;

/** True for a point of the globe: whole numbers, |lat| <= 90, |lng| <= 180 degrees. */
export const onGlobe = (latE7: number, lngE7: number): boolean =>
  Number.isInteger(latE7) &&
  Number.isInteger(lngE7) &&
  Math.abs(latE7) <= LATITUDE_E7_MAX &&
  Math.abs(lngE7) <= LONGITUDE_E7_MAX;

/**
 * What a decoded position still has to satisfy, apart from its clock and its sequence number, which only the receiver
 * can judge. Null when it is fine, else a sentence for the client.
 */
export const checkLocation = (location: Location): string | null => {
  if (!onGlobe(location.latE7, location.lngE7)) return 'position outside the globe';
  if (location.accuracyDm > ACCURACY_DM_MAX) return 'accuracy over 100 km';
  if (location.headingDeg !== null && location.headingDeg > 360) return 'heading over 360 degrees';
  return null;
};
