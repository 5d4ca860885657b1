/** How people are shared out among the processes of a generator, and where each of these comes from. */

/** Officers among users: 0.7 M of 10.7 M (DOMAIN, size). */
export const OFFICER_SHARE = 0.065;
const FIRST_ADDRESS = 2;

/** Source address of the phones of this process, each of which has so many ports. */
export const addressOf = (index: number): string => `127.0.0.${FIRST_ADDRESS + index}`;

export const partOf = <T>(all: readonly T[], index: number, of: number): T[] =>
  all.filter((_, i) => i % of === index);
