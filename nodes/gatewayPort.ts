/** The door that a node opens to its gateway: asks and tells to user actors, and what the REST side needs. */
import type { Address } from '../actors/turn.ts';
import type { Result } from '../protocol/errors.ts';

export interface AskOptions {
  readonly timeoutMs?: number;
  /** W3C `traceparent` of the request; travels with everything that it causes. */
  readonly trace?: string | null;
  /** Set when a repeat has no second effect (the message carries an idempotency key): then it may be sent again. */
  readonly keyed?: boolean;
}

/** Asks never reject: every failure is a refusal (503 mailbox full or moved, 504 deadline, 500 a bug). */
export interface ActorDoor {
  ask(to: Address, message: object, done: (result: Result<unknown>) => void, options?: AskOptions): void;
  tell(to: Address, message: object, options?: { readonly trace?: string | null }): void;
  /**
   * The node has more positions than it can give turns to just now: who has more keeps the newest of each phone, and offers
   * it when actors had their turns (`PushSink.release`). Absent: never.
   */
  behind?(): boolean;
}

export { reasonsOf } from '../actors/fraud/trust.ts';
export type { PairMessage, Review, Reviewed, Settlement } from '../actors/messages/pair.ts';
/** What a gateway says to user actors, and gets back. */
export type {
  Attached,
  Balance,
  GiftName,
  GiftPreview,
  Given,
  UserInspection,
  UserMessage,
} from '../actors/messages/user.ts';
export { pairId } from '../actors/pair/state.ts';
export type { HoldView } from '../actors/queries.ts';
export type { Address, SessionRef } from '../actors/turn.ts';
export { isKeyConflict } from '../actors/user/commands.ts';
export { isOverloaded } from './overloaded.ts';
