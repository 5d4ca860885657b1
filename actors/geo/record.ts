/**
 * How a region writes down a member: a record of 128 bytes, two cache lines, seen as 32 whole numbers and as 16 numbers. The
 * first line holds all that a search, a look at a pair or the next fix reads of somebody who has nobody around, the second
 * what every fix writes and only a look at a pair reads. In a large town a move waits for memory more than for anything
 * else, and it does not wait for what it writes.
 *
 * The place is the very integers of the fix, so that nothing is rounded away: the latitude, and the longitude counted from
 * the middle of the region, degrees times 1e7.
 */

/** Whole numbers of a record. */
export const WHOLE = 32;
export const LAT = 0;
export const EAST = 1;
/** Neighbours in the list of the micro cell. */
export const NEXT = 4;
export const PREVIOUS = 5;
/** Flags in the lower 16 bits, the micro cell in the upper ones. */
export const STATE = 6;
/** Decimetres; a value of its own for every accuracy that is too bad. */
export const ACCURACY = 7;
export const FIRST_SLOT = 8;
/** Of an officer a number of his own; of a civilian the sum of those of the officers around whom he was told of. */
export const STAMP = 9;
/** Since when an officer's crowd is about to change; until when a civilian's sum holds. Unix ms modulo 2^32. */
export const TURNING = 10;
export const UNTIL = 10;
/** The move that looked at the member last. */
export const LOOKED = 11;

/** Numbers of a record. */
export const NUMBERS = 16;
/** When the fix was taken, Unix ms. */
export const TAKEN = 1;
/** Number of the fix. */
export const SEQ = 6;
/** The account's number, {@link NO_ACCOUNT} when the sender did not say. */
export const ACCOUNT = 7;
export const NO_ACCOUNT = -1;

/** The second line. Velocity to the east and to the north (m/s), time of arrival (Unix ms). */
export const EASTWARD = 8;
export const NORTHWARD = 9;
export const HEARD = 10;
/** Bits of doubt about the positions. */
export const TRUST = 22;

export const FLAGS = 0xffff;
export const CELL_SHIFT = 16;
export const IS_CIVILIAN = 1;
export const INSTANT = 2;
export const SHARP = 4;
export const ABSENT = 8;
export const CROWDED = 16;
export const IS_TURNING = 32;
export const NEAR_FULL = 64;
/** A speed is known and that of a walk; it is that of a vehicle. */
export const WALKING = 128;
export const DRIVING = 256;
export const FLAGS_MAX = 511;
/** What a fix says nothing about. */
export const KEPT = IS_CIVILIAN | CROWDED | IS_TURNING | NEAR_FULL;

export const OFFICER = 0;
export const CIVILIAN = 1;
/** No member, no slot. */
export const NIL = -1;
