/** What a movement of points is called in the streams: by why it was made, and whether the mint gave the points. */

const TYPE_OF: Readonly<Record<string, string>> = {
  encounter: 'encounter.recorded',
  donation: 'points.donated',
  giveaway: 'points.giveaway',
  reversal: 'points.reversed',
  correction: 'points.reversed',
  expiry: 'points.expired',
};

/** Every name that a movement can have. */
export const MOVEMENT_TYPES = [
  ...new Set([...Object.values(TYPE_OF), 'points.awarded', 'points.transferred']),
];

/**
 * @param reason of the transfer
 * @param isAward the mint gave the points
 */
export const movementType = (reason: string, isAward: boolean): string =>
  TYPE_OF[reason] ?? (isAward ? 'points.awarded' : 'points.transferred');
