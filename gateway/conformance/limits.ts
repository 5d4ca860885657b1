/** Every bound and default of the conformance kit. What a client has to keep stands in protocol/PROTOCOL.md. */
export const KIT = {
  /** What a client should say or report comes within this, unless the step says otherwise. */
  withinMs: 5_000,
  /** After the last step: what must not come has so long to come. */
  settleMs: 250,
  /** On a busy machine the last of it may come later by this, times what its patience is above 1. */
  lateMs: 1_500,
  /** A client that was asked to leave is killed after this. */
  leaveMs: 3_000,
  /** From its start to its first connection, so that a slow interpreter may load. */
  startMs: 20_000,
  /** HELLO stands this close behind the upgrade (section 5 of the page). */
  helloMs: 5_000,
  /** Scripts under way at once. */
  atOnce: 6,
  /** A request head longer than this is no client of ours. */
  headBytes: 16_384,
  /** Lines of a client's standard output that are kept, and the length of one. */
  reportsMax: 10_000,
  reportBytes: 65_536,
} as const;
