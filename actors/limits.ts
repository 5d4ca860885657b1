/** Bounds of what actors keep in memory, with their reasons. */
export const ACTOR_LIMITS = {
  /** The ring of durable events that a phone may have missed: realtime study 4.3. */
  ringEvents: 128,
  ringBytes: 16_384,
  ringMs: 5 * 60_000,
  /** Remembered commands: a repeat gets the first answer. */
  commands: 64,
  /** Heys that wait for one officer; more are told to try again. */
  heysWaiting: 32,
  /** Codes of one presenter that were scanned lately; a code lives 45 s. */
  scansKept: 64,
  scanMs: 120_000,
  /** A scan made without network is taken so long after it; then its points wait so long for the presenter's phone. */
  uploadMs: 24 * 3_600_000,
  scanSettleMs: 72 * 3_600_000,
  /** Uploaded scans that wait at one presenter; more are told to try again. */
  scansPending: 32,
  /** Encounters in a snapshot. */
  encounters: 16,
  /** A position may be this far in the future (clocks differ) ... */
  fixFutureMs: 5_000,
  /** ... and this old. */
  fixAgeMs: 60_000,
  /** Several sockets per user come with tills; phones have one device. */
  sessions: 5,
  /** After the last socket left, a person stays on the map this long. */
  goneMs: 30_000,
  /** A user without socket leaves memory. */
  userIdleMs: 90_000,
  pairIdleMs: 10_000,
  /** A pair's answer: the commit may be queued behind others. */
  settleMs: 5_000,
  /** A pair whose answer was lost is asked again after so long. */
  settleAgainMs: 250,
  /** What must be heard (insist.ts): eight tries in about half a minute outlast a node that dies and is replaced. */
  insistAskMs: 3_000,
  insistTries: 8,
  insistPauseMs: 250,
  insistPauseMaxMs: 8_000,
  /** More under way at once than any actor has; what another node packed is not believed beyond it. */
  insisting: 1_024,
  /** Movements of an account that were told although earlier ones were not yet: bound, patience, and what is read then. */
  ahead: 256,
  gapMs: 1_000,
  gapMovements: 128,
} as const;
