/** What a pair waits for, and the ids by which a meeting is known. */
import { derivedId } from '../../protocol/derivedId.ts';
import type { Bounds, Claim } from '../claims.ts';
import type { EncounterOp } from '../durable.ts';
import type { PairHistory } from '../fraud/history.ts';
import type { Insisting } from '../insist.ts';
import type { Evidence } from '../messages/pair.ts';
import type { ReviewUnderWay } from '../review.ts';
import type { ReplyTo } from '../turn.ts';
import { NOTHING_WAITS, type WaitingBy } from '../waiting.ts';

export const pairId = (officerId: string, civilianId: string): string => `${officerId}|${civilianId}`;

/** The id of the encounter that evidence proves; evidence without an id of its own gets `otherwise`. */
export const encounterIdOf = (
  { method, id, once }: Evidence,
  officerId: string,
  civilianId: string,
  otherwise: string,
): string =>
  derivedId('encounter', method, id ?? otherwise, ...(once ? [civilianId] : [officerId, civilianId]));

export interface Side {
  readonly id: string;
  readonly handle: string;
}

export interface UnderWay {
  /** With the points of version 1 until it is scored. */
  readonly op: EncounterOp;
  readonly officer: Side;
  readonly civilian: Side;
  readonly replyTo: ReplyTo | null;
  /** Nothing but a scan of the officer's code says that the two stood together. */
  readonly unvouched: boolean;
  /** What the rules limit of it; null: nothing. */
  readonly bounds: Bounds | null;
  /** What was let through, when something is limited. */
  readonly claim: Claim | null;
}

/** Two answers are under way at once. */
export interface Weighed extends UnderWay {
  /** The rules said what it is worth. */
  readonly scored: boolean;
  /** What the store knows of the two; `unasked`: nobody looks there. */
  readonly history: PairHistory | 'awaited' | 'unasked';
}

export interface PairState {
  /** By tag: the rules are asked what it is worth, and the store what it knows of the two. */
  readonly weighed: WaitingBy<Weighed>;
  /** By tag: an operator's word, whose encounter is read first, and then decided. */
  readonly reviews: WaitingBy<ReviewUnderWay>;
  /** By tag: the store is asked when the two have met (a scan that was uploaded late). */
  readonly judged: WaitingBy<UnderWay>;
  /** By tag: what the rules limit is asked for. */
  readonly claiming: WaitingBy<UnderWay & { readonly claim: Claim }>;
  /** By tag: the store is to settle. */
  readonly underWay: WaitingBy<UnderWay>;
  /** Who must still hear of an encounter. */
  readonly telling: Insisting;
}

export const WAITING_FOR_NOTHING = {
  weighed: NOTHING_WAITS,
  reviews: NOTHING_WAITS,
  judged: NOTHING_WAITS,
  claiming: NOTHING_WAITS,
  underWay: NOTHING_WAITS,
};
