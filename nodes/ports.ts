/**
 * What a node needs from the world. Implemented in `infra/` (and by in-memory twins that pass the same contract
 * suites); nodes, actors and gateway know only these shapes.
 */
import type { Committed, DurableOp } from '../actors/durable.ts';
import type { Query } from '../actors/queries.ts';
import type { SessionRef } from '../actors/turn.ts';
import type { AccountKind } from '../protocol/catalogue.ts';
import type { Result } from '../protocol/errors.ts';

export interface Clock {
  /** Town clock, Unix milliseconds. May be scaled for replays; never used for ownership. */
  nowMs(): number;
  /** Monotonic milliseconds with fractions; unrelated to the town clock. */
  monotonicMs(): number;
}

/** Where work waits. One implementation on the event loop, one on virtual time. */
export interface Scheduler {
  /** Runs after the current macrotask. */
  immediate(run: () => void): void;
  /** Runs once after `delayMs`; the returned function cancels. */
  after(delayMs: number, run: () => void): () => void;
}

export interface Random {
  uint32(): number;
  uuid(nowMs: number): string;
}

/** A durable operation with the proof of ownership that its own SQL statement checks. */
export interface CommitEntry {
  readonly shard: number;
  readonly epoch: number;
  readonly op: DurableOp;
}

/** Per entry: what the store decided, or that the shard's epoch is no longer ours (nothing was applied). */
export type EntryOutcome = Committed | { readonly id: string; readonly code: 'stale_epoch' };

/** Why a group as a whole did not go through. */
export type CommitFault =
  /** Proven not applied (refused, no connection, rolled back for a passing reason such as a deadlock). */
  | 'unavailable'
  /** Proven not applied: an entry breaks a constraint. The writer halves the group to find it. */
  | 'poison'
  /** The connection was lost with the commit under way: applied or not, only a look-up tells. */
  | 'unknown';

export class CommitError extends Error {
  readonly fault: CommitFault;
  constructor(fault: CommitFault, message: string) {
    super(message);
    this.name = 'CommitError';
    this.fault = fault;
  }
}

/** The durable store of gated operations. */
export interface CommitStore {
  /**
   * Applies a group atomically in one round trip; outcomes stand in the order of the entries. Entries with an epoch
   * that is no longer current get `stale_epoch` and have no effect; the others are applied.
   * Rejects with {@link CommitError} only.
   */
  commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]>;
  /**
   * What is stored under the ids of operations, in order: `exists`, `exists_with_different_payload`, or null where there
   * is nothing. Used after an unknown outcome, so null is a proof: no earlier `commit` of this store can still apply it.
   * Rejects with {@link CommitError} when it cannot tell.
   */
  lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]>;
}

/** What became of a submitted operation; see `ledgerWriter.ts`. */
export type WriteOutcome =
  | { readonly ok: true; readonly committed: Committed }
  | {
      readonly ok: false;
      readonly reason: 'stale_epoch' | 'unavailable' | 'rejected' | 'full';
      readonly message: string;
    };

export interface OperationWriter {
  submit(entry: CommitEntry, done: (outcome: WriteOutcome) => void): void;
}

export interface QueryStore {
  query(query: Query): Promise<unknown>;
}

/** Who owns which shard. In memory for one node; the cluster's implementation follows. */
export interface Coordinator {
  /** Acquires every shard that this node should own and mints their epochs. */
  start(): Promise<void>;
  /** The epoch under which this node owns the shard, or null when it does not. */
  epochOf(shard: number): number | null;
  /** The store said that our epoch is stale: stop owning the shard and take it again if it is still ours to take. */
  lost(shard: number): void;
  stop(): Promise<void>;
}

/** Mints strictly rising epochs, durably; used by coordinators. */
export interface EpochStore {
  /** Raises and returns the epoch of each shard, owned from now on by `owner`. */
  mint(shards: readonly number[], owner: string): Promise<number[]>;
}

/** The way from a user actor to the sockets; implemented by the gateway. */
export interface PushSink {
  push(sessions: readonly SessionRef[], bytes: Uint8Array, kind: 'durable' | 'volatile'): void;
  close(sessions: readonly SessionRef[], code: number, reason: string): void;
}

export interface NewUser {
  readonly kind: AccountKind;
  readonly handle: string;
  readonly passwordHash: string;
  readonly deviceId: string;
  readonly zip: string | null;
}

export interface Credential {
  readonly userId: string;
  readonly kind: AccountKind;
  readonly handle: string;
  readonly passwordHash: string;
  readonly deviceId: string;
}

export interface TransactionView {
  readonly id: string;
  readonly reason: string;
  readonly delta: number;
  readonly balance: number;
  readonly rule: string;
  readonly atMs: number;
}

/** People and what is kept of them, for the REST doors. Refusals are values; outages reject. */
export interface Directory {
  /** 409 when the handle is taken or an officer's badge was used before. Writes user, account and `user.registered`. */
  createUser(user: NewUser & { readonly badge: string | null }): Promise<Result<{ readonly userId: string }>>;
  credentialByHandle(handle: string): Promise<Credential | null>;
  credentialById(userId: string): Promise<Credential | null>;
  /** Links the account to another device and raises its device number. */
  moveDevice(userId: string, deviceId: string): Promise<void>;
  profile(userId: string): Promise<{
    readonly userId: string;
    readonly kind: AccountKind;
    readonly handle: string;
    readonly zip: string | null;
    readonly createdAtMs: number;
  } | null>;
  /** Handle and number of encounters, nothing else (DOMAIN rule 7); null when there is no such officer. */
  officer(userId: string): Promise<{ readonly handle: string; readonly encounterCount: number } | null>;
  /** Newest first; `before` is the last item's id of the page before. */
  encounters(userId: string, limit: number, before: string | null): Promise<EncounterRow[]>;
  transactions(userId: string, limit: number, before: string | null): Promise<TransactionView[]>;
}

export interface EncounterRow {
  readonly id: string;
  readonly method: string;
  readonly otherHandle: string;
  readonly points: number;
  readonly atMs: number;
}

/** Checks that a person may hold an account kind; an officer's badge by default. */
export interface IdValidator {
  validate(kind: AccountKind, evidence: { readonly badge: string | null }): Promise<Result<true>>;
}

/** The logger that a node hands around; pino fits. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Counters and timings by declared name; prom-client fits behind it. */
export interface Metrics {
  count(name: string, labels?: Record<string, string>, by?: number): void;
  observe(name: string, value: number, labels?: Record<string, string>): void;
  gauge(name: string, value: number, labels?: Record<string, string>): void;
}
