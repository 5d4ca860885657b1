/**
 * Two phones that meet by hey, over and over, as a load: what was asked, answered and shown is written down per pair, so
 * that afterwards everything a phone was told can be looked for in the ledger.
 */

/** One pair of the plan: this civilian says hey to this officer, and he accepts at a given moment. */
export interface Meeting {
  readonly officer: number;
  readonly civilian: number;
  /** Milliseconds after the start at which the officer accepts. */
  readonly atMs: number;
}

/** What the two phones of a pair saw. */
export interface Seen {
  readonly officerId: string;
  readonly civilianId: string;
  /** Encounter ids that the reply to the accept named; more than one only if something is wrong. */
  readonly acknowledged: string[];
  /** Encounter ids of the events (or snapshots) that reached each phone, without repeats. */
  readonly atOfficer: string[];
  readonly atCivilian: string[];
  /** Why it did not come to a meeting; null when it did. */
  failure: string | null;
}

/**
 * Pairs of one cell in the order of their accepts: each pair once, the people of the last few seconds left in peace, so
 * that nobody has two heys under way. `order` shuffles; there are enough pairs when officers x civilians >= count.
 */
export const planMeetings = (
  officers: number,
  civilians: number,
  count: number,
  everyMs: number,
  firstMs: number,
  order: <T>(items: readonly T[]) => T[],
): Meeting[] => {
  if (count > officers * civilians) throw new RangeError('more meetings than pairs');
  // Diagonals of the table officers x civilians: neighbours in time share nobody while both numbers allow it.
  const officerOf = order(Array.from({ length: officers }, (_, i) => i));
  const civilianOf = order(Array.from({ length: civilians }, (_, i) => i));
  const meetings: Meeting[] = [];
  for (let shift = 0; meetings.length < count; shift++) {
    for (let i = 0; i < civilians && meetings.length < count; i++) {
      const officer = officerOf[(i + shift) % officers]!;
      // Round by round each civilian meets the next officer; a round has one meeting per civilian.
      if (shift >= officers) throw new RangeError('the plan ran out of pairs');
      meetings.push({ officer, civilian: civilianOf[i]!, atMs: firstMs + meetings.length * everyMs });
    }
  }
  return meetings;
};
