/** Bounds of the table of rules. */

/** One call; who asks is answered then. */
export const CALL_MS_MAX = 3_000;
/** A table that is made is there within this. */
export const TABLE_MS_MAX = 30_000;
