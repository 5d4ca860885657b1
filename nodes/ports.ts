/**
 * What a node needs from the world. Implemented in `infra/` (and by in-memory twins that pass the same contract
 * suites); nodes, actors and gateway know only these shapes.
 */
import type { Committed, DurableOp } from '../actors/durable.ts';
import type { Opinion } from '../actors/fraud/opinion.ts';
import type { HoldView, StoreQuery } from '../actors/queries.ts';
import type { ActorKind, Address, SessionRef } from '../actors/turn.ts';
import type { AccountKind } from '../protocol/catalogue.ts';
import type { Result } from '../protocol/errors.ts';
import type { MovementRecord } from './rules/explainer.ts';

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
  /** W3C `traceparent` of the request that led here; stored with the stream records. */
  readonly trace?: string | null;
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

/** A stored timer. */
export interface DueTimer {
  readonly shard: number;
  readonly kind: ActorKind;
  readonly actor: string;
  readonly name: string;
  readonly dueAtMs: number;
  readonly message: unknown;
}

/**
 * The durable store of timers. `commit` takes operations of type `timer` and sets, replaces or removes in the order of
 * the entries (`created`; a repeat changes nothing). `lookup` says `exists` when what the operation wants is so, null when
 * it is not and no earlier `commit` can still make it so.
 */
export interface TimerStore extends CommitStore {
  /** Timers of these shards that are due at `untilMs` or earlier, soonest first, at most `limit`. */
  due(shards: readonly number[], untilMs: number, limit: number): Promise<DueTimer[]>;
}

/**
 * The durable store of users' events that are no movement of points, and of the answers to their commands. `commit` takes
 * operations of type `event`, each only when its number is the next one of the user: `created`, `exists` for the very same,
 * and for any other `exists_with_different_payload` without effect: somebody else went on with the stream. Old rows are
 * removed with the insert, never the newest. `lookup` says `exists` when the event is stored, null when it is not and no
 * earlier `commit` can still store it. Starting users read theirs with everything else (`queries.ts`).
 *
 * An `answer` is stored under the user and the key (`created`), in place of one that was there; how many stay, and for how
 * long, `ANSWER_LIMITS` says.
 */
export type EventStore = CommitStore;

/**
 * Both in one: what actors note besides points. One call of `commit` is one transaction, whatever it takes: the timers,
 * events and answers of one turn are stored together. Anything else is `invalid`.
 *
 * With them go offers and what merchants change of their stock (`nodes/market/stockRules.ts`), whose codes say when that
 * cannot be: another version, no such offer, less than is reserved.
 */
export type NoteStore = TimerStore;

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
  query(query: StoreQuery): Promise<unknown>;
}

/** Who owns a shard: `node` is the node's reference (see {@link Coordinator.ref}), `epoch` the one that it minted. */
export interface Owner {
  readonly node: string;
  readonly epoch: number;
}

/** What a node may take along when it hands an actor over: its address and what its behaviour packed. */
export interface Parcel {
  readonly address: Address;
  readonly state: unknown;
}

/**
 * Who owns which shard. `localCoordinator.ts` for a node that is alone, `cluster/` for many; one contract suite.
 *
 * A node is named `id.incarnation`: the id is configured and stays, the incarnation is fresh with every start and after
 * every eviction. Subjects, records and replies carry both, so nothing meant for a dead one reaches its successor.
 */
export interface Coordinator {
  /** `id.incarnation` of this node; changes when the node was evicted and joined again. */
  readonly ref: string;
  /** Joins and acquires the shards that are ours to take. Resolves when the first share is open. */
  start(): Promise<void>;
  /** False from the lease's deadline until a renewal succeeds: no turn may run then and nothing may leave. Cheap. */
  serving(): boolean;
  /** The epoch under which this node owns the shard and serves it; null when it does not, or hands it over. Cheap. */
  epochOf(shard: number): number | null;
  /** Who owns the shard as far as is known here; null when nobody does. A hint: only the fence decides. */
  ownerOf(shard: number): Owner | null;
  /** Rises with every change of the map that became known here. */
  readonly mapRevision: number;
  /**
   * The store said that our epoch is stale: stop owning the shard and take it again if it is still ours to take.
   * @param epoch the one that was refused; a newer one of ours stays
   */
  lost(shard: number, epoch?: number): void;
  /** The bus said that nobody listens to this node (by reference) any more: look sooner. */
  unheard(node: string): void;
  /** What another node shipped for a shard that it hands over to us. */
  received(from: string, shard: number, epoch: number, parcels: readonly Parcel[]): void;
  /** Hands every shard over to others and takes none; resolves when none is left or nobody is there to take them. */
  drain(): Promise<void>;
  /** Leaves: others need not wait for the lease to run out. */
  stop(): Promise<void>;
  /** For people and their tools. */
  view(): ClusterView;
}

export interface NodeView {
  readonly node: string;
  readonly incarnation: string;
  readonly version: string;
  readonly weight: number;
  readonly state: 'up' | 'draining' | 'left' | 'fenced';
  /** Milliseconds since its newest renewal was seen here. */
  readonly seenMs: number;
  /** Realtime address under which phones reach it (`ws://...`), from its node record; empty when it tells none. */
  readonly url?: string;
  readonly shards: number;
}

export interface ClusterView {
  readonly node: string;
  readonly incarnation: string;
  readonly serving: boolean;
  /** Milliseconds until this node stops by itself; null for a node that is alone. */
  readonly leaseLeftMs: number | null;
  readonly mapRevision: number;
  readonly nodes: readonly NodeView[];
  /** 512 owners (node id) and epochs; null where nobody owns the shard. */
  readonly owners: readonly (string | null)[];
  readonly epochs: readonly (number | null)[];
  readonly handoffs: readonly {
    readonly shard: number;
    readonly from: string;
    readonly to: string;
    readonly phase: string;
  }[];
}

/** The runtime as the coordinator sees it: where shards are opened and closed. */
export interface ShardHost {
  /** This node owns the shard from now on; `parcels` is what the former owner shipped (empty after a crash). */
  opened(shard: number, epoch: number, parcels: readonly Parcel[]): void;
  /**
   * Hand-over: new messages go back to their senders, waiting ones get their turns, commits finish. Resolves, at the
   * latest after `LIMITS.handoffMs`, with the packed actors, which are gone from memory then.
   */
  close(shard: number): Promise<Parcel[]>;
  /** The shard was lost: its actors are discarded, nothing of them leaves. */
  dropped(shard: number): void;
  /** The lease ran out: no turns, no outputs, memory stays. */
  suspended(): void;
  /** The lease was renewed and nobody took over. */
  resumed(): void;
  /** This node was evicted: every actor is discarded; it goes on under another reference. */
  evicted(ref: string): void;
  /** Owners of these shards changed: what waits for them may go. */
  routed(shards: readonly number[]): void;
  /** A process left or was evicted; its gateway and the sockets there are gone. */
  nodeGone(ref: string, gateway: string): void;
}

/** The way of a hand-over from node to node; implemented by the router. */
export interface Shipper {
  /** True when the other side has everything; false when it is not there or takes too long: then nothing is shipped. */
  ship(to: string, shard: number, epoch: number, parcels: readonly Parcel[]): Promise<boolean>;
}

export interface KvEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Rises over the whole bucket with every write. */
  readonly revision: number;
}

export type KvFault =
  /** The key has another revision than expected; proven not written. */
  | 'conflict'
  /**
   * The answer was lost: written or not, only a read of the record (its nonce) tells. It may even be written after that
   * read, while the network still has it; but only as long as nobody else wrote, because it expects the same revision.
   */
  | 'unknown'
  /** Proven not written: not connected, no such bucket, refused. */
  | 'unavailable';

export class KvError extends Error {
  readonly fault: KvFault;
  constructor(fault: KvFault, message: string) {
    super(message);
    this.name = 'KvError';
    this.fault = fault;
  }
}

/**
 * The coordination store: one bucket of small records. Compare-and-set is the only way to write; a read is a hint,
 * except that a read by the leader after an unknown write tells what became of it. Calls may hang: callers bring their
 * own deadline. Rejects with {@link KvError} only.
 */
export interface KvStore {
  /** The record as the leader has it; null when there is none. */
  get(key: string): Promise<KvEntry | null>;
  /** Writes when the key's revision is exactly `revision` (0: the key must not exist). The new revision. */
  put(key: string, value: Uint8Array, revision: number): Promise<number>;
  /** Removes the key when its revision is exactly `revision`. */
  remove(key: string, revision: number): Promise<void>;
  /** Every record now. */
  list(): Promise<KvEntry[]>;
  /** Newest revision that the bucket gave out. It falls when the bucket was restored from an old copy or made anew. */
  lastRevision(): Promise<number>;
  /**
   * Tells of changes from now on, a removed key with an empty value; may lag, stall, miss or repeat: never a proof.
   * Returns how to stop.
   */
  watch(changed: (entry: KvEntry) => void): () => void;
}

/** Messages between nodes: at most once, in order per pair of connections, nothing kept while not connected. */
export interface Bus {
  readonly connected: boolean;
  /** Largest message, bytes. */
  readonly bytesMax: number;
  /**
   * Sends now or not at all: false while not connected. `unheard` is called when nobody listened on the subject, which
   * proves that nobody got it; no call proves nothing.
   */
  publish(subject: string, bytes: Uint8Array, unheard?: () => void): boolean;
  /** Hears a subject (no wildcards) until the returned function is called. A throw of `heard` is logged, never fatal. */
  subscribe(subject: string, heard: (bytes: Uint8Array) => void): () => void;
  /** Called with each change of `connected`. */
  watchConnection(changed: (connected: boolean) => void): void;
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
  /** Whether the socket is there; asked for what comes from other nodes, whose actors may believe in dead ones. */
  knows?(session: SessionRef): boolean;
  /**
   * Until `release` what is pushed may be kept, in its order: actors take their turns one after the other now, and whoever
   * writes to a socket in between forgets what the processor has learned of actors.
   */
  hold?(): void;
  release?(): void;
}

/** Tokens that are no good any more although they have not expired. */
export interface Revocation {
  /** Its own; a repeat changes nothing. */
  readonly id: string;
  /** Whose tokens; null when only the token's id is known. */
  readonly userId: string | null;
  /** One token (`jti`); null: every token of the user that was issued until `issuedUntilMs`. */
  readonly tokenId: string | null;
  /** Tokens of this device stay good; null spares none. */
  readonly sparedDevice: string | null;
  /** Unix milliseconds. */
  readonly issuedUntilMs: number;
  /** No token that it speaks of lives longer. */
  readonly expiresAtMs: number;
}

/** Where revocations are kept for every node. Rejects when the store cannot be reached. */
export interface RevocationStore {
  /** Durable when it resolves. */
  add(revocations: readonly Revocation[]): Promise<void>;
  /**
   * What was added since this cursor, also by transactions that were slow to end; some may come again. Null: everything
   * that has not expired.
   */
  since(
    cursor: string | null,
  ): Promise<{ readonly revocations: readonly Revocation[]; readonly cursor: string }>;
  /** Forgets the ones that have expired. */
  prune(): Promise<void>;
}

/** What an operator did to, or looked at of, one person; ids and plain values only. */
export interface AuditEntry {
  /** Account of the operator; null: who is on the machine itself. */
  readonly operatorId: string | null;
  /** Such as `user.look`; a closed set of the gateway. */
  readonly action: string;
  /** Who was looked at; null when it concerns nobody yet, or a token whose owner is not known. */
  readonly userId: string | null;
  /** What else there is to say; how it stood and stands when something changes. Never a place, a token or what was said. */
  readonly detail: Readonly<Record<string, string | number | boolean | AuditState | null>>;
}

/** How something stands, as far as it may be written down. */
export type AuditState = Readonly<Record<string, string | number | boolean | null>>;

export interface AuditRecord extends AuditEntry {
  /** Rises with every entry; some numbers may be missing. */
  readonly number: number;
  /** Unix milliseconds of the store's own clock. */
  readonly atMs: number;
}

/** What operators did, for ever: entries are added and read, never changed nor removed. Rejects when it cannot. */
export interface AuditLog {
  /** Durable when it resolves; when it rejects, whether it was written is not known. */
  append(entry: AuditEntry): Promise<void>;
  /** Newest first; of this user, or of everybody when null. */
  newest(limit: number, userId?: string | null): Promise<readonly AuditRecord[]>;
}

export interface NewUser {
  readonly kind: AccountKind;
  readonly handle: string;
  readonly passwordHash: string;
  readonly deviceId: string;
  readonly zip: string | null;
  /** W3C `traceparent` of the request; stored with the event. */
  readonly trace?: string | null;
}

export interface Credential {
  readonly userId: string;
  readonly kind: AccountKind;
  readonly handle: string;
  readonly passwordHash: string;
  readonly deviceId: string;
  /** Further devices of an account that may have several, in the order in which they were linked. */
  readonly otherDevices: readonly string[];
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
  /**
   * Links a further device; false when the account has `max` of them. A repeat changes nothing. Which accounts may have
   * several is the caller's to know.
   */
  linkDevice(userId: string, deviceId: string, max: number): Promise<boolean>;
  /** Links the account to another device and raises its device number; all others are linked no more. */
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
  /** Encounters that wait for an operator, the longest waiting first. */
  holds(limit: number): Promise<readonly HoldView[]>;
  /** One that waits, or waited; null when there is none of this id. */
  hold(encounterId: string): Promise<HoldView | null>;
  /** Writes what the location service said of one side's position, unless something stands there or nothing is held. */
  noteOpinion(encounterId: string, userId: string, opinion: Opinion): Promise<void>;
  transactions(userId: string, limit: number, before: string | null): Promise<TransactionView[]>;
  /** Points of an account at a moment, Unix milliseconds of the database clock; null when there is no such account. */
  balanceAt(userId: string, atMs: number): Promise<number | null>;
  /** One movement with everybody's part; null when there is none of this id. */
  movement(transferId: string): Promise<MovementRecord | null>;
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

/**
 * Where a request is followed: from the door through actors and nodes to the commit. What travels is text, the W3C
 * `traceparent`, with every message and every entry, whether or not anything is exported; spans are made only when
 * they are. A position carries no trace.
 */
export interface Tracer {
  /**
   * For the doors: a span below `parent`, or the first of a new trace when it is null. Never null: the ids are for
   * logs and stream records too. `parent` must be well-formed (see `protocol/trace.ts`).
   */
  begin(name: string, parent: string | null): Span;
  /**
   * For the inside: null when nothing is exported, when there is no trace, or when it is not sampled, and then it
   * costs a comparison. The span goes below the first sampled trace and is linked to the others.
   */
  record(
    name: string,
    traces: string | null | undefined | readonly (string | null | undefined)[],
  ): Span | null;
}

export interface Span {
  /** Says `traceparent` to what this causes. */
  readonly trace: string;
  /** What may be told of it: never a person, a place or a token. */
  set(name: string, value: string | number): void;
  /** Ends it, once; `failure` is a word or a short sentence when it went wrong. */
  end(failure?: string): void;
}
