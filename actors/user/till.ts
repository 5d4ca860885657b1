/**
 * Redemptions on the side of the merchant (domain study 5.3): tills see what waits, look codes up, confirm, refuse and refund.
 * This actor stores the payment and says so: to the till that asked, to the customer's actor with its movement, to the offer.
 *
 * What waits here is memory, told by customers and read from the store where it is not known: a code is called wrong only
 * when the store does not know it either. Two tills, a phone and a timer may want to end one redemption at once: each says so
 * to the store, which takes the first, and the others get the answer of what it is now.
 */
import type { CommandBody } from '../../protocol/catalogue.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { readRedeemText } from '../../protocol/redeemCode.ts';
import type { Committed, Idempotency, PostOp, RefundOp } from '../durable.ts';
import { insistInTurn, type Telling } from '../insist.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { OfferMessage } from '../messages/offer.ts';
import type { UserMessage } from '../messages/user.ts';
import type { Movement, QueryAnswers, RedemptionView } from '../queries.ts';
import type { SessionRef, Turn } from '../turn.ts';
import { begin, finishMarket, KEY_CONFLICT, underWay, whenRead } from './commands.ts';
import { codeTried, isOver, NO_TILL, openTill, refuseCode, tillOf, waiting, waits } from './counter.ts';
import { availablePoints, NOT_ENOUGH, OVER_LIMIT } from './points.ts';
import { REDEMPTION } from './redeem.ts';
import { CANCELLED, EXPIRED, NO_REDEMPTION, PAID, voidOf } from './redeemed.ts';
import { type Ending, type Handling, type Redemption, redemptionOf } from './redemption.ts';
import type { CommandUnderWay, MarketName, Order, UserState } from './state.ts';
import { moved } from './stream.ts';
import { paidTold, shownAs, tillEvent, whatOf } from './tillTold.ts';

const REFUND = 'refund';

const OF_WHOM = refuse(ERROR.forbidden, 'this account has no till');
const WRONG_CODE = refuse(ERROR.notFound, 'no redemption with this code waits here');
const TOO_MUCH = refuse(ERROR.conflict, 'that is more than was reserved');
const ALL_BACK = refuse(ERROR.conflict, 'that is more than was paid and not given back yet');

/** Of the entry that pays a redemption; follows from the command of the till. */
export const saleIdOf = (redemptionId: string, key: string): string => derivedId('sale', redemptionId, key);

/** Begins a command of a till. */
export function atTill(state: UserState, name: MarketName, message: Order, turn: Turn): UserState {
  // one without key has a name all the same while it is under way
  const named = { ...message, key: message.key ?? turn.newId() };
  const handling = handlingOf(state, name, message);
  if (handling === NO_TILL) {
    // no answer to the key: an earlier life of this actor may have done what is asked for
    turn.reply(NO_TILL);
    return state;
  }
  const command = underWay(named, turn, name, handling.ok ? { handling: handling.value } : {});
  if (!handling.ok) return finishMarket(state, command, handling, false, turn);
  if (name !== 'till.open') return handle(state, command, turn);
  const { till } = message.body as CommandBody<'till.open'>;
  const opening = openTill(state, till, message.session as SessionRef, turn.nowMs);
  if (!opening.ok) return finishMarket(state, command, opening, false, turn);
  return readWaiting(opening.value, command, turn);
}

function handlingOf(state: UserState, name: MarketName, { body, session }: Order): Result<Handling> {
  if (state.me.kind !== 'merchant') return OF_WHOM;
  const till = name === 'till.open' ? ok('') : tillOf(state, session);
  if (!till.ok) return till;
  const { redemptionId = null, code = null, quantity = null, restock = false } = body as Partial<Handling>;
  if (quantity !== null && !(Number.isSafeInteger(quantity) && quantity >= 1))
    return refuse(ERROR.invalid, 'at least one unit');
  if (name === 'till.confirm' && redemptionId === null && code === null)
    return refuse(ERROR.invalid, 'which redemption: its id, or its code');
  const given = redemptionId === null ? code : null;
  const handling = { redemptionId, code: given, quantity, restock, till: till.value };
  return ok({ ...handling, isFresh: false, redemption: null });
}

/** Finds what it is about, here or in the store, and does it. */
function handle(state: UserState, command: CommandUnderWay, turn: Turn): UserState {
  const { redemptionId, code } = command.handling!;
  if (code !== null) return byCode(state, command, code, turn);
  const open = command.name === 'till.refund' ? undefined : state.counter.open.get(redemptionId as string);
  if (open) return decide(state, command, open, turn);
  turn.query({ type: 'redemption', id: redemptionId as string }, `${command.key}/known`);
  return begin(state, command);
}

function byCode(state: UserState, command: CommandUnderWay, text: string, turn: Turn): UserState {
  const { till, isFresh } = command.handling!;
  const refusal = refuseCode(state, till, turn.nowMs);
  if (refusal) return finishMarket(state, command, refusal, false, turn);
  const read = readRedeemText(text);
  const isOurs = read !== null && (read.merchant ?? state.me.id) === state.me.id;
  const open = isOurs ? waiting(state, turn.nowMs).find(({ code }) => code === read.code) : undefined;
  if (open) return decide(codeTried(state, till, true, turn), command, open, turn);
  if (isOurs && !isFresh) return readWaiting(state, command, turn);
  if (isOurs && command.name === 'till.confirm') {
    turn.query({ type: 'soldByCode', merchant: state.me.id, code: read.code }, `${command.key}/sold`);
    return begin(state, command);
  }
  return finishMarket(codeTried(state, till, false, turn), command, WRONG_CODE, false, turn);
}

/**
 * A code is nobody's any more once it was paid. When this very command did that, in an earlier life of this actor that could
 * not say so any more, it gets its first answer: the store finds the sale under the same id.
 */
export const soldRead = whenRead((state, command, sold: QueryAnswers['soldByCode'], turn) => {
  const first = sold.find(one => one.transferId === saleIdOf(one.id, command.key));
  if (first) return decide(state, command, redemptionOf(first), turn);
  const { till } = command.handling!;
  return finishMarket(codeTried(state, till, false, turn), command, WRONG_CODE, false, turn);
});

function readWaiting(state: UserState, command: CommandUnderWay, turn: Turn): UserState {
  turn.query({ type: 'openRedemptions', merchant: state.me.id }, `${command.key}/open`);
  return begin(state, command);
}

/** The store said what waits here. */
export const waitingRead = whenRead((state, command, views: QueryAnswers['openRedemptions'], turn) => {
  const next = waits(state, ...views.map(redemptionOf));
  if (command.name !== 'till.open')
    return handle(next, { ...command, handling: { ...command.handling!, isFresh: true } }, turn);
  const shown = waiting(next, turn.nowMs).slice(0, ACTOR_LIMITS.tillShown);
  return finishMarket(next, command, ok({ waiting: shown.map(one => shownAs(one)) }), false, turn);
});

/** The store said what became of a redemption that is not known here. */
export const tillKnows = whenRead((state, command, view: QueryAnswers['redemption'], turn) => {
  if (view?.merchant !== state.me.id) return finishMarket(state, command, NO_REDEMPTION, false, turn);
  if (command.name === 'till.refund') return refund(paidTold(state, view, turn), command, view, turn);
  return decide(state, command, redemptionOf(view), turn);
});

const keyOf = ({ me }: UserState, { key, requestHash }: CommandUnderWay): Idempotency => ({
  userId: me.id,
  key,
  requestHash,
});

/** Looks, or asks the store to end it; what it is in truth, the store knows. */
function decide(state: UserState, command: CommandUnderWay, redemption: Redemption, turn: Turn): UserState {
  if (command.name === 'till.look') return finishMarket(state, command, ok(shownAs(redemption)), false, turn);
  const { quantity: all, points, user, rule, id } = redemption;
  const { quantity: wanted } = command.handling!;
  const quantity = wanted ?? all;
  if (quantity > all) return finishMarket(state, command, TOO_MUCH, false, turn);
  const handling: Handling = { ...command.handling!, redemption, quantity };
  if (command.name === 'till.refuse') turn.persist(voidOf(redemption, 'voided'), command.key);
  else {
    const op: PostOp = {
      type: 'post',
      id: saleIdOf(id, command.key),
      pendingId: id,
      reason: REDEMPTION,
      payer: user,
      payee: state.me.id,
      points: (points / all) * quantity,
      quantity,
      rule,
      idempotency: keyOf(state, command),
    };
    turn.persist(op, command.key);
  }
  return begin(state, { ...command, handling });
}

/** What comes back of what was paid. */
function refund(state: UserState, command: CommandUnderWay, view: RedemptionView, turn: Turn): UserState {
  if (view.state !== 'confirmed') {
    const why = view.state === 'reserved' ? NOT_PAID : view.state === 'expired' ? EXPIRED : CANCELLED;
    return finishMarket(state, command, why, false, turn);
  }
  const { redemptionId, quantity: wanted, restock } = command.handling!;
  const quantity = wanted ?? view.sold.quantity - view.refunded.quantity;
  const handling: Handling = { ...command.handling!, quantity, redemption: redemptionOf(view) };
  if (quantity < 1 || quantity > view.sold.quantity)
    return refuseUnlessGivenBack(state, { ...command, handling }, ALL_BACK, turn);
  const points = (view.points / view.quantity) * quantity;
  if (points > availablePoints(state))
    return refuseUnlessGivenBack(state, { ...command, handling }, NOT_ENOUGH, turn);
  const op: RefundOp = {
    type: 'refund',
    id: derivedId(REFUND, state.me.id, command.key),
    redemption: redemptionId as string,
    payer: state.me.id,
    payee: view.user,
    points,
    quantity,
    restock,
    rule: view.rule,
    idempotency: keyOf(state, command),
  };
  turn.persist(op, command.key);
  return begin(state, { ...command, points, handling });
}

/** Refuses, unless an earlier life of this actor has given it back already: then that is the answer. */
function refuseUnlessGivenBack(
  state: UserState,
  command: CommandUnderWay,
  refusal: Refusal,
  turn: Turn,
): UserState {
  turn.query({ type: 'command', user: state.me.id, key: command.key }, `${command.key}/first`);
  return begin(state, { ...command, points: 0, refusal });
}

/** The store said what it remembers under the key of this command. */
export const givenBackKnown = whenRead((state, command, known: QueryAnswers['command'], turn) => {
  if (known?.requestHash !== command.requestHash || 'result' in known)
    return finishMarket(state, command, command.refusal!, false, turn);
  const { points: all, quantity } = command.handling!.redemption!;
  const points = Math.abs(known.points);
  const value = { transferId: known.encounterId, quantity: (points / all) * quantity, points };
  return finishMarket(state, command, ok(value), true, turn);
});

const NOT_PAID = refuse(ERROR.conflict, 'this redemption is not paid yet');

/** The store has decided. */
export function tillDecided(
  state: UserState,
  command: CommandUnderWay,
  committed: Committed,
  turn: Turn,
): UserState {
  const { redemption, quantity, till } = command.handling!;
  if (committed.code !== 'created' && committed.code !== 'exists') {
    if (command.name === 'till.refund' && committed.code === 'exists_with_different_payload')
      return refuseUnlessGivenBack(state, command, KEY_CONFLICT, turn);
    const refusal = refusalOf(committed);
    const isGone = refusal === PAID || refusal === CANCELLED;
    const next = isGone && command.name !== 'till.refund' ? isOver(state, redemption!.id) : state;
    return finishMarket(next, { ...command, points: 0 }, refusal, false, turn);
  }
  const units = quantity as number;
  const points = (redemption!.points / redemption!.quantity) * units;
  const ending: Ending = { state: STATE_AFTER[command.name]!, quantity: units, points };
  const told = tellOthers(state, redemption!, ending, committed, turn);
  // what moved points has the key of the command beside them, and a repeat finds them: only a refusal keeps an answer
  const keeps = command.name === 'till.refuse';
  const done = finishMarket(told, command, ok(resultOf(command, committed, points)), keeps, turn);
  // the store has decided: who asked and who pays need not wait until the other tills can be told
  turn.release();
  return settled(done, redemption!, ending, committed, till, turn);
}

const STATE_AFTER: Partial<Record<CommandUnderWay['name'], Ending['state']>> = {
  'till.confirm': 'confirmed',
  'till.refuse': 'cancelled',
  'till.refund': 'refunded',
};

function resultOf({ name, handling }: CommandUnderWay, { id }: Committed, points: number): object {
  const { redemption, quantity } = handling!;
  if (name === 'till.refuse') return {};
  if (name === 'till.refund') return { transferId: id, quantity, points };
  return { redemptionId: redemption!.id, quantity, points };
}

function refusalOf({ code }: Committed): Refusal {
  switch (code) {
    case 'pending_already_posted':
      return PAID;
    case 'pending_already_voided':
      return CANCELLED;
    case 'pending_expired':
      return EXPIRED;
    case 'pending_not_found':
      return NO_REDEMPTION;
    case 'exceeds_pending':
      return TOO_MUCH;
    case 'exceeds_refundable':
      return ALL_BACK;
    case 'insufficient_points':
      return NOT_ENOUGH;
    case 'limit_exceeded':
      return OVER_LIMIT;
    case 'account_unknown':
    case 'account_closed':
      return refuse(ERROR.gone, 'an account of this redemption is closed');
    case 'exists_with_different_payload':
    case 'idempotency_conflict':
      return KEY_CONFLICT;
    default:
      return refuse(ERROR.internal, 'it could not be decided');
  }
}

const isRefund = (ending: Ending): boolean => ending.state === 'refunded';

function movementOf(account: string, ending: Ending, committed: Committed): Movement | null {
  const posting = committed.postings.find(one => one.account === account);
  if (!posting) return null;
  const { delta, balance, version } = posting;
  const { id: transferId, atMs } = committed;
  const reason = isRefund(ending) ? REFUND : REDEMPTION;
  return { transferId, version, delta, balance, reason, method: null, otherHandle: '', atMs };
}

/** It is durable: who pays and the offer are told until they have heard. */
function tellOthers(
  state: UserState,
  redemption: Redemption,
  ending: Ending,
  committed: Committed,
  turn: Turn,
): UserState {
  const { id, user, offer } = redemption;
  const what = whatOf(ending, committed.id);
  const movement = movementOf(user, ending, committed);
  const settledThere: UserMessage = { type: 'redemptionSettled', redemption, ending, movement };
  const toOffer: OfferMessage = isRefund(ending)
    ? { type: 'gaveBack', refundId: committed.id }
    : { type: 'settled', redemptionId: id, sold: ending.state === 'confirmed' ? ending.quantity : 0 };
  // a refund is not heard before the payment, whatever was lost of it
  const toPayer: Telling = { to: { kind: 'user', id: user }, message: settledThere };
  const toShelf: Telling = { to: { kind: 'offer', id: offer }, message: toOffer };
  const payerTold = insistInTurn(state.crediting, `${id}/${what}`, toPayer, turn);
  return { ...state, crediting: insistInTurn(payerTold, `${id}/${what}/offer`, toShelf, turn) };
}

/** It is durable: every till hears. */
function settled(
  state: UserState,
  redemption: Redemption,
  ending: Ending,
  committed: Committed,
  till: string,
  turn: Turn,
): UserState {
  const mine = movementOf(state.me.id, ending, committed);
  const paid = mine ? moved(state, mine, turn) : state;
  const next = isRefund(ending) ? paid : isOver(paid, redemption.id);
  return tillEvent(next, redemption, ending, till, whatOf(ending, committed.id), turn);
}
