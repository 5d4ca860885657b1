/** Everything that is said to a pair actor (id `officer|civilian`). */
import type { Method } from '../../protocol/catalogue.ts';
import type { Result } from '../../protocol/errors.ts';
import type { EncounterOp, Idempotency } from '../durable.ts';
import type { Earned } from './user.ts';

export interface Evidence {
  readonly method: Method;
  /**
   * What makes this proof one of a kind between these two (a hey id, token and scanner, the moment at which a dwell was
   * offered first). Null: the pair gives one, and a repeat is another proof (a region of the version before says so).
   */
  readonly id: string | null;
  readonly cell: string;
  /** Good for one encounter with whomever: the store refuses it to a second officer, also after a restart. */
  readonly once?: boolean;
  /** Of a scan that was uploaded later: the cooldown is judged around this moment too. */
  readonly scannedAtMs?: number | null;
  /** What speaks against either side, bits of `fraud/trust.ts`: not 0, and the encounter is held for review. */
  readonly trust?: number;
  /** Of method `proximity`: the rule by whose numbers the two stood together. */
  readonly metBy?: EncounterOp['metBy'];
  /** Nothing but a scan of the officer's code says that the two stood together; absent: something does. */
  readonly unvouched?: boolean;
}

export type PairMessage = {
  /** Ask or tell: settles the meeting if the pair's cooldown is over. Answer: `Result<Settlement>`. */
  readonly type: 'observe';
  readonly evidence: Evidence;
  readonly officer: { readonly id: string; readonly handle: string };
  readonly civilian: { readonly id: string; readonly handle: string };
  readonly idempotency?: Idempotency | null;
};

/** From one of the two: what of its points the day still holds, as {@link Earned}; told, not answered. */
export interface EarnedMessage {
  readonly type: 'earned';
  readonly tag: string;
  readonly result: Result<Earned>;
}

/** Its own timer: who was to say what a day holds has not. */
export interface ClaimLate {
  readonly type: 'claimLate';
  readonly tag: string;
}

/** Ask, from an operator's desk: ends the wait of an encounter that is held. Answer `Result<Reviewed>`; a repeat is harmless. */
export interface Review {
  readonly type: 'review';
  readonly encounterId: string;
  readonly verdict: 'released' | 'rejected';
}

export interface Reviewed {
  readonly encounterId: string;
  readonly verdict: 'released' | 'rejected';
}

/** The durable outcome for both sides. */
export interface Settlement {
  readonly encounterId: string;
  readonly atMs: number;
  /** It waits for an operator, or was rejected: nothing was posted, and the sides are empty. */
  readonly held?: true;
  readonly officer: { readonly points: number; readonly balance: number; readonly version: number };
  readonly civilian: { readonly points: number; readonly balance: number; readonly version: number };
}
