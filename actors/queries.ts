/** What an actor may ask the store to read. Answers come back as `queried` messages (or hydrate a starting actor). */
import type { AccountKind, Method } from '../protocol/catalogue.ts';

export type Query =
  | { readonly type: 'user'; readonly id: string }
  | { readonly type: 'userByNumber'; readonly number: number };

/** One settled meeting as a person sees it. */
export interface EncounterView {
  readonly id: string;
  readonly method: Method;
  readonly otherHandle: string;
  readonly points: number;
  readonly atMs: number;
}

/** The stored effect of a command with an idempotency key; enough to give the first reply again. */
export interface RememberedCommand {
  readonly key: string;
  readonly requestHash: string;
  readonly encounterId: string;
  readonly points: number;
  readonly balance: number;
}

/** A durable timer that is set; see `turn.durableTimer`. */
export interface TimerView {
  readonly name: string;
  readonly dueAtMs: number;
  readonly message: unknown;
}

/** Everything a user actor starts from; one round trip. */
export interface UserRecord {
  readonly id: string;
  readonly kind: AccountKind;
  readonly handle: string;
  /** Small stable number (below 2^48) that QR handles carry. */
  readonly number: number;
  readonly deviceId: string;
  /** Number of the linked device (below 2^16), rises with each move to a new one. */
  readonly deviceNumber: number;
  readonly balance: number;
  readonly balanceVersion: number;
  readonly encounterCount: number;
  /** The newest 16, newest first. */
  readonly encounters: readonly EncounterView[];
  /** The last 64 of the last 24 h. */
  readonly commands: readonly RememberedCommand[];
  /** Every durable timer of the actor, soonest first. */
  readonly timers: readonly TimerView[];
}

export type QueryAnswer<Q extends Query> = Q extends { type: 'user' } ? UserRecord | null : string | null;
