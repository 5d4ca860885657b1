/**
 * Why a meeting is not paid at once but looked at by an operator: reason codes, and the bits in which they travel.
 *
 * The set is closed and only grows at its end: bits are stored with encounters, and a word stands for the same bit for
 * ever. 0 says that nothing speaks against it. Several reasons are several bits; the bits of both sides are joined.
 * A reason is never told to a phone: whoever cheats would learn what was seen.
 */

/** The place in the list is the bit. */
export const REASONS = [
  /** The phone says that its position is simulated. */
  'simulated',
  /** The newest position is further away than anybody on the ground gets: it was dropped, and the one before holds. */
  'too_fast',
  /** The person was elsewhere a moment ago, and cannot have come here yet. */
  'teleport',
  /** Positions without the noise that every receiver has. */
  'too_perfect',
  /** Somebody else walked the same positions, to the centimetre. */
  'cloned',
  /** Two phones use the one device of the account in turns. */
  'two_phones',
  /** The two meet day after day at the same minute. */
  'farmed_pair',
  /** The officer has met more people in a day than anybody greets. */
  'busy_officer',
  /** The civilian meets again and again, and always this one officer. */
  'one_officer',
  /** Both shared a fresh position, and the code was scanned elsewhere: it was sent on by photograph. */
  'relayed',
  /** Neither positions nor the officer said that the two stood together, and he has met more people that day than that covers. */
  'unvouched',
] as const;
export type Reason = (typeof REASONS)[number];

/** Each reason as its bit. */
export const TRUST = Object.fromEntries(REASONS.map((reason, bit) => [reason, 1 << bit])) as Readonly<
  Record<Reason, number>
>;

/** Every bit that has a word; bits that a later version may add are kept in 31. */
export const TRUST_MAX = 0x7fff_ffff;

/** In the order of the list; a bit of a later version has no word here and is left out. */
export const reasonsOf = (bits: number): Reason[] => REASONS.filter(reason => (bits & TRUST[reason]) !== 0);

/** Whether these bits can have been made by some version of this list. */
export const isTrust = (bits: unknown): bits is number =>
  Number.isInteger(bits) && (bits as number) >= 0 && (bits as number) <= TRUST_MAX;
