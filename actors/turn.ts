/**
 * A turn: one message handled by one actor, synchronously and purely. The handler gets the state and the message,
 * returns the next state, and says what it wants from the world by calling methods of `Turn`, which only collect.
 * Nothing happens until the handler has returned; a handler that throws has done nothing.
 *
 * There is no `await` in a turn. Whatever needs waiting (an ask, a durable operation, a read, a timer) comes back as
 * a later message. So an actor is never re-entered, two actors cannot wait for each other's stack, and a turn can be
 * replayed from its inputs.
 */
import type { Result } from '../protocol/errors.ts';
import type { Cell } from './cell.ts';
import type { Committed, DurableOp, TimerOp } from './durable.ts';
import type { Query, StoreQuery } from './queries.ts';

export const ACTOR_KINDS = ['user', 'region', 'area', 'pair', 'offer', 'budget'] as const;
export type ActorKind = (typeof ACTOR_KINDS)[number];

export interface Address {
  readonly kind: ActorKind;
  readonly id: string;
}

/** Where an answer must go; a value, so that it can wait in the state until a later turn. */
export interface ReplyTo {
  readonly node: string;
  readonly askId: number;
}

/** What the runtime itself sends to an actor. `tag` is what the actor gave with the effect. */
export type SystemMessage =
  | { readonly type: 'answer'; readonly tag: string; readonly result: Result<unknown> }
  | { readonly type: 'committed'; readonly tag: string; readonly committed: Committed }
  | { readonly type: 'queried'; readonly tag: string; readonly result: Result<unknown> }
  /**
   * Ask: a durable timer is due. It comes again until it is answered with `ok` (or with a refusal that is final), so it
   * may come more than once; (name, dueAtMs) is its key. Answer when what it is for is done, not before.
   */
  | { readonly type: 'due'; readonly name: string; readonly dueAtMs: number; readonly message: unknown };

/** How a pushed frame is treated on its way to the sessions. */
export type PushClass = 'durable' | 'volatile';

/** A position as it is sampled: E7 degrees, decimetres, Unix milliseconds of the town clock. */
export interface SampledFix {
  readonly takenAtMs: number;
  readonly latE7: number;
  readonly lngE7: number;
  readonly accuracyDm: number;
}

export interface Turn {
  readonly self: Address;
  /** Town clock at the start of the turn, Unix milliseconds. */
  readonly nowMs: number;
  /** Where the answer to this message goes; null when nobody asked. Keep it to answer in a later turn. */
  readonly replyTo: ReplyTo | null;
  /** A fresh UUIDv7. */
  newId(): string;
  /** Random 32 bits. */
  random32(): number;
  /** Answers this message, or an earlier one by its `replyTo`. Held by the output gate. */
  reply(result: Result<unknown>, to?: ReplyTo | null): void;
  /** The rest of this turn is about a message that came earlier, and this its `replyTo`. */
  resume(replyTo: ReplyTo | null): void;
  /** Sends at most once, in order per pair of actors. Held by the output gate. */
  tell(to: Address, message: object): void;
  /**
   * Sends and gets `answer` with this tag, at the latest (a 504 refusal) after `timeoutMs`. Held by the output gate.
   * `keyed` says that a repeat has no second effect: then it is asked again when a node was lost on the way.
   */
  ask(
    to: Address,
    message: object,
    tag: string,
    timeoutMs?: number,
    options?: { readonly keyed?: boolean },
  ): void;
  /** Sends encoded frame bytes to sessions attached to this user. Held by the output gate. */
  push(sessions: readonly SessionRef[], bytes: Uint8Array, kind: PushClass): void;
  /** Closes sessions with a close code. Held by the output gate. */
  close(sessions: readonly SessionRef[], code: number, reason: string): void;
  /** Makes an operation durable; `committed` with this tag follows. Every later output of this actor waits for it. */
  persist(op: DurableOp, tag: string): void;
  /**
   * What was said so far in this turn rests on what is durable already: it waits for operations of earlier turns, as always,
   * and for none of this one. After the first `persist` of the turn it lets go of nothing.
   */
  release(): void;
  /** Reads from the store, or asks the business rules; `queried` with this tag follows. */
  query(query: Query, tag: string): void;
  /** (Re)arms the named timer: `message` arrives after `delayMs`. Volatile: dies with the activation. */
  timer(name: string, delayMs: number, message: object): void;
  cancelTimer(name: string): void;
  /**
   * (Re)arms the named durable timer and returns the town time at which it is due: `due` comes then, on whichever node
   * the actor lives, also after a crash. At least a second ahead. A gated operation like any other: what the turn says
   * leaves when the timer is stored. `message` is plain values, at most 4 KiB as JSON.
   */
  durableTimer(name: string, delayMs: number, message: object): number;
  /** The same, for an operation that brings its timer along: both are stored or neither. */
  timerOp(name: string, delayMs: number, message: object): TimerOp;
  cancelDurableTimer(name: string): void;
  /** Counts something for whoever watches the town: a metric of the table, with bounded labels. Never held. */
  count(metric: string, labels?: Readonly<Record<string, string>>): void;
  /** One value of a histogram of the table. Never held. */
  observe(metric: string, value: number): void;
  /**
   * Lets a position of this person be kept for a while, or (null) everything kept of the person be removed. Never held and
   * never waited for: what becomes of it is nobody's business here.
   */
  sample(position: SampledFix | null): void;
  /**
   * Asks for a second opinion on where this person is, for whoever decides about an encounter that is held. Never held and
   * never waited for.
   */
  verify(encounterId: string, position: SampledFix): void;
  /** This stood in the cell before: it is put back if the turn throws. Said by the cell itself. */
  replaced<V>(cell: Cell<V>, before: V): void;
  /** Asks to leave memory once nothing waits, is owed or under way, and `idleMs` does not keep the actor. */
  passivate(): void;
}

/** One connected socket of a user: which gateway holds it, and its id there. */
export interface SessionRef {
  readonly gateway: string;
  readonly id: string;
}

/** The pure behaviour of a kind of actor. `S` is its state, `M` the messages others send to it. */
export interface Behaviour<S, M extends { readonly type: string }> {
  readonly kind: ActorKind;
  /** What to read before the first turn; null for an actor that starts from nothing. */
  hydrate(id: string): StoreQuery | null;
  /** The first state, or a refusal that every waiting message gets (for example: no such user). */
  create(id: string, loaded: unknown, turn: Turn): Result<S>;
  /** Handles one message. Returns the next state; must not change the old one, but for its cells, unless `inPlace`. */
  receive(state: S, message: M | SystemMessage, turn: Turn): S;
  /** State is changed in place (typed arrays); a throw then discards the activation instead of keeping the old state. */
  readonly inPlace?: boolean;
  /** Messages with the same non-null key replace an older one that still waits (newest wins, place is kept). */
  coalesce?(message: M): string | null;
  /**
   * One message, for one turn, of the last one that waits and one that has just come behind it; null: they stay two. Neither
   * is an ask. What it returns stays here and is joined with the next; `waiting` may be changed for it.
   */
  join?(waiting: M, message: M): M | null;
  /** A message that may wait a tick (`LINK.patientMs`) for others that go to the same node; it waits for none here. */
  patient?(message: M): boolean;
  /**
   * A message for which nobody waits, and which the next one of its kind makes needless. An actor that has nothing else to
   * do lets those go first that have; what `coalesce` names is always of this kind.
   */
  unhurried?(message: M): boolean;
  /**
   * An ask that begins something: refused before its turn, it has changed nothing, and whoever asked may ask again. A node
   * that has more to do than it can refuses these, and finishes what was begun.
   */
  refusable?(message: M): boolean;
  /**
   * The activation is thrown away (its commit failed, its shard moved): say goodbye with `close`, nothing else.
   * Asks that it still owed an answer get a retryable refusal from the runtime.
   */
  discarded?(state: S, turn: Turn): void;
  /**
   * What goes along when the actor's shard moves to another node in good order: plain values that MessagePack carries
   * (bytes and undefined too; a map comes as an object). Without it the actor starts there from what is durable.
   */
  pack?(state: S): unknown;
  /** The state from what `pack` gave on another node, possibly of the previous version: refuse what cannot be read. */
  unpack?(id: string, packed: unknown, turn: Turn): Result<S>;
  /** The sockets that the actor believes to be attached: those of a gateway that is gone are told to it as `detach`. */
  sessions?(state: S): readonly SessionRef[];
  /** A word of a small set by which actors of this kind are counted, for whoever watches the town. */
  standing?(state: S): string;
  /** Milliseconds without a message after which the actor may leave memory; false keeps it (a socket is attached). */
  idleMs(state: S): number | false;
}
