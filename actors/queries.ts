/** What an actor may ask the store to read. Answers come back as `queried` messages (or hydrate a starting actor). */
import type { AccountKind, Method } from '../protocol/catalogue.ts';

export type Query =
  | { readonly type: 'user'; readonly id: string }
  | { readonly type: 'userByNumber'; readonly number: number }
  /** Ids of the encounters of these two between two moments of the database clock, both excluded. */
  | {
      readonly type: 'pairMet';
      readonly officer: string;
      readonly civilian: string;
      readonly afterMs: number;
      readonly beforeMs: number;
    }
  /** What actors of these shards committed within the last so many milliseconds of the database clock, newest first. */
  | {
      readonly type: 'settledLately';
      readonly shards: readonly number[];
      readonly withinMs: number;
      readonly limit: number;
    };

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
  /** Why points moved; `encounter` or the reason of a transfer. */
  readonly reason: string;
  /** Of the encounter, or of the transfer. */
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

/** A movement of points with everybody whom it concerns; the mint is left out. */
export interface SettledLately {
  readonly id: string;
  readonly reason: string;
  /** Null for a movement that is no encounter. */
  readonly method: Method | null;
  readonly atMs: number;
  readonly sides: readonly {
    readonly account: string;
    readonly handle: string;
    readonly delta: number;
    readonly balance: number;
    readonly version: number;
  }[];
}

export interface QueryAnswers {
  readonly user: UserRecord | null;
  readonly userByNumber: string | null;
  readonly pairMet: readonly string[];
  readonly settledLately: readonly SettledLately[];
}
