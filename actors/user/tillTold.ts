/**
 * What tills are told: somebody waits, it is paid, given up or over, little is left of an offer. Customers and offers say so
 * to the merchant's actor and repeat it until it has heard.
 *
 * A repeat may come when the redemption is over for long. This life of the actor knows what ended in it; what ended in an
 * earlier one, the store knows: whatever was set aside longer ago than a message takes is looked up before it is shown.
 */
import { ok, type Result } from '../../protocol/errors.ts';
import { answerAll } from '../askers.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { UserMessage } from '../messages/user.ts';
import type { QueryAnswers, RedemptionView, SaleView } from '../queries.ts';
import type { MeetRules } from '../rules.ts';
import type { Turn } from '../turn.ts';
import { isOver, toldLate, toldLateAnswered, waits } from './counter.ts';
import { type Ending, type Redemption, redemptionOf } from './redemption.ts';
import { seconds } from './sessions.ts';
import type { UserState } from './state.ts';
import { emit } from './stream.ts';

/** Tag of what is read about a redemption of which this actor is told late. */
const LATE = 'late/';
export const isLateTag = (tag: string): boolean => tag.startsWith(LATE);

/** As a till sees it. */
export const shownAs = (redemption: Redemption, now: Ending = { ...redemption, state: 'reserved' }) => {
  const { id: redemptionId, code, offer: offerId, title, expiresAtMs } = redemption;
  const { quantity, points, state } = now;
  return { redemptionId, code, offerId, title, quantity, points, state, expiresS: seconds(expiresAtMs) };
};

/** Names what ends it, or gives back of it, among all that is told of the redemption. */
export const whatOf = ({ state }: Ending, transferId: string): string =>
  state === 'refunded' ? transferId : state;

/** @param what names it among all that is told of the redemption */
export const tillEvent = (
  state: UserState,
  redemption: Redemption,
  now: Ending,
  till: string,
  what: string,
  turn: Turn,
): UserState =>
  emit(state, turn, 'till.redemption', { ...shownAs(redemption, now), till }, `${redemption.id}/${what}`);

/** A customer has set points aside: the tills see it. */
export function redemptionOpened(
  state: UserState,
  { redemption }: UserMessage & { type: 'redemptionOpened' },
  rules: MeetRules,
  turn: Turn,
): UserState {
  const { id, expiresAtMs } = redemption;
  if (state.counter.over.includes(id)) {
    turn.reply(ok({}));
    return state;
  }
  const ageMs = turn.nowMs - (expiresAtMs - rules.redeemS * 1_000);
  // a clock that is wrong makes it look old, and that is only a read more
  if (Math.abs(ageMs) <= ACTOR_LIMITS.openedLateMs) {
    turn.reply(ok({}));
    return shown(state, redemption, turn);
  }
  if (!state.counter.late.has(id)) turn.query({ type: 'redemption', id }, LATE + id);
  return toldLate(state, id, turn.replyTo);
}

/** The store said what became of it. Whoever told is answered now, and tells again when it could not be read. */
export function lateRead(state: UserState, tag: string, result: Result<unknown>, turn: Turn): UserState {
  const id = tag.slice(LATE.length);
  answerAll(state.counter.late.get(id) ?? [], result.ok ? ok({}) : result, turn);
  const next = toldLateAnswered(state, id);
  const view = result.ok ? (result.value as QueryAnswers['redemption']) : null;
  if (view?.merchant !== state.me.id || next.counter.over.includes(id)) return next;
  return view.state === 'reserved' ? shown(next, redemptionOf(view), turn) : isOver(next, id);
}

function shown(state: UserState, redemption: Redemption, turn: Turn): UserState {
  const { quantity, points } = redemption;
  const now: Ending = { state: 'reserved', quantity, points };
  return tillEvent(waits(state, redemption), redemption, now, '', now.state, turn);
}

/** The customer gave it up, or its time is over. */
export function redemptionClosed(
  state: UserState,
  { redemption, state: verdict }: UserMessage & { type: 'redemptionClosed' },
  turn: Turn,
): UserState {
  turn.reply(ok({}));
  const { quantity, points } = redemption;
  const now: Ending = { state: verdict, quantity, points };
  return tillEvent(isOver(state, redemption.id), redemption, now, '', verdict, turn);
}

const SALES = 'sales';
export const isSalesTag = (tag: string): boolean => tag === SALES;
/** What was sold last is read again after so long, when it could not be. */
const SALES_AGAIN_MS = 1_000;

/** A new life of a merchant's actor: an earlier one may have died between a payment and its word to the tills. */
export function readSales({ me, outbox }: UserState, turn: Turn): void {
  if (me.kind !== 'merchant' || outbox.now.ring.length === 0) return;
  turn.query({ type: 'lastSales', merchant: me.id, limit: ACTOR_LIMITS.ringEvents }, SALES);
}

/** The store said what was sold last: the tills hear what they have not heard. */
export function salesRead(state: UserState, result: Result<unknown>, turn: Turn): UserState {
  if (!result.ok) {
    turn.timer(SALES, SALES_AGAIN_MS, { type: 'salesRead' } satisfies UserMessage);
    return state;
  }
  return (result.value as QueryAnswers['lastSales']).reduce(
    (next, sale) => saleTold(next, sale, turn),
    state,
  );
}

/** What comes back was paid before: the tills hear that first, also where it has not been read yet. */
export function paidTold(state: UserState, redemption: RedemptionView, turn: Turn): UserState {
  const { state: is, transferId, sold } = redemption;
  if (is !== 'confirmed' || transferId === null) return state;
  return saleTold(state, { redemption, state: is, transferId, ...sold }, turn);
}

/** The tills hear of a payment or refund, if they have not. */
function saleTold(state: UserState, { redemption, transferId, ...ending }: SaleView, turn: Turn): UserState {
  // the word stands behind its movement: where the ring has that, it has the word as well if it was given
  if (state.outbox.now.ring.offsetOf(transferId) === undefined) return state;
  return tillEvent(state, redemptionOf(redemption), ending, '', whatOf(ending, transferId), turn);
}

/** Little is left of an offer. */
export function stockLow(
  state: UserState,
  { crossingId, offerId, title, left }: UserMessage & { type: 'stockLow' },
  turn: Turn,
): UserState {
  turn.reply(ok({}));
  return emit(state, turn, 'stock.low', { offerId, title, left: Math.max(0, left) }, crossingId);
}
