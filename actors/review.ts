/**
 * An operator's word about an encounter that is held, at its pair: the encounter is read as it was held, the verdict is an
 * operation like any other, and both people are told until they have heard it. Released, it is the encounter that it would
 * have been, under its own id: whoever asks again, or dies between the commit and the telling, finds it.
 *
 * What a day of the two holds is the operator's to overrule. What the rule may ever give is not: the budget that its active
 * version names is asked before a release.
 */
import { ERROR, ok, type Refusal, type Result, refuse } from '../protocol/errors.ts';
import { askFor, giveBackTo } from './budget.ts';
import type { Committed, ReviewOp } from './durable.ts';
import { insist, type Telling } from './insist.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { Review, Reviewed } from './messages/pair.ts';
import { type PairState, pairId } from './pair/state.ts';
import type { HoldView, QueryAnswers } from './queries.ts';
import type { Award, AwardLimits } from './scoring.ts';
import { settledMessage, settlementOf } from './settlement.ts';
import type { ReplyTo, Turn } from './turn.ts';
import { withOne, without } from './waiting.ts';

export interface ReviewUnderWay {
  readonly verdict: Review['verdict'];
  readonly encounterId: string;
  /** Null until it was read. */
  readonly hold: HoldView | null;
  /** Of which its points were taken; null: of none. */
  readonly budget: AwardLimits['budget'] | null;
  readonly replyTo: ReplyTo | null;
}

/** Behind it the tag of a review, in the tag of a question to a budget. */
export const REVIEW_BUDGET = 'reviewBudget/';

const put = (state: PairState, tag: string, one: ReviewUnderWay): PairState => ({
  ...state,
  reviews: withOne(state.reviews, tag, one),
});

export function review(state: PairState, { encounterId, verdict }: Review, turn: Turn): PairState {
  const tag = turn.newId();
  turn.query({ type: 'hold', id: encounterId }, tag);
  return put(state, tag, { verdict, encounterId, hold: null, budget: null, replyTo: turn.replyTo });
}

/** The store said what is held, or the rules what they limit. */
export function reviewFound(state: PairState, tag: string, result: Result<unknown>, turn: Turn): PairState {
  const one = state.reviews.get(tag)!;
  if (!result.ok) return refused(state, tag, result, turn);
  if (one.hold) return budgeted(state, tag, one.hold, result.value as Award, turn);
  const hold = result.value as QueryAnswers['hold'];
  if (!hold || pairId(hold.officer.id, hold.civilian.id) !== turn.self.id) {
    return refused(state, tag, refuse(ERROR.notFound, 'no such encounter is held'), turn);
  }
  const next = put(state, tag, { ...one, hold });
  if (one.verdict !== 'released' || hold.verdict !== 'held') return enter(next, tag, turn);
  const { method, officer } = hold;
  turn.query(
    { type: 'score', kind: 'encounter.points', input: { method }, place: { account: officer.id } },
    tag,
  );
  return next;
}

function refused(state: PairState, tag: string, refusal: Refusal, turn: Turn): PairState {
  turn.reply(refusal, state.reviews.get(tag)!.replyTo);
  return { ...state, reviews: without(state.reviews, tag) };
}

const pointsOf = ({ officerPoints, civilianPoints }: HoldView): number => officerPoints + civilianPoints;

function budgeted(state: PairState, tag: string, hold: HoldView, award: Award, turn: Turn): PairState {
  const { budget } = award.limits;
  if (award.rule.id !== hold.rule.id || !budget || pointsOf(hold) === 0) return enter(state, tag, turn);
  askFor(budget, hold.encounterId, pointsOf(hold), turn, REVIEW_BUDGET + tag, ACTOR_LIMITS.claimMs);
  return put(state, tag, { ...state.reviews.get(tag)!, budget });
}

/** The budget has it, or not any more. @param asked tag of the question */
export function reviewBudgeted(
  state: PairState,
  asked: string,
  result: Result<unknown>,
  turn: Turn,
): PairState {
  const tag = asked.slice(REVIEW_BUDGET.length);
  if (!state.reviews.has(tag)) return state;
  return result.ok ? enter(state, tag, turn) : refused(state, tag, result, turn);
}

/** For the store to decide. */
function enter(state: PairState, tag: string, turn: Turn): PairState {
  const one = state.reviews.get(tag)!;
  const hold = one.hold as HoldView;
  const { method, rule, officerPoints, civilianPoints } = hold;
  const op: ReviewOp = {
    type: 'review',
    id: one.encounterId,
    verdict: one.verdict,
    officer: hold.officer.id,
    civilian: hold.civilian.id,
    method,
    rule,
    officerPoints,
    civilianPoints,
    idempotency: null,
  };
  turn.persist(op, tag);
  return state;
}

/** The store has decided. */
export function reviewed(state: PairState, tag: string, committed: Committed, turn: Turn): PairState {
  const one = state.reviews.get(tag)!;
  const next = { ...state, reviews: without(state.reviews, tag) };
  const result = outcomeOf(one, committed);
  turn.reply(result, one.replyTo);
  if (one.hold && one.budget && committed.code !== 'created')
    giveBackTo(one.budget, one.encounterId, pointsOf(one.hold), turn);
  if (!result.ok || !one.hold) return next;
  const { officer, civilian, method } = one.hold;
  const op = { officer: officer.id, civilian: civilian.id, method };
  const settlement = settlementOf({ op }, committed);
  let { telling } = next;
  const tell = (to: HoldView['officer'], side: 'officer' | 'civilian', other: HoldView['officer']): void => {
    const message =
      one.verdict === 'released' && settlement.ok
        ? settledMessage(op, settlement.value, side, other.handle)
        : { type: 'encounterRejected', encounterId: one.encounterId };
    const what: Telling = { to: { kind: 'user', id: to.id }, message };
    telling = insist(telling, `${one.encounterId}/${side}/reviewed`, what, turn);
  };
  tell(officer, 'officer', civilian);
  tell(civilian, 'civilian', officer);
  return { ...next, telling };
}

function outcomeOf({ encounterId, verdict }: ReviewUnderWay, { code }: Committed): Result<Reviewed> {
  switch (code) {
    case 'created':
    case 'exists':
    case 'rejected':
      return ok({ encounterId, verdict });
    case 'not_held':
      return refuse(ERROR.conflict, 'this encounter was decided already');
    case 'account_closed':
    case 'account_unknown':
      return refuse(ERROR.gone, 'an account of this encounter is closed');
    default:
      return refuse(ERROR.internal, 'the encounter could not be reviewed');
  }
}
