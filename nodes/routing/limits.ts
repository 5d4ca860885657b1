/** Bounds of the links between nodes; those that other folders know stand in `nodes/limits.ts`. */
import { assert } from '../../protocol/assert.ts';
import { CLUSTER_LIMITS, ROUTING_LIMITS } from '../limits.ts';

export const LINK = {
  /**
   * A queue of so many bytes leaves at once, not at the end of the tick: so the other side has something to do while
   * this one makes more. Nearly a batch: writing to the socket costs more than anything else a batch does.
   */
  fullBytes: (7 * ROUTING_LIMITS.batchBytes) / 8,
  /**
   * Messages that may wait leave together after so long, unless something leaves for the same node sooner: positions, of
   * which a phone says one in 10 s (proximity study 4.2: one message a node and 100 to 250 ms).
   */
  patientMs: 100,
  /** What arrived is acknowledged after so long, if nothing was said that could carry it. */
  ackMs: 20,
  /** Or after so many batches. */
  ackBatches: 128,
  /** A batch without an acknowledgement is sent again after so long, under its number. */
  resendMs: 1_000,
  /** How often links with something under way are looked at. */
  lookMs: 250,
  /** What could not leave at all is given up after so long. */
  stuckMs: ROUTING_LIMITS.shardQueueMs,
  /** Batches that nobody heard between two that somebody did: months of trying. */
  reachMax: 2 ** 32,
  /** Links kept in each direction; many times what a cluster has nodes. */
  othersMax: 16 * CLUSTER_LIMITS.nodesMax,
  /** What a node that left in good order said last is still taken for so long. */
  lastWordsMs: 1_000,
  /** Of the largest message, left for what stands around a piece of cargo. */
  spareBytes: 65_536,
  /** References of the dead that are remembered. */
  goneMax: 1_024,
} as const;

/** Pauses before a message goes to an owner that sent it back, by hop; a change of the map ends them. */
export const BACK_OFF_MS = [50, 250, 1_000] as const;

/** Pieces of one hand-over under way at once. */
export const CARGO = {
  piecesAtOnce: 4,
  /** Bytes of a piece before another actor is added. */
  pieceBytes: ROUTING_LIMITS.envelopeBytes / 2,
} as const;

assert(LINK.ackBatches * 4 <= ROUTING_LIMITS.window, 'acknowledgements come long before a link must wait');
assert(LINK.patientMs < LINK.lookMs, 'what may wait leaves before anybody asks why it has not');
assert(LINK.ackMs * 10 <= LINK.resendMs, 'nothing is sent again that is about to be acknowledged');
assert(BACK_OFF_MS.length === ROUTING_LIMITS.hopsMax, 'every redirection has its pause');
assert(LINK.stuckMs < CLUSTER_LIMITS.leaseMs, 'what cannot leave is given up before the lease is');
