/**
 * What an actor asks the business rules, and what they answer. An actor never evaluates a rule: it asks
 * (`turn.query({ type: 'score', ... }, tag)`), the node answers from the rules that are active, and the actor freezes what
 * it got in the operation: points, and the rule with its version and trace.
 *
 * An answer is pure: the same rules and the same input give the same award. What has a state (cooldowns, how much of a day
 * is used up, what is left of a budget) stands in it as limits, which the actor keeps.
 */
import type { AccountKind, Method } from '../protocol/catalogue.ts';
import type { RuleRef } from './durable.ts';

/** Closed and append-only: these words are stored. */
export const RULE_KINDS = [
  'encounter.points',
  'redemption.price',
  'donation',
  'giveaway',
  'proximity.notify',
  'earning.limit',
  'promotion',
] as const;
export type RuleKind = (typeof RULE_KINDS)[number];

/** Where it happens. Rules may be for a state only; whoever answers finds out which it is, and only when one of them is. */
export interface ScorePlace {
  /** Coarse cell; absent or empty: not known. */
  readonly cell?: string;
  /** Whose home or address it is when the cell does not tell. */
  readonly account: string;
}

/** What each kind of rule is asked with. Plain values only: they are the key of a cache, and are kept to explain. */
export interface ScoreInputs {
  /** Points of `officer` and `civilian`. */
  readonly 'encounter.points': { readonly method: Method };
  /** Points that `payer` pays for one unit; `price` is what the offer asks for. */
  readonly 'redemption.price': {
    readonly price: number;
    readonly quantity: number;
    readonly offerKind: 'goods' | 'service' | 'fee';
    readonly payerKind: AccountKind;
    readonly merchant: string;
  };
  /** Points that leave `payer` and reach `payee`; both the same unless a rule says otherwise. */
  readonly donation: {
    readonly points: number;
    readonly payerKind: AccountKind;
    readonly payeeKind: AccountKind;
  };
  readonly giveaway: {
    readonly points: number;
    readonly payerKind: AccountKind;
    readonly payeeKind: AccountKind;
  };
  /** `values` of meeting: radii, times, speed. */
  readonly 'proximity.notify': { readonly userKind: AccountKind };
  /** `limits` of what a person may earn. */
  readonly 'earning.limit': { readonly userKind: AccountKind };
  /** Points on top of what another rule gave to `user`. */
  readonly promotion: { readonly of: RuleKind; readonly points: number; readonly userKind: AccountKind };
}

export type ScoreQuery = {
  readonly [K in RuleKind]: {
    readonly type: 'score';
    readonly kind: K;
    /** With the state (two letters) where it is known beforehand. */
    readonly input: ScoreInputs[K] & { readonly state?: string };
    readonly place?: ScorePlace;
  };
}[RuleKind];

/** Several questions at once, answered in their order. */
export interface ScoresQuery {
  readonly type: 'scores';
  readonly of: readonly ScoreQuery[];
}

/** What actors keep; absent: no such limit. */
export interface AwardLimits {
  /** Of a pair of people, seconds, sliding. */
  readonly cooldownS?: number;
  /** How often one user may, in 24 h. */
  readonly timesPerUserDay?: number;
  /** How many points of this kind one user may earn, or give, in 24 h. */
  readonly pointsPerUserDay?: number;
  /**
   * All points that the mint ever gives by rules that name this budget (`budget.ts`). Who gives his own points takes nothing
   * of it; what a rule lets arrive beyond them does.
   */
  readonly budget?: { readonly id: string; readonly points: number };
}

/** What the rules say. */
export interface Award {
  /** Whole points by party (see {@link ScoreInputs}), never negative. */
  readonly points: Readonly<Record<string, number>>;
  /** Other numbers that the rule sets, by name. */
  readonly values: Readonly<Record<string, number>>;
  /** Goes into the operation as it is. */
  readonly rule: RuleRef;
  readonly limits: AwardLimits;
  /** The rule says no, in a sentence for the person; then there are no points. */
  readonly refusal?: string;
}
