/**
 * What an actor may ask to be remembered. An operation is a value: the actor names it in a turn, the node commits it
 * in a group with others, and the answer comes back as a `committed` message. Ids are given by the caller, so that a
 * repeat finds its first effect instead of making a second.
 */
import type { Method } from '../protocol/catalogue.ts';
import type { Result } from '../protocol/errors.ts';
import type { ActorKind } from './turn.ts';

/** The versioned business rule that moved points (DOMAIN rule 9: every movement names it). */
export interface RuleRef {
  readonly id: string;
  readonly version: number;
  /** Hash of the evaluation's trace, 16 hex digits; absent: it was not evaluated. It is no part of what was asked for. */
  readonly trace?: string;
}

/** One side of a double entry: positive credits the account, negative debits it; the legs of an entry sum to zero. */
export interface Leg {
  readonly account: string;
  readonly delta: number;
}

/** Ties a client's idempotency key to the effect, in the same transaction. */
export interface Idempotency {
  readonly userId: string;
  readonly key: string;
  /** Hex digest of operation and body: the same key with another body is a conflict. */
  readonly requestHash: string;
}

/**
 * Points from mint to both, if the pair's cooldown is over by the database clock. With `trust` the encounter is held
 * instead: it counts for the cooldown, its reasons are kept with it, and no points move until it is reviewed.
 */
export interface EncounterOp {
  readonly type: 'encounter';
  /** Encounter id and ledger transfer id in one; derived from the evidence, so every path to it gives the same. */
  readonly id: string;
  readonly officer: string;
  readonly civilian: string;
  readonly method: Method;
  /** Coarse cell (about 2 km) where they met, or empty; never a coordinate. */
  readonly cell: string;
  readonly rule: RuleRef;
  readonly officerPoints: number;
  readonly civilianPoints: number;
  readonly cooldownS: number;
  /** What speaks against it, bits of `fraud/trust.ts`; absent or 0: nothing. */
  readonly trust?: number;
  /** Of a scan that is settled later than it was made: when that was. Absent: they meet now. */
  readonly scannedAtMs?: number;
  /** The rule of meeting by which the two stood together; absent: a hey or a code proves it. It is no part of what was asked for. */
  readonly metBy?: Pick<RuleRef, 'id' | 'version'>;
  readonly idempotency: Idempotency | null;
}

/**
 * What an operator decided of an encounter that is held: its points are posted now, as the very encounter that it is, or
 * never. Everything but the verdict is as it was held.
 */
export interface ReviewOp {
  readonly type: 'review';
  /** Of the encounter. */
  readonly id: string;
  readonly verdict: 'released' | 'rejected';
  readonly officer: string;
  readonly civilian: string;
  readonly method: Method;
  readonly rule: RuleRef;
  readonly officerPoints: number;
  readonly civilianPoints: number;
  readonly idempotency: null;
}

/** Any other movement. */
export interface TransferOp {
  readonly type: 'transfer';
  readonly id: string;
  /** Short code of why, `donation` for example. */
  readonly reason: string;
  readonly legs: readonly Leg[];
  readonly rule: RuleRef;
  readonly idempotency: Idempotency | null;
}

/** What a redemption sets aside of an offer, together with its points. */
export interface StockHold {
  readonly offer: string;
  /** The points of the entry are a whole price for each. */
  readonly quantity: number;
  /** Of this offer, what one user may have reserved and bought (and not given back), this one included; 0: no limit. */
  readonly perUserMax: number;
  /** What the till is shown: no two open redemptions of a merchant have the same. */
  readonly code: string;
}

/**
 * Points that the payer sets aside for a payee, for a while: they cannot be spent twice, and nothing has moved yet. A
 * {@link PostOp} pays them, a {@link VoidOp} gives them back; once `holdS` is over, nothing pays them any more.
 *
 * With `stock` it is a redemption of the payer at the merchant who gets paid: points and stock are set aside in one entry,
 * or neither. The same id again `exists`, also with another code or limit: what was set aside first stands, and the query
 * `redemption` tells its code.
 */
export interface PendingOp {
  readonly type: 'pending';
  /** Of what is pending; no transfer gets this id. */
  readonly id: string;
  /** Short code of why, `redemption` for example. */
  readonly reason: string;
  readonly payer: string;
  readonly payee: string;
  readonly points: number;
  /** How long they may be posted, seconds by the database clock. */
  readonly holdS: number;
  readonly stock?: StockHold;
  /** Set in the same transaction, whatever the store says of the points: it ends what nobody else does. No part of the request. */
  readonly timer?: TimerOp;
  readonly rule: RuleRef;
  readonly idempotency: Idempotency | null;
}

/**
 * Pays what is pending, whole or in part, as a transfer of its own; the rest is the payer's again. Of a redemption, so many
 * units are sold, and the rest is back in stock.
 */
export interface PostOp {
  readonly type: 'post';
  /** Of the transfer. */
  readonly id: string;
  /** What was pending. */
  readonly pendingId: string;
  readonly reason: string;
  readonly payer: string;
  readonly payee: string;
  /** At most what is pending; of a redemption exactly the price of what is sold, or it is `invalid`. */
  readonly points: number;
  /** Of a redemption: how many units are sold; absent: all. */
  readonly quantity?: number;
  readonly rule: RuleRef;
  readonly idempotency: Idempotency | null;
}

/** Gives back what is pending, points and stock: because somebody said so, or because its time is over. */
export interface VoidOp {
  readonly type: 'void';
  /** Of what is pending. */
  readonly id: string;
  readonly payer: string;
  readonly verdict: 'voided' | 'expired';
  readonly rule: RuleRef;
  readonly idempotency: null;
}

/**
 * Gives back what was paid for units of a redemption, as a transfer from the merchant to the user; never more of them than
 * were sold. `pending_not_found`: there is no such redemption between these two.
 */
export interface RefundOp {
  readonly type: 'refund';
  /** Of the transfer. */
  readonly id: string;
  readonly redemption: string;
  /** The merchant. */
  readonly payer: string;
  /** Who redeemed. */
  readonly payee: string;
  /** Exactly what was paid for so many units, or it is `invalid`. */
  readonly points: number;
  readonly quantity: number;
  /** Whether the units are in stock again. */
  readonly restock: boolean;
  readonly rule: RuleRef;
  readonly idempotency: Idempotency | null;
}

/** What a merchant offers for points. */
export interface OfferRecord {
  readonly id: string;
  readonly merchant: string;
  /** From 1, rises by 1 with every change. */
  readonly version: number;
  /** 1 to 120 characters. */
  readonly title: string;
  /** At most 2000 characters. */
  readonly description: string;
  readonly kind: 'goods' | 'service';
  /** Of one unit, before any rule. */
  readonly points: number;
  /** Units that one user may have; 0: no limit. */
  readonly perUserMax: number;
  /** Unix milliseconds, by the clock of the store; 0: no bound. It is open at `opensAtMs`, and no longer at `closesAtMs`. */
  readonly opensAtMs: number;
  readonly closesAtMs: number;
  /** `removed`: by an operator, and nothing is stored after it. */
  readonly state: 'draft' | 'published' | 'withdrawn' | 'removed';
  /** `stock.low` is told when no more than so many are free; 0: never. */
  readonly lowStock: number;
  readonly placeId: string | null;
}

/**
 * Stores an offer: the first version of a new one, or the next one of its merchant's that is not `removed`. Anything else is
 * `exists_with_different_payload`, and nothing changes. Its stock begins with nothing.
 */
export interface OfferOp {
  readonly type: 'offer';
  readonly id: string;
  readonly offer: OfferRecord;
}

/**
 * Changes how much of an offer is there. Never below what is reserved: then it is `out_of_stock`; `offer_closed` when there is
 * no such offer. The same id again `exists`.
 */
export interface StockOp {
  readonly type: 'stock';
  readonly id: string;
  readonly offer: string;
  readonly delta: number;
  readonly kind: 'adjustment' | 'receipt';
  /** In the merchant's words, at most 120 characters. */
  readonly reason: string;
}

/**
 * Sets, replaces or removes one named timer of an actor; made by `turn.durableTimer` and, when a timer was delivered, by
 * the node. One row per (actor, name): a timer set again replaces the one before.
 */
export interface TimerOp {
  readonly type: 'timer';
  readonly id: string;
  readonly kind: ActorKind;
  /** Id of the actor. */
  readonly actor: string;
  readonly name: string;
  /** Town milliseconds at which it is due; null removes it. */
  readonly dueAtMs: number | null;
  /** Removes it only if it is due at exactly this time: what was set again meanwhile stays. Null: whatever is set. */
  readonly onlyDueAtMs: number | null;
  /** Plain values (JSON), delivered when it is due; null for a removal. */
  readonly message: unknown;
}

/**
 * One durable event of a user other than a movement of points, stored before any phone hears of it; made by
 * `user/stream.ts`. Movements need none: the ledger remembers them, and its versions order them.
 */
export interface EventOp {
  readonly type: 'event';
  /** Of the event, in every replay. */
  readonly id: string;
  readonly user: string;
  /** Its number among the stored events of the user; taken only when it is the next one. */
  readonly n: number;
  /** Version of the balance when it happened: it stands behind that movement and before the next one. */
  readonly after: number;
  /** Rises when what is stored cannot be trusted: then the user's events begin a new lineage. */
  readonly lineage: number;
  /** What it tells of, when that must be known for longer than the ring reaches back; else null. */
  readonly about: string | null;
  /** As phones get it, place and all; empty for the mark that begins a lineage. */
  readonly frame: Uint8Array;
}

/**
 * The answer to a command with a key whose effect is no movement of points, stored with that effect: a repeat gets it byte
 * for byte, also from another life of the actor. (What moves points is remembered by the ledger: {@link Idempotency}.)
 */
export interface AnswerOp {
  readonly type: 'answer';
  readonly id: string;
  readonly user: string;
  readonly key: string;
  /** Hex digest of operation and body. */
  readonly requestHash: string;
  /** Plain values. */
  readonly result: Result<unknown>;
}

/** What moves points; the ledger's. */
export type LedgerOp = EncounterOp | TransferOp | ReviewOp | PendingOp | PostOp | VoidOp | RefundOp;
/** What else is remembered. Those of one turn are stored in one transaction. */
export type NoteOp = TimerOp | EventOp | AnswerOp | OfferOp | StockOp;
export type DurableOp = LedgerOp | NoteOp;

/** Closed and append-only: these words are stored and sent. */
export const COMMIT_CODES = [
  'created',
  'exists',
  /** The id is taken: by a transfer, or by an encounter that is held or was rejected. */
  'exists_with_different_payload',
  'cooldown',
  'insufficient_points',
  'account_unknown',
  'account_closed',
  'idempotency_conflict',
  'invalid',
  /** An encounter that waits for an operator: it is durable, and nothing was posted. */
  'held',
  /** There is no held encounter of this id to review, or it was decided the other way. */
  'not_held',
  /** An encounter that an operator refused to pay; to reject it again changes nothing. */
  'rejected',
  /** More than the account may spend at once, or in a day. */
  'limit_exceeded',
  /** Nothing is pending under this id, between these two. */
  'pending_not_found',
  'pending_already_posted',
  'pending_already_voided',
  /** Its time is over; also when nobody has voided it yet. */
  'pending_expired',
  /** More than what is pending. */
  'exceeds_pending',
  /** Not so much of the offer is free. */
  'out_of_stock',
  /** There is no such offer of this merchant, or it is not published, not open yet, or no longer. */
  'offer_closed',
  /** More than what was sold and not given back yet. */
  'exceeds_refundable',
  /** Another open redemption of the merchant has this code: the same id may be tried with another one. */
  'code_taken',
  /** More than one user may have of an offer. */
  'offer_limit_exceeded',
] as const;
export type CommitCode = (typeof COMMIT_CODES)[number];

export interface Posting {
  readonly account: string;
  readonly delta: number;
  /** Balance of the account after this posting. */
  readonly balance: number;
  /** Version of the account after this posting: rises with every posting. */
  readonly version: number;
}

/**
 * What the store decided. `created` and `exists` carry the effect (the first one), `held` and `rejected` are effects without
 * postings, every other code means no effect, and shows none: not that of the other request with the same id either.
 */
export interface Committed {
  readonly id: string;
  readonly code: CommitCode;
  /** Database clock of the effect, Unix milliseconds; 0 when there is none. */
  readonly atMs: number;
  /** Postings on accounts of people (the striped mint is left out). */
  readonly postings: readonly Posting[];
}

/** The account that gives points for meetings: striped, unlimited (it may go below zero). */
export const MINT_ACCOUNT = '00000000-0000-7000-8000-000000000001';
/** The account to which points go whose time is over; nothing leaves it. */
export const EXPIRED_ACCOUNT = '00000000-0000-7000-8000-000000000002';
