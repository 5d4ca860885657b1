/** Redemptions as the two actors concerned hold them: the user's, who has points set aside, and the merchant's. */
import type { RedemptionState } from '../../protocol/catalogue.ts';
import type { RuleRef } from '../durable.ts';
import type { RedemptionView } from '../queries.ts';
import type { ReplyTo, SessionRef } from '../turn.ts';
import { NOTHING_WAITS, type WaitingBy } from '../waiting.ts';

/** Points and stock that are set aside. Plain values: it travels between actors. */
export interface Redemption {
  readonly id: string;
  readonly user: string;
  readonly merchant: string;
  readonly offer: string;
  readonly title: string;
  readonly quantity: number;
  readonly points: number;
  readonly code: string;
  /** Database clock, Unix milliseconds. */
  readonly expiresAtMs: number;
  readonly rule: RuleRef;
}

export const redemptionOf = (view: RedemptionView): Redemption => {
  const { id, user, merchant, offer, offerTitle: title, quantity, points, code, expiresAtMs, rule } = view;
  return { id, user, merchant, offer, title, quantity, points, code, expiresAtMs, rule };
};

/** What has become of it, and for how much of it. */
export interface Ending {
  readonly state: RedemptionState;
  readonly quantity: number;
  readonly points: number;
}

/** At the user. */
export interface Spending {
  /** What waits at tills, as far as it was read. */
  readonly open: readonly Redemption[];
  /** Points set aside of which was not read yet for what; 0: everything was read. */
  readonly unread: number;
  /** What ended lately: it is not open, whatever is read or told late. */
  readonly over: readonly string[];
  /** By redemption of which it is asked what became of it: timers that wait for that. */
  readonly ending: WaitingBy<readonly ReplyTo[]>;
}

/** A name at the counter: the till that has it, and how often it was wrong. */
export interface Till {
  readonly name: string;
  /** Null: a till of this name was here. */
  readonly session: SessionRef | null;
  /** Wrong codes in a row. */
  readonly wrong: number;
  /** Town milliseconds until which it takes no code. */
  readonly waitsUntilMs: number;
}

/** At the merchant. */
export interface Counter {
  /** What waits here, as far as it was told or read. */
  readonly open: WaitingBy<Redemption>;
  readonly over: readonly string[];
  /** By redemption: who told of it late, and is answered when the store has said what became of it. */
  readonly late: WaitingBy<readonly ReplyTo[]>;
  /** The one used last stands last. */
  readonly tills: readonly Till[];
  /** Wrong codes of all tills since then: nobody gets more of them by coming back as another till. */
  readonly guesses: { readonly wrong: number; readonly sinceMs: number };
}

/** What a command that reserves or cancels needs when an answer comes. */
export interface Reserving {
  readonly redemption: Redemption;
  readonly perUserMax: number;
  /** Codes that were drawn. */
  readonly tries: number;
  /** The timer that ends it is stored. */
  readonly isTimed: boolean;
  /** Everything is checked, and nothing kept. */
  readonly isDry?: boolean;
}

/** What a command of a till needs when an answer comes. */
export interface Handling {
  readonly redemptionId: string | null;
  /** As it was given; null when the id was. */
  readonly code: string | null;
  /** Null: all of it. */
  readonly quantity: number | null;
  readonly restock: boolean;
  /** Name of the till; empty by REST. */
  readonly till: string;
  /** The store was asked for what waits here. */
  readonly isFresh: boolean;
  readonly redemption: Redemption | null;
}

/** It is asked what became of these, and nobody waits for that. */
export const endingOf = (ids: readonly string[]): Spending['ending'] =>
  ids.length > 0 ? new Map(ids.map(id => [id, []] as const)) : NOTHING_WAITS;

export const NOTHING_SPENT: Spending = { open: [], unread: 0, over: [], ending: NOTHING_WAITS };
export const NO_GUESSES: Counter['guesses'] = { wrong: 0, sinceMs: 0 };
export const NOBODY_CAME: Counter = {
  open: NOTHING_WAITS,
  over: [],
  late: NOTHING_WAITS,
  tills: [],
  guesses: NO_GUESSES,
};

/** The newest of those that are over. */
export const withOver = (over: readonly string[], id: string, max: number): readonly string[] =>
  over.includes(id) ? over : [...over.slice(-(max - 1)), id];

/** Points that are set aside. */
export const setAside = ({ open, unread }: Spending): number =>
  open.reduce((sum, { points }) => sum + points, unread);
