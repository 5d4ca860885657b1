/**
 * Points on top of those of a meeting, where a rule says so. The person's own actor gives them, once it hears that the meeting
 * is durable, and only then says that it has heard: so whoever tells it tells it again until they are durable as well, in
 * whatever life of either. Their id follows from the meeting, so they are given once; they are an entry of their own, with a
 * rule of their own.
 */

import { derivedId } from '../../protocol/derivedId.ts';
import { ok, type Result } from '../../protocol/errors.ts';
import { answerAll, withAsker } from '../askers.ts';
import { askFor, giveBackTo } from '../budget.ts';
import { type Committed, MINT_ACCOUNT, type RuleRef, type TransferOp } from '../durable.ts';
import type { CreditView, SettledView } from '../messages/user.ts';
import type { Award, AwardLimits } from '../scoring.ts';
import type { ReplyTo, Turn } from '../turn.ts';
import { withOne, without } from '../waiting.ts';
import { askLedger, dayPointsOf, earned, earnLimits, unearned } from './earning.ts';
import type { UserState } from './state.ts';

export const PROMOTION = 'promotion';
const TAG = 'promotion/';
const BUDGET_TAG = 'promotionBudget/';

export interface Promoting {
  /** Whoever told of the meeting, and tells it again until he is answered. */
  readonly replyTo: readonly ReplyTo[];
  readonly points: number;
  readonly rule: RuleRef;
  readonly budget: AwardLimits['budget'] | null;
  /** Of the budget. */
  readonly taken: number;
}

const NO_RULE: RuleRef = { id: PROMOTION, version: 0 };
const idOf = (state: UserState, encounterId: string): string =>
  derivedId(PROMOTION, encounterId, state.me.id);

/** The meeting, by the tag of an answer; null for another tag. */
export const promotedBy = (tag: string): string | null =>
  tag.startsWith(TAG) ? tag.slice(TAG.length) : null;

export const budgetedBy = (tag: string): string | null =>
  tag.startsWith(BUDGET_TAG) ? tag.slice(BUDGET_TAG.length) : null;

const put = (state: UserState, encounterId: string, one: Promoting): UserState => ({
  ...state,
  promoting: withOne(state.promoting, encounterId, one),
});

/** A meeting is durable: what comes on top of it? */
export function promote(state: UserState, { encounterId, points }: SettledView, turn: Turn): UserState {
  const known = state.promoting.get(encounterId);
  const replyTo = withAsker(known?.replyTo ?? [], turn.replyTo);
  if (known) return put(state, encounterId, { ...known, replyTo });
  const userKind = state.me.kind;
  const place = { account: state.me.id };
  turn.query(
    {
      type: 'scores',
      of: [
        { type: 'score', kind: 'promotion', input: { of: 'encounter.points', points, userKind }, place },
        { type: 'score', kind: 'earning.limit', input: { userKind }, place },
      ],
    },
    TAG + encounterId,
  );
  return put(state, encounterId, { replyTo, points: 0, rule: NO_RULE, budget: null, taken: 0 });
}

/** The rules have said; or, when something is limited, the ledger reads what was earned. */
export function promotionScored(
  state: UserState,
  encounterId: string,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  const one = state.promoting.get(encounterId);
  if (!one) return state;
  if (!result.ok) return over(state, encounterId, result, turn);
  const [award, day] = result.value as readonly [Award, Award];
  const points = award.refusal === undefined ? Math.floor(award.points.user ?? 0) : 0;
  if (points <= 0) return over(state, encounterId, ok({}), turn);
  const { rule, limits } = award;
  const next = put(state, encounterId, { ...one, points, rule, budget: limits.budget ?? null });
  const earning = earnLimits(award, dayPointsOf(day));
  if (earning === null) return budgeted(next, encounterId, turn);
  const asked = { reason: PROMOTION, points, limits: earning, pairs: [] } as const;
  return askLedger(next, idOf(state, encounterId), asked, turn);
}

/** What the day still holds. */
export function promotionGranted(
  state: UserState,
  promotionId: string,
  said: Result<{ readonly points: number }>,
  turn: Turn,
): UserState {
  const encounterId = [...state.promoting.keys()].find(one => idOf(state, one) === promotionId);
  if (encounterId === undefined) return state;
  const one = state.promoting.get(encounterId)!;
  if (!said.ok) return over(state, encounterId, said.retryable ? said : ok({}), turn);
  const { points } = said.value;
  if (points <= 0) return over(state, encounterId, ok({}), turn);
  return budgeted(put(state, encounterId, { ...one, points }), encounterId, turn);
}

function budgeted(state: UserState, encounterId: string, turn: Turn): UserState {
  const { budget, points } = state.promoting.get(encounterId)!;
  if (!budget) return give(state, encounterId, turn);
  askFor(budget, idOf(state, encounterId), points, turn, BUDGET_TAG + encounterId);
  return state;
}

/** The budget has it, or not any more. */
export function promotionTaken(
  state: UserState,
  encounterId: string,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  const one = state.promoting.get(encounterId);
  if (!one) return state;
  if (!result.ok) return over(state, encounterId, result.retryable ? result : ok({}), turn);
  return give(put(state, encounterId, { ...one, taken: one.points }), encounterId, turn);
}

function give(state: UserState, encounterId: string, turn: Turn): UserState {
  const { points, rule } = state.promoting.get(encounterId)!;
  const op: TransferOp = {
    type: 'transfer',
    id: idOf(state, encounterId),
    reason: PROMOTION,
    legs: [
      { account: MINT_ACCOUNT, delta: -points },
      { account: state.me.id, delta: points },
    ],
    rule,
    idempotency: null,
  };
  turn.persist(op, TAG + encounterId);
  return state;
}

/** It is durable, or was before; the credit that the phone is to hear of, if there is one. */
export function promoted(
  state: UserState,
  encounterId: string,
  committed: Committed,
  turn: Turn,
): { readonly state: UserState; readonly credit: CreditView | null } {
  const one = state.promoting.get(encounterId);
  if (!one) return { state, credit: null };
  const { budget, taken } = one;
  if (budget && taken > 0 && committed.code !== 'created') giveBackTo(budget, committed.id, taken, turn);
  const mine = committed.postings.find(posting => posting.account === state.me.id);
  const credit = mine && {
    transferId: committed.id,
    points: mine.delta,
    balance: mine.balance,
    balanceVersion: mine.version,
    reason: PROMOTION,
  };
  const done = ended(state, encounterId, ok({}), turn);
  // without postings nothing was given
  const counted = (mine ? earned : unearned)(done, committed.id);
  return { state: counted, credit: credit ?? null };
}

const over = (state: UserState, encounterId: string, result: Result<unknown>, turn: Turn): UserState =>
  unearned(ended(state, encounterId, result, turn), idOf(state, encounterId));

function ended(state: UserState, encounterId: string, result: Result<unknown>, turn: Turn): UserState {
  answerAll(state.promoting.get(encounterId)?.replyTo ?? [], result, turn);
  return { ...state, promoting: without(state.promoting, encounterId) };
}
