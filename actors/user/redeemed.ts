/**
 * How a redemption ends, on the side of who pays: paid at the till or refused there, given up by the phone, or its time is
 * over. The store decides who was first. Whoever ended it tells the other actors; an actor that was told nothing asks the
 * store what became of it, at the latest when the timer comes.
 */
import type { CommandBody } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { answerAll, withAsker } from '../askers.ts';
import type { Committed, VoidOp } from '../durable.ts';
import { insist, type Telling } from '../insist.ts';
import type { UserMessage } from '../messages/user.ts';
import type { QueryAnswers, RedemptionView } from '../queries.ts';
import type { SystemMessage, Turn } from '../turn.ts';
import { withOne, without } from '../waiting.ts';
import { begin, finishMarket, underWay, whenRead } from './commands.ts';
import { type Ending, type Redemption, redemptionOf } from './redemption.ts';
import { closed, opened, redemptionChanged, tellOffer } from './spending.ts';
import { type CommandUnderWay, type Order, REDEEM_TIMER, type UserState } from './state.ts';
import { gapRead, moved, readMovements } from './stream.ts';

/** Tags of reads and commits that belong to no command. */
const MINE = 'mine';
const CHECK = 'mine/check';
const LEARN = 'learn/';
/** It is paid: what moved is read, and then it is asked again. */
const PAID_MOVED = 'paid/moved/';
const PAID_LEARN = 'paid/learn/';
const OVER = 'over/';
export const isRedemptionTag = (tag: string): boolean =>
  tag === MINE || tag === CHECK || [LEARN, PAID_MOVED, PAID_LEARN, OVER].some(one => tag.startsWith(one));

const VOID_RULE = { id: 'redemption.price', version: 1 };
/** What is set aside is read again after so long, when it could not be. */
const READ_AGAIN_MS = 1_000;

export const PAID = refuse(ERROR.conflict, 'this redemption is paid already');
export const EXPIRED = refuse(
  ERROR.gone,
  'the time of this redemption is over: points and stock are free again',
);
export const CANCELLED = refuse(ERROR.gone, 'this redemption was cancelled: points and stock are free again');
export const NO_REDEMPTION = refuse(ERROR.notFound, 'no such redemption');

export const voidOf = (
  { id, user: payer }: Pick<Redemption, 'id' | 'user'>,
  verdict: VoidOp['verdict'],
): VoidOp => ({ type: 'void', id, payer, verdict, rule: VOID_RULE, idempotency: null });

/** A new life of the actor, or the store was away: for what the points are set aside is read, and what became of the rest. */
export function readMine({ me, spending }: UserState, turn: Turn): void {
  if (spending.unread > 0) turn.query({ type: 'myRedemptions', user: me.id }, MINE);
  for (const id of spending.ending.keys()) learn(id, turn);
}

/** Points left for a redemption of which nobody told: what is still set aside is read. */
export function checkMine({ me, spending }: UserState, turn: Turn): void {
  if (spending.open.length > 0) turn.query({ type: 'myRedemptions', user: me.id }, CHECK);
}

export function cancel(state: UserState, message: Order, turn: Turn): UserState {
  const { redemptionId } = message.body as CommandBody<'redeem.cancel'>;
  const command = underWay(message, turn, 'redeem.cancel', {});
  const open = state.spending.open.find(({ id }) => id === redemptionId);
  if (open) return cancelOpen(state, command, open, turn);
  turn.query({ type: 'redemption', id: redemptionId }, `${command.key}/known`);
  return begin(state, command);
}

function cancelOpen(
  state: UserState,
  command: CommandUnderWay,
  redemption: Redemption,
  turn: Turn,
): UserState {
  turn.persist(voidOf(redemption, 'voided'), command.key);
  return begin(state, { ...command, reserving: { redemption, perUserMax: 0, tries: 0, isTimed: true } });
}

/** The store said what became of a redemption that is not known here. */
export const cancelKnown = whenRead((state, command, view: QueryAnswers['redemption'], turn) => {
  if (view?.user !== state.me.id) return finishMarket(state, command, NO_REDEMPTION, false, turn);
  if (view.state === 'reserved') return cancelOpen(state, command, redemptionOf(view), turn);
  return finishMarket(state, command, cancelledAs(view), view.state === 'cancelled', turn);
});

/** Given up once more is given up. */
const cancelledAs = ({ state, points }: RedemptionView): Result<unknown> =>
  state === 'confirmed' ? PAID : state === 'expired' ? EXPIRED : ok({ points });

/** The store has decided. */
export function cancelled(
  state: UserState,
  command: CommandUnderWay,
  { code }: Committed,
  turn: Turn,
): UserState {
  const { redemption } = command.reserving!;
  switch (code) {
    case 'created':
    case 'exists': {
      const { points } = redemption;
      const done = finishMarket(state, command, ok({ points }), true, turn);
      return gaveBack(done, redemption, 'cancelled', turn);
    }
    case 'pending_already_posted':
      learn(redemption.id, turn);
      return finishMarket(state, command, PAID, false, turn);
    case 'pending_already_voided':
    case 'pending_expired':
      learn(redemption.id, turn);
      return finishMarket(state, command, EXPIRED, false, turn);
    case 'pending_not_found':
      return finishMarket(state, command, NO_REDEMPTION, false, turn);
    default:
      return finishMarket(state, command, refuse(ERROR.internal, 'it could not be cancelled'), false, turn);
  }
}

/** Points and stock are free again, and this side says so. */
function gaveBack(
  state: UserState,
  redemption: Redemption,
  verdict: 'cancelled' | 'expired',
  turn: Turn,
): UserState {
  const { id, merchant } = redemption;
  const told = tellOffer(state, redemption, { type: 'settled', redemptionId: id, sold: 0 }, turn);
  const message: UserMessage = { type: 'redemptionClosed', redemption, state: verdict };
  const what: Telling = { to: { kind: 'user', id: merchant }, message };
  const crediting = insist(told.crediting, `${id}/closed`, what, turn);
  const { quantity, points } = redemption;
  return ended({ ...told, crediting }, redemption, { state: verdict, quantity, points }, turn);
}

function ended(state: UserState, redemption: Redemption, ending: Ending, turn: Turn): UserState {
  turn.cancelDurableTimer(REDEEM_TIMER + redemption.id);
  return redemptionChanged(closed(state, redemption.id), redemption, ending, turn);
}

const UNTOLD = refuse(ERROR.unavailable, 'that it was paid is not known here yet, tell it again');

/** As far as is known here it still waits. */
const isUntold = ({ spending: { open, over, ending } }: UserState, redemptionId: string): boolean =>
  open.some(({ id }) => id === redemptionId) || (ending.has(redemptionId) && !over.includes(redemptionId));

/** The merchant says what became of it: paid, refused or refunded. */
export function redemptionSettled(
  state: UserState,
  { redemption, ending, movement }: UserMessage & { type: 'redemptionSettled' },
  turn: Turn,
): UserState {
  const next = movement ? moved(state, movement, turn) : state;
  if (ending.state === 'refunded' && isUntold(state, redemption.id)) {
    // who was to tell that it was paid died before: the phones hear that first
    learn(redemption.id, turn);
    turn.reply(UNTOLD);
    return next;
  }
  turn.reply(ok({}));
  if (ending.state !== 'refunded') return ended(next, redemption, ending, turn);
  const what = `${redemption.id}/${movement?.transferId}`;
  return redemptionChanged(next, redemption, ending, turn, what);
}

/** The time of a redemption is over. Answered when it is known what became of it. */
export function redeemDue(state: UserState, message: SystemMessage & { type: 'due' }, turn: Turn): UserState {
  const id = message.name.slice(REDEEM_TIMER.length);
  if ([...state.underWay.values()].some(({ reserving }) => reserving?.redemption.id === id)) {
    turn.reply(refuse(ERROR.unavailable, 'it is being decided'));
    return state;
  }
  const { spending } = state;
  const askers = withAsker(spending.ending.get(id) ?? [], turn.replyTo);
  turn.persist(voidOf({ id, user: state.me.id }, 'expired'), OVER + id);
  return { ...state, spending: { ...spending, ending: withOne(spending.ending, id, askers) } };
}

/** Whatever the store said: what it has now is what counts. */
export function redemptionOver(state: UserState, tag: string, turn: Turn): UserState {
  learn(tag.slice(OVER.length), turn);
  return state;
}

const learn = (id: string, turn: Turn, tag = LEARN): void => turn.query({ type: 'redemption', id }, tag + id);

/** The store said what became of redemptions. */
export function redemptionsRead(
  state: UserState,
  tag: string,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  if (tag.startsWith(LEARN)) return learntFirst(state, tag.slice(LEARN.length), result, turn);
  if (tag.startsWith(PAID_LEARN)) return learnt(state, tag.slice(PAID_LEARN.length), result, turn);
  if (tag.startsWith(PAID_MOVED)) return paidMoved(state, tag.slice(PAID_MOVED.length), result, turn);
  if (!result.ok) {
    readAgain(turn);
    return tag === CHECK ? asking(state) : state;
  }
  const views = result.value as QueryAnswers['myRedemptions'];
  if (tag === CHECK) {
    for (const { id } of state.spending.open) if (!views.some(one => one.id === id)) learn(id, turn);
    return state;
  }
  let next: UserState = { ...state, spending: { ...state.spending, unread: 0 } };
  for (const view of views) next = opened(next, redemptionOf(view));
  return next;
}

/** What becomes of each that is open is asked when reading goes on. */
const asking = (state: UserState): UserState => {
  const { spending } = state;
  const ending = spending.open.reduce((all, { id }) => withOne(all, id, all.get(id) ?? []), spending.ending);
  return { ...state, spending: { ...spending, ending } };
};

const readAgain = (turn: Turn): void =>
  turn.timer(MINE, READ_AGAIN_MS, { type: 'redemptionsRead' } satisfies UserMessage);

/** What was paid stays set aside until it is known here that it has left, or it would be spent twice. */
function learntFirst(state: UserState, id: string, result: Result<unknown>, turn: Turn): UserState {
  const isPaid = result.ok && (result.value as QueryAnswers['redemption'])?.state === 'confirmed';
  if (!isPaid) return learnt(state, id, result, turn);
  readMovements(state, turn, PAID_MOVED + id);
  const { spending } = state;
  const ending = withOne(spending.ending, id, spending.ending.get(id) ?? []);
  return { ...state, spending: { ...spending, ending } };
}

function paidMoved(state: UserState, id: string, result: Result<unknown>, turn: Turn): UserState {
  if (result.ok) learn(id, turn, PAID_LEARN);
  else readAgain(turn);
  return gapRead(state, result, turn);
}

function learnt(state: UserState, id: string, result: Result<unknown>, turn: Turn): UserState {
  const { spending } = state;
  const view = result.ok ? (result.value as QueryAnswers['redemption']) : null;
  const askers = spending.ending.get(id) ?? [];
  // read before the store was told that its time is over: the timer stays until it is known that it is
  const isEarly = view?.state === 'reserved' && askers.length > 0;
  if (!isEarly) answerAll(askers, result.ok ? ok({}) : result, turn);
  if (!result.ok) readAgain(turn);
  const ending = result.ok ? without(spending.ending, id) : withOne(spending.ending, id, []);
  const next = isEarly ? state : { ...state, spending: { ...spending, ending } };
  if (view?.user !== state.me.id) return next;
  const redemption = redemptionOf(view);
  switch (view.state) {
    case 'reserved':
      // where all that is set aside is still to be read its points are counted already
      return spending.unread > 0 ? next : opened(next, redemption);
    case 'confirmed': {
      // the till that was to tell may be gone
      const sold = { type: 'settled', redemptionId: id, sold: view.sold.quantity } as const;
      const told = tellOffer(next, redemption, sold, turn);
      return ended(told, redemption, { state: view.state, ...view.sold }, turn);
    }
    default:
      return gaveBack(next, redemption, view.state, turn);
  }
}
