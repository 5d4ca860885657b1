/** Bounds of what actors keep in memory, with their reasons. */
export const ACTOR_LIMITS = {
  /** The ring of durable events that a phone may have missed: realtime study 4.3. */
  ringEvents: 128,
  ringBytes: 16_384,
  ringMs: 5 * 60_000,
  /** Remembered commands: a repeat gets the first answer. Of older ones the store knows it. */
  commands: 64,
  /** Commands that wait until the store was asked for an older one; more are told to try again. A burst is 40. */
  commandsWaiting: 64,
  /** Heys that wait for one officer; more are told to try again. */
  heysWaiting: 32,
  /**
   * Codes of one presenter that were scanned lately. A code is good for 45 s, and the study (4.9) remembers it for 60; twice
   * that, so that an officer who is asked has a minute to confirm the last scan of it.
   */
  scansKept: 64,
  scanMs: 120_000,
  /** Uploaded scans that wait at one presenter: a day of an officer whom nobody doubts (30, study 4.6 (5)); more try again. */
  scansPending: 32,
  /** Encounters in a snapshot. */
  encounters: 16,
  /** A position may be this far in the future (clocks differ) ... */
  fixFutureMs: 5_000,
  /** ... and this old. */
  fixAgeMs: 60_000,
  /** A position further from an encounter in time says nothing of it: twice the longest period of reports. */
  meetFixMs: 600_000,
  /** Devices of one account that are attached at once, and cursors kept of devices that are away (realtime study 4.5). */
  sessions: 5,
  devicesAway: 5,
  /** After the last socket was lost a person is still there for so long (study 4.5); a till comes back sooner or is off. */
  graceMs: 30_000,
  tillGraceMs: 10_000,
  /** Nothing heard from a phone in the foreground for so long: nobody looks at it. */
  idleMs: 60_000,
  /** When a phone was last heard is written down at most so often: a position must not cost a copy of its session. */
  heardStepMs: 5_000,
  /** So often the other side of an open hey is asked whether it is there: its actor may have died, and its words with it. */
  peerAskMs: 10_000,
  /** Others are told that somebody is away when it lasted. */
  awayShownMs: 10_000,
  /** A phone that was in the background says so again right after WELCOME; so long its return is no sign of a person. */
  returnedMs: 2_000,
  /** An attach is under way for so long at most (two asks of a gateway and its pause); later ones are judged by arrival. */
  lateAttachMs: 15_000,
  /** Officers whom one civilian greeted and who have not answered. */
  greeted: 32,
  /** A user without socket leaves memory; later while something speaks against the phone. */
  userIdleMs: 90_000,
  pairIdleMs: 10_000,
  offerIdleMs: 60_000,
  /** A stripe of a budget that nobody asks hands back what it has, and then both leave memory. */
  budgetRestMs: 10_000,
  budgetIdleMs: 60_000,
  /** What a day holds is asked of a person, or of a budget: a takeover must not end a meeting that a retry would settle. */
  claimMs: 3_000,
  /** What somebody was let earn is in the ledger by then, or will never be. */
  earningMs: 300_000,
  /** Who waits at a stripe for what is leased; more are told to try again. */
  budgetWaiting: 4_096,
  /** Characters of an offer, and what it counts at most. */
  offerTitleMax: 120,
  offerDescriptionMax: 2_000,
  offerCountMax: 1_000_000_000,
  stockReasonMax: 120,
  /** Units are held for so long, until the points are set aside (domain study 5.3). */
  leaseMs: 5_000,
  /** Nobody is refused for want of stock by older numbers. */
  stockFreshMs: 1_000,
  /** Who waits for these numbers at once; more are told to try again. A flash sale of one node and its neighbours. */
  offerWaiting: 20_000,
  /** Redemptions of one user that wait at tills; more are told to finish some first. */
  redemptionsOpen: 16,
  /** The timer of a redemption comes a little after its time: whoever pays in the last moment has the whole of it. */
  redeemLateMs: 1_000,
  /** Told later than this after it was set aside, what waits is looked up: an earlier life may have ended it. */
  openedLateMs: 1_000,
  /** Draws of a code that no other open redemption of the merchant has. */
  codeTries: 4,
  /** Redemptions that ended are known for a while, in redemptions: what is told of them late changes nothing. */
  redemptionsOver: 256,
  /** Names of tills whose wrong codes are counted. */
  tills: 64,
  /** After so many wrong codes in a row a till waits: who reads a code aloud misreads it, who guesses tries on. */
  wrongCodes: 10,
  wrongCodesMs: 60_000,
  /** After so many in that time all tills of a merchant wait: what `sessions` of them may have. */
  wrongCodesAll: 50,
  /** Redemptions that wait, as a till is shown them. */
  tillShown: 32,
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
  /** A switch stays as it was set; its timer is set again should it ever be due. */
  switchMs: 10 * 365 * 24 * 3_600_000,
  /** Movements of an account that were told although earlier ones were not yet: bound, patience, and what is read then. */
  ahead: 256,
  gapMs: 1_000,
  gapMovements: 128,
  /** Points of one leg, as the ledger takes them (`nodes/ledgerRules.ts`). */
  pointsMax: 1_000_000_000_000,
} as const;
