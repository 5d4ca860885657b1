/**
 * Every bound and timing of a node, in one place, with the inequalities between them. Sources: reference table of the
 * cluster study (anchors: Pekko, Orleans, Effect Cluster, Durable Objects) unless a line says otherwise.
 */
import { assert } from '../protocol/assert.ts';

export const LIMITS = {
  /** Messages waiting per actor; more are refused with a typed `mailbox full`. */
  mailboxMessages: 256,
  /** One actor's share of the thread before the others get theirs. */
  sliceMessages: 32,
  sliceMs: 5,
  /** The run loop gives the event loop its turn after so long, so that sockets are read and timers fire. */
  loopMs: 10,
  /** A turn longer than this is logged: someone computes in a turn. */
  slowTurnMs: 20,
  /** An ask without an own timeout. */
  askMs: 3_000,
  /** Turns that threw within `throwWindowMs` before an actor is parked. */
  throwsMax: 3,
  throwWindowMs: 10_000,
  parkMinMs: 1_000,
  parkMaxMs: 30_000,
  /** Activations that wait for their first read; more are refused (503). */
  hydratingMax: 8_192,
  hydrateMs: 5_000,
  /** Held outputs of one actor while its commits are under way; beyond it new messages are refused. */
  heldOutputs: 1_024,
  /** Resolution of every volatile timer of the node. */
  wheelTickMs: 20,
  wheelSlots: 512,
  shards: 512,
  /** From SIGTERM to exit: turns finish, groups commit, outbox flushes. Below the supervisor's patience. */
  stopMs: 3_000,
} as const;

/** The ledger writer. */
export const WRITER_LIMITS = {
  /** Entries of one group; what the commit function takes. */
  groupEntries: 512,
  /** Groups under way at once: one is applied while the other one waits for the disk. */
  groupsInFlight: 2,
  /** Entries that wait; more are refused at once. */
  queueEntries: 16_384,
  /** Entries looked at to fill one group while others must wait for their elders. */
  scanEntries: 2_048,
  /** An entry that is proven not applied is given up after so long: its asker (3 s) can still be told to try again. */
  entryMs: 2_000,
  retryMinMs: 20,
  retryMaxMs: 250,
  lookupMinMs: 20,
  lookupMaxMs: 1_000,
} as const;

/** Checked once at start: a typo in the table above stops the node instead of bending a promise. */
export function assertLimits(): void {
  assert(LIMITS.sliceMs <= LIMITS.loopMs, 'a slice fits into a loop');
  assert(LIMITS.wheelTickMs * 10 <= LIMITS.askMs, 'the wheel is much finer than an ask');
  assert(LIMITS.parkMinMs <= LIMITS.parkMaxMs, 'parking grows');
  assert(LIMITS.shards === 512, 'the shard count is fixed for life');
  assert(LIMITS.hydrateMs > LIMITS.askMs, 'the asker gives up before the read does');
  assert(WRITER_LIMITS.entryMs < LIMITS.askMs, 'a commit is given up before its asker gives up');
  assert(WRITER_LIMITS.retryMaxMs * 4 <= WRITER_LIMITS.entryMs, 'an entry is tried more than once');
  assert(WRITER_LIMITS.groupEntries <= WRITER_LIMITS.scanEntries, 'a full group can be found');
  assert(LIMITS.sliceMessages <= LIMITS.mailboxMessages, 'a slice never empties more than a mailbox');
}
