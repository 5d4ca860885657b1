/**
 * An operator's word about an encounter that is held, at its pair: the encounter is read as it was held, the verdict is an
 * operation like any other, and both people are told until they have heard it. Released, it is the encounter that it would
 * have been, under its own id: whoever asks again, or dies between the commit and the telling, finds it.
 */
import { ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import type { Committed, ReviewOp } from './durable.ts';
import { insist, type Telling } from './insist.ts';
import type { Review, Reviewed } from './messages/pair.ts';
import { type PairState, pairId, without } from './pair/state.ts';
import type { HoldView, QueryAnswers } from './queries.ts';
import { settledMessage, settlementOf } from './settlement.ts';
import type { ReplyTo, Turn } from './turn.ts';

export interface ReviewUnderWay {
  readonly verdict: Review['verdict'];
  readonly encounterId: string;
  /** Null until it was read. */
  readonly hold: HoldView | null;
  readonly replyTo: ReplyTo | null;
}

const put = (state: PairState, tag: string, one: ReviewUnderWay): PairState => ({
  ...state,
  reviews: new Map(state.reviews).set(tag, one),
});

export function review(state: PairState, { encounterId, verdict }: Review, turn: Turn): PairState {
  const tag = turn.newId();
  turn.query({ type: 'hold', id: encounterId }, tag);
  return put(state, tag, { verdict, encounterId, hold: null, replyTo: turn.replyTo });
}

/** The store said what is held. */
export function reviewFound(state: PairState, tag: string, result: Result<unknown>, turn: Turn): PairState {
  const one = state.reviews.get(tag)!;
  const next = { ...state, reviews: without(state.reviews, tag) };
  if (!result.ok) {
    turn.reply(result, one.replyTo);
    return next;
  }
  const hold = result.value as QueryAnswers['hold'];
  if (!hold || pairId(hold.officer.id, hold.civilian.id) !== turn.self.id) {
    turn.reply(refuse(ERROR.notFound, 'no such encounter is held'), one.replyTo);
    return next;
  }
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
  return put(next, tag, { ...one, hold });
}

/** The store has decided. */
export function reviewed(state: PairState, tag: string, committed: Committed, turn: Turn): PairState {
  const one = state.reviews.get(tag)!;
  const next = { ...state, reviews: without(state.reviews, tag) };
  const result = outcomeOf(one, committed);
  turn.reply(result, one.replyTo);
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
