/**
 * Redeeming at a merchant, on the side of who pays (domain study 5.3): points and stock are set aside together, the till makes a
 * sale of it, or it is given up, or its time is over. Asks go from the user to the offer, and tellings on to the merchant:
 * nobody asks back.
 *
 * Whatever dies on the way, it ends. The durable timer that will end it is stored together with what is set aside, so nothing
 * is set aside for longer than its time; what was set aside is read again by the next life of the actor; and the store
 * decides who was first of those who pay, give up, and let it expire. The id comes from the key of the command, and the
 * first answer can be told from what the store keeps of the redemption: a repeat gets it in every life.
 */
import type { CommandBody } from '../../protocol/catalogue.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { redeemCode, redeemText } from '../../protocol/redeemCode.ts';
import { IN_DOUBT } from '../askers.ts';
import type { Committed, PendingOp } from '../durable.ts';
import { insist, type Telling } from '../insist.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { Held, OfferMessage } from '../messages/offer.ts';
import type { RedeemPreview, UserMessage } from '../messages/user.ts';
import { SOLD_OUT, TOO_MANY } from '../offer.ts';
import type { QueryAnswers } from '../queries.ts';
import type { MeetRules } from '../rules.ts';
import type { Turn } from '../turn.ts';
import { begin, conclude, finishMarket, KEY_CONFLICT, underWay } from './commands.ts';
import { NOT_ENOUGH, OVER_LIMIT, spendablePoints } from './points.ts';
import { readMine } from './redeemed.ts';
import { type Redemption, redemptionOf } from './redemption.ts';
import { seconds } from './sessions.ts';
import { opened, redemptionChanged, tellOffer } from './spending.ts';
import { type CommandUnderWay, type Order, REDEEM_TIMER, type UserState } from './state.ts';

/** Why points move, in the ledger. */
export const REDEMPTION = 'redemption';
/** Until it is priced. */
const NO_RULE = { id: 'redemption.price', version: 0 };

/** Begins a redemption: the offer holds the units for some seconds; {@link offerHeld} goes on. */
export function reserve(state: UserState, message: Order, turn: Turn): UserState {
  const { offerId: offer, quantity } = message.body as CommandBody<'redeem.reserve'>;
  const me = state.me.id;
  const redemption: Redemption = {
    id: derivedId(REDEMPTION, me, message.key as string),
    user: me,
    merchant: '',
    offer,
    title: '',
    quantity,
    points: 0,
    code: '',
    expiresAtMs: 0,
    rule: NO_RULE,
  };
  const isDry = message.dry === true;
  const reserving = { redemption, perUserMax: 0, tries: 0, isTimed: false, isDry };
  const command = underWay(message, turn, 'redeem.reserve', { reserving });
  const refusal = refuseReserve(state, quantity);
  if (refusal) return refuseUnlessReserved(state, command, refusal, turn);
  const hold: OfferMessage = { type: 'hold', redemptionId: redemption.id, user: me, quantity };
  turn.ask({ kind: 'offer', id: offer }, hold, command.key, undefined, { keyed: true });
  return begin(state, command);
}

const MANY_WAIT = refuse(ERROR.conflict, 'many redemptions wait already: use or cancel one first');

function refuseReserve(state: UserState, quantity: number): Refusal | null {
  const { kind } = state.me;
  if (kind !== 'civilian' && kind !== 'family' && kind !== 'charity')
    return refuse(ERROR.forbidden, 'this kind of account does not redeem');
  if (quantity < 1) return refuse(ERROR.invalid, 'a redemption is of one unit at least');
  const begun = [...state.underWay.values()].filter(({ name }) => name === 'redeem.reserve');
  return state.spending.open.length + begun.length >= ACTOR_LIMITS.redemptionsOpen ? MANY_WAIT : null;
}

/** The offer holds it, or not; what one unit costs is a rule. */
export function offerHeld(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  if (!result.ok) return refuseUnlessReserved(state, command, result, turn);
  const { merchant, title, kind: offerKind, points: price, perUserMax } = result.value as Held;
  const { redemption } = command.reserving!;
  const input = { price, quantity: redemption.quantity, offerKind, payerKind: state.me.kind, merchant };
  const place = { account: merchant };
  turn.query({ type: 'score', kind: 'redemption.price', input, place }, `${command.key}/price`);
  const reserving = { ...command.reserving!, redemption: { ...redemption, merchant, title }, perUserMax };
  return begin(state, { ...command, reserving });
}

/** The rules said what it costs; frozen with it, whatever they say later. */
export function priced(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  rules: MeetRules,
  turn: Turn,
): UserState {
  if (!result.ok) return giveUp(state, command, result, turn);
  const { points: each, rule, refusal } = result.value as QueryAnswers['score'];
  if (refusal !== undefined)
    return refuseUnlessReserved(state, command, refuse(ERROR.forbidden, refusal), turn);
  const { redemption } = command.reserving!;
  const points = (each.payer ?? 0) * redemption.quantity;
  if (points < 1) return refuseUnlessReserved(state, command, NO_PRICE, turn);
  if (points > spendablePoints(state, turn.nowMs))
    return refuseUnlessReserved(state, command, NOT_ENOUGH, turn);
  if (command.reserving!.isDry) {
    const preview: RedeemPreview = {
      points,
      balance: spendablePoints(state, turn.nowMs) - points,
      title: redemption.title,
      merchant: redemption.merchant,
      rule: { id: rule.id, version: rule.version },
    };
    return giveUp(state, command, ok(preview), turn);
  }
  const code = redeemCode(turn.random32(), turn.random32());
  const wanted = { ...redemption, points, code, rule };
  const reserving = { ...command.reserving!, redemption: wanted, tries: 1, isTimed: true };
  return setPointsAside(state, { ...command, points, reserving }, rules, turn);
}

const NO_PRICE = refuse(ERROR.conflict, 'no rule says what this costs');

/** Together with the timer: from the moment that anything is set aside there is something that ends it. */
function setPointsAside(state: UserState, command: CommandUnderWay, rules: MeetRules, turn: Turn): UserState {
  const { redemption, perUserMax } = command.reserving!;
  const { id, user, merchant, offer, quantity, points, code, rule } = redemption;
  const op: PendingOp = {
    type: 'pending',
    id,
    reason: REDEMPTION,
    payer: user,
    payee: merchant,
    points,
    holdS: rules.redeemS,
    stock: { offer, quantity, perUserMax, code },
    timer: turn.timerOp(REDEEM_TIMER + id, rules.redeemS * 1_000 + ACTOR_LIMITS.redeemLateMs, {}),
    rule,
    idempotency: null,
  };
  turn.persist(op, command.key);
  return begin(state, command);
}

/** The store has set it aside, or not. */
export function pointsSetAside(
  state: UserState,
  command: CommandUnderWay,
  committed: Committed,
  rules: MeetRules,
  turn: Turn,
): UserState {
  const { redemption, tries } = command.reserving!;
  switch (committed.code) {
    case 'created': {
      const expiresAtMs = committed.atMs + rules.redeemS * 1_000;
      return reserved(state, command, { ...redemption, expiresAtMs }, turn);
    }
    case 'exists':
    case 'exists_with_different_payload':
      // by an earlier life of this actor: what it set aside stands
      turn.query({ type: 'redemption', id: redemption.id }, `${command.key}/known`);
      return begin(state, command);
    case 'code_taken':
      if (tries < ACTOR_LIMITS.codeTries) {
        const code = redeemCode(turn.random32(), turn.random32());
        const reserving = { ...command.reserving!, redemption: { ...redemption, code }, tries: tries + 1 };
        return setPointsAside(state, { ...command, reserving }, rules, turn);
      }
      return giveUp(state, command, refuse(ERROR.unavailable, 'no code is free, try again', 1_000), turn);
    case 'out_of_stock':
      return giveUp(state, command, SOLD_OUT, turn, true);
    case 'offer_limit_exceeded':
      return giveUp(state, command, TOO_MANY, turn, true);
    case 'limit_exceeded':
      return giveUp(state, command, OVER_LIMIT, turn);
    case 'offer_closed':
      return giveUp(state, command, refuse(ERROR.gone, 'this offer is over'), turn, true);
    case 'insufficient_points':
      return giveUp(state, command, NOT_ENOUGH, turn);
    case 'account_unknown':
    case 'account_closed':
      return giveUp(state, command, refuse(ERROR.gone, 'an account of this redemption is closed'), turn);
    default:
      return giveUp(state, command, refuse(ERROR.internal, 'the points could not be set aside'), turn);
  }
}

/** Nothing is set aside. `isOff`: the store knows better than the actor of the offer what is left. */
function giveUp(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
  isOff = false,
): UserState {
  const { redemption, isTimed, isDry } = command.reserving!;
  const { id: redemptionId, offer, merchant } = redemption;
  const letGo: OfferMessage = { type: 'letGo', redemptionId, isOff };
  // only who held it has said whose it is
  if (merchant !== '') turn.tell({ kind: 'offer', id: offer }, letGo);
  if (isTimed) turn.cancelDurableTimer(REDEEM_TIMER + redemptionId);
  if (isDry) return conclude(state, command, result, turn);
  return finishMarket(state, { ...command, points: 0 }, result, false, turn);
}

/**
 * The store has it, and does not say what became of it: what waits is read until it is known, the points are not spent
 * meanwhile, and the timer stays, for it ends what nobody asks for again.
 */
function leaveInDoubt(state: UserState, command: CommandUnderWay, turn: Turn): UserState {
  const { id: redemptionId, offer, points } = command.reserving!.redemption;
  const letGo: OfferMessage = { type: 'letGo', redemptionId, isOff: true };
  turn.tell({ kind: 'offer', id: offer }, letGo);
  const { spending } = state;
  const next = { ...state, spending: { ...spending, unread: spending.unread + points } };
  readMine(next, turn);
  return finishMarket(next, { ...command, points: 0 }, IN_DOUBT, false, turn);
}

/** Refuses, unless an earlier life of this actor has set it aside already: then that is the answer. */
function refuseUnlessReserved(
  state: UserState,
  command: CommandUnderWay,
  refusal: Refusal,
  turn: Turn,
): UserState {
  if (refusal.retryable || command.reserving!.isDry) return giveUp(state, command, refusal, turn);
  turn.query({ type: 'redemption', id: command.reserving!.redemption.id }, `${command.key}/known`);
  return begin(state, { ...command, points: 0, refusal });
}

/** The store said what it knows of the redemption that a command is about. */
export function redemptionKnown(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  const { redemption, isTimed } = command.reserving!;
  // a try that stored its timer comes here because the store has a redemption of this id
  const unread = (refusal: Refusal): UserState =>
    isTimed ? leaveInDoubt(state, command, turn) : giveUp(state, command, refusal, turn);
  if (!result.ok) return unread(result);
  const view = result.value as QueryAnswers['redemption'];
  if (!view) return unread(command.refusal ?? IN_DOUBT);
  const known = redemptionOf(view);
  const isTheSame = view.offer === redemption.offer && view.quantity === redemption.quantity;
  if (isTheSame && view.state !== 'reserved') {
    const letGo: OfferMessage = { type: 'letGo', redemptionId: known.id, isOff: true };
    turn.tell({ kind: 'offer', id: known.offer }, letGo);
    return finishMarket(state, { ...command, points: 0 }, reservedResult(known), false, turn);
  }
  // the timer of this try would come later than that of the first one
  const leftMs = known.expiresAtMs - turn.nowMs + ACTOR_LIMITS.redeemLateMs;
  if (isTimed) turn.durableTimer(REDEEM_TIMER + known.id, leftMs, {});
  if (!isTheSame) return giveUp(state, untimed(command), KEY_CONFLICT, turn);
  return reserved(state, command, known, turn);
}

/** The timer is of what another try has set aside: it stays. */
const untimed = (command: CommandUnderWay): CommandUnderWay => ({
  ...command,
  reserving: { ...command.reserving!, isTimed: false },
});

const reservedResult = ({ id, merchant, code, points, expiresAtMs }: Redemption): Result<unknown> =>
  ok({
    redemptionId: id,
    code,
    qr: redeemText(merchant, code),
    points,
    expiresS: seconds(expiresAtMs),
  });

/** It is durable: the phone is answered, offer and merchant are told until they have heard. */
function reserved(state: UserState, command: CommandUnderWay, redemption: Redemption, turn: Turn): UserState {
  const { id, merchant, quantity, points } = redemption;
  const done = finishMarket(state, command, reservedResult(redemption), false, turn);
  const told = tellOffer(opened(done, redemption), redemption, { type: 'reserved', redemptionId: id }, turn);
  const message: UserMessage = { type: 'redemptionOpened', redemption };
  const what: Telling = { to: { kind: 'user', id: merchant }, message };
  const crediting = insist(told.crediting, `${id}/opened`, what, turn);
  // the points are set aside whether or not this person's other phones are told
  turn.release();
  return redemptionChanged({ ...told, crediting }, redemption, { state: 'reserved', quantity, points }, turn);
}
