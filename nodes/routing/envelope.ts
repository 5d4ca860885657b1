/**
 * What nodes say to each other. Everything for one destination travels in numbered batches; a batch holds envelopes.
 * These are the shapes in memory; `codec.ts` says how they look as bytes.
 */
import type { Address } from '../../actors/turn.ts';
import type { Slice } from './slice.ts';

/**
 * Version of the wire. A node reads its own and the one before, and drops what is newer or older, counted. To change the
 * wire: raise it, keep the reader of the version before, and write the old one until no node of the old release is left.
 */
export const VERSION = 1;
export const VERSION_OLDEST = 1;

/** Appended only: these numbers are sent. */
export const KIND = { tell: 0, ask: 1, reply: 2, bounce: 3, cargo: 4, push: 5, close: 6 } as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** Why a message came back; proven not executed. Appended only. */
export const BOUNCE = {
  /** The shard is not served there. */
  notOwner: 0,
  /** The sender knows a newer epoch than the receiver: the receiver has lost the shard and does not know it yet. */
  stale: 1,
  /** It stands behind one that came back, and must not overtake it. */
  behind: 2,
} as const;
export type BounceReason = (typeof BOUNCE)[keyof typeof BOUNCE];
export const BOUNCE_NAMES = ['not_owner', 'stale', 'behind'] as const;

/** A message to an actor. */
export interface LetterEnvelope {
  readonly kind: typeof KIND.tell | typeof KIND.ask;
  /** Unique per sending node; the answer to an ask names it. */
  readonly id: number;
  readonly to: Address;
  readonly shard: number;
  /** Epoch of the owner as the sender knows it. */
  readonly epoch: number;
  readonly mapRevision: number;
  /** Rises with every redirection of the sender's messages for the shard; see `line.ts`. */
  readonly round: number;
  /** Time that is left, milliseconds: clocks of two nodes are not compared. */
  readonly ttlMs: number;
  readonly hops: number;
  /** Set when a repeat has no second effect. */
  readonly key: string | null;
  /** Actors that wait for the answer. */
  readonly chain: readonly Address[];
  readonly trace: string | null;
  readonly body: Slice;
}

export interface ReplyEnvelope {
  readonly kind: typeof KIND.reply;
  /** Id of the ask, at the node that asked. */
  readonly id: number;
  readonly body: Slice;
}

export interface BounceEnvelope {
  readonly kind: typeof KIND.bounce;
  readonly id: number;
  readonly shard: number;
  readonly why: BounceReason;
  /** Who owns the shard as far as is known where it bounced. */
  readonly owner: string | null;
  readonly epoch: number;
  readonly mapRevision: number;
}

/** A piece of a hand-over. */
export interface CargoEnvelope {
  readonly kind: typeof KIND.cargo;
  readonly id: number;
  readonly shard: number;
  readonly epoch: number;
  readonly transfer: number;
  readonly index: number;
  readonly count: number;
  readonly body: Slice;
}

/** Bytes for sockets. */
export interface PushEnvelope {
  readonly kind: typeof KIND.push;
  readonly userId: string;
  readonly sessions: readonly string[];
  readonly volatile: boolean;
  readonly bytes: Slice;
}

export interface CloseEnvelope {
  readonly kind: typeof KIND.close;
  readonly userId: string;
  readonly sessions: readonly string[];
  readonly code: number;
  readonly reason: string;
}

export type Envelope =
  | LetterEnvelope
  | ReplyEnvelope
  | BounceEnvelope
  | CargoEnvelope
  | PushEnvelope
  | CloseEnvelope;

/** What was received of the other's batches on one link, so that it may forget them. */
export interface Ack {
  /** The link: a gateway's id for the one to that gateway, empty for the one to the node itself. */
  readonly gateway: string;
  /** Newest batch that arrived. */
  readonly last: number;
  /** Batches before it that have not, and will not be taken any more. */
  readonly holes: readonly number[];
}

export interface Batch {
  /** Reference of the sending node. */
  readonly from: string;
  /** Reference of the receiving node, or the id of its gateway. */
  readonly to: string;
  /** Rises by one on each link; 0 for a batch that only acknowledges. */
  readonly number: number;
  /** Every number before it is settled for the sender: acknowledged, or given up. So it is near to `number`. */
  readonly oldest: number;
  readonly acks: readonly Ack[];
  readonly envelopes: readonly Envelope[];
  /** Envelopes of a kind that this version does not know, or that do not look as they should. */
  readonly refused: readonly ('kind' | 'garbage')[];
}

/** Where a node listens. The incarnation is part of it, so nobody answers for a dead one. */
export const nodeSubject = (ref: string): string => `hb.n.${ref}`;
/** Where its gateway listens; the gateway lives as long as the process. */
export const gatewaySubject = (gateway: string): string => `hb.g.${gateway}`;
