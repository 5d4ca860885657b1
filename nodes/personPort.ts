/**
 * What is kept of one person, for that person: a copy of all of it, and its end (GDPR, articles 15, 17 and 20). The ledger
 * stays, because the points of others hang on it: what names the person goes, and the id means nobody from then on.
 */

/** `absent`: there never was one; `reserved`: points wait at a till; `listed`: a catalogue names the account; `selling`: offers are published. */
export type Erasure = 'erased' | 'absent' | 'reserved' | 'listed' | 'selling';

export interface PersonBook {
  /** Everything, as JSON; null when there is no such person. At most `rows` of each list, newest first. */
  copy(userId: string, rows: number): Promise<Readonly<Record<string, unknown>> | null>;
  /**
   * For the person, or for an operator, whom the line in the audit trail names. Again it is `erased`, and leaves no line. What
   * hinders it changes nothing.
   */
  erase(userId: string, operatorId?: string | null): Promise<Erasure>;
}

/** The same with what is kept elsewhere. A copy has sampled positions, too; it rejects when they cannot be read. */
export interface Persons extends PersonBook {
  /**
   * Removes every sampled position of somebody whose tokens are revoked. Returns at once; repeated until nothing is left, and
   * what a crash takes of that expires by itself.
   */
  forget(userId: string): void;
}
