/**
 * What the location service makes of the position of one side of an encounter that is held, for the operator who decides.
 * It changes nothing by itself: the encounter is held for other reasons, and no phone hears of it. Words are stored, so the
 * set only grows.
 */
export const OPINIONS = [
  /** The position agrees with what else is known of the phone. */
  'fits',
  /** Nothing else is known: no sign for anything. */
  'unknown',
  /** What else is known is further away than `DEVIATION_M_MAX` (`nodes/locationPort.ts`). */
  'far',
  /** The phone's network hides where it is. */
  'proxy',
] as const;
export type Opinion = (typeof OPINIONS)[number];
