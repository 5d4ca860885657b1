/**
 * Points whose time is over, where a town says that they have one (`PointsLife`, off by default: then nothing is asked, set or
 * written). How old points are follows from the postings (`lots.ts`). They leave the account by an entry of their own, made by
 * the person's own actor, because nobody else may take any from it.
 *
 * One durable timer for each account leads to the next day on which something is gone. Its id follows from account and day, so
 * whoever dies, it is taken once: what was taken is not there when the ledger is asked again. Ledger and actor must be of
 * one mind when the points are taken: while anything is on its way out, or the ledger knows of a movement that was not told here,
 * the timer is sent back and comes again. Points that are set aside are never taken.
 *
 * In the person's favour: nothing is gone before its whole days are over, nor on the days on which the town could not be asked;
 * and where there was no timer yet, as when the town has just begun with this, the first one leaves time to spend.
 */
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { answerAll, withAsker } from '../askers.ts';
import { type Committed, EXPIRED_ACCOUNT, type TransferOp } from '../durable.ts';
import type { Balance } from '../messages/user.ts';
import type { QueryAnswers } from '../queries.ts';
import type { MeetRules, PointsLife } from '../rules.ts';
import type { SystemMessage, Turn } from '../turn.ts';
import { type Aging, EXPIRY_TIMER } from './aging.ts';
import { expiredWith, goneWith, type Lot, nextToGo } from './lots.ts';
import { availablePoints, changed } from './points.ts';
import { unripePoints } from './ripening.ts';
import type { UserState } from './state.ts';
import { newest, readMovements } from './stream.ts';

/** Why points move, in the ledger. */
export const EXPIRY = 'expiry';
/** The number of this rule is its version: so many days points live. Every entry says by itself why it was made. */
const RULE = 'points.life';
const DAY_MS = 86_400_000;

/** Tags of reads and commits that belong to no command. */
const LOOK = 'expiry/look';
const DUE = 'expiry/due';
const SAY = 'expiry/say';
const TAKE = 'expiry/take';
export const isExpiryTag = (tag: string): boolean => tag.startsWith('expiry/');

/** Whether points of this account expire: of people, not of those to whom points are given or paid. */
const ages = ({ me }: UserState, { expireMs }: PointsLife): boolean =>
  expireMs > 0 && (me.kind === 'civilian' || me.kind === 'officer');

const stepOf = (atMs: number, { stepMs }: PointsLife): number => Math.floor(atMs / stepMs);
const lifeSteps = ({ expireMs, stepMs }: PointsLife): number => Math.ceil(expireMs / stepMs);
const withAging = (state: UserState, change: Partial<Aging>): UserState => ({
  ...state,
  aging: { ...state.aging, ...change },
});

const askLedger = ({ me }: UserState, { stepMs }: PointsLife, tag: string, turn: Turn): void =>
  turn.query({ type: 'unspent', account: me.id, stepMs }, tag);

/** After every message: there are points, and no timer leads to the day on which they are gone. */
export function watchAge(state: UserState, { life }: MeetRules, turn: Turn): UserState {
  const { dueAtMs, lifeMs, lookedAt } = state.aging;
  const { balance, balanceVersion } = state.outbox.now;
  if (balance <= 0 || balanceVersion <= lookedAt || !ages(state, life)) return state;
  if (dueAtMs > 0 && lifeMs === life.expireMs) return state;
  askLedger(state, life, LOOK, turn);
  return withAging(state, { lookedAt: balanceVersion });
}

/** The timer is due. It is answered when everything that is gone was taken. */
export function expiryDue(
  state: UserState,
  { dueAtMs }: SystemMessage & { type: 'due' },
  { life }: MeetRules,
  turn: Turn,
): UserState {
  const { aging } = state;
  const isOurs = ages(state, life) && (aging.dueAtMs === 0 || aging.dueAtMs === dueAtMs);
  if (!isOurs) {
    turn.reply(ok({}));
    return aging.dueAtMs === dueAtMs ? withAging(state, { dueAtMs: 0 }) : state;
  }
  if (aging.due.length === 0) askLedger(state, life, DUE, turn);
  return withAging(state, { dueAtMs, lifeMs: life.expireMs, due: withAsker(aging.due, turn.replyTo) });
}

/** What is gone next is told with the balance. */
export function sayBalance(state: UserState, { life }: MeetRules, turn: Turn): UserState {
  if (!ages(state, life) || !turn.replyTo) {
    turn.reply(ok(balanceOf(state, turn.nowMs)));
    return state;
  }
  if (state.aging.asking.length === 0) askLedger(state, life, SAY, turn);
  return withAging(state, { asking: withAsker(state.aging.asking, turn.replyTo) });
}

const balanceOf = (state: UserState, nowMs: number): Balance => {
  const { balance, version } = newest(state);
  return { balance, version, ...(state.ripening && { inactive: unripePoints(state, nowMs) }) };
};

/** The ledger said what is left. */
export function unspentRead(
  state: UserState,
  tag: string,
  result: Result<unknown>,
  { life }: MeetRules,
  turn: Turn,
): UserState {
  const view = result.ok ? (result.value as QueryAnswers['unspent']) : null;
  if (tag === SAY) return said(state, view, life, turn);
  if (tag === LOOK) return view ? firstTimer(state, view.lots, life, turn) : state;
  if (!view) return sentBack(state, result.ok ? ok({}) : result, turn);
  const isOfOneMind =
    view.version === newest(state).version && view.balance - view.reserved === availablePoints(state);
  if (!isOfOneMind) {
    if (view.version > newest(state).version) readMovements(state, turn);
    return sentBack(state, BUSY, turn);
  }
  const cutOff = stepOf(state.aging.dueAtMs, life);
  const points = expiredWith(view.lots, cutOff, lifeSteps(life));
  const left = view.lots.filter(lot => goneWith(lot, lifeSteps(life)) > cutOff);
  if (points === 0) return goesOn(state, left, life, turn);
  const account = state.me.id;
  const op: TransferOp = {
    type: 'transfer',
    id: derivedId(EXPIRY, account, `${cutOff * life.stepMs}`),
    reason: EXPIRY,
    legs: [
      { account, delta: -points },
      { account: EXPIRED_ACCOUNT, delta: points },
    ],
    rule: { id: RULE, version: Math.max(1, Math.round(life.expireMs / DAY_MS)) },
    idempotency: null,
  };
  turn.persist(op, TAKE);
  return withAging(state, { taking: { points, left } });
}

const BUSY = refuse(ERROR.unavailable, 'points are on their way, try again', 1_000);

function sentBack(state: UserState, result: Result<unknown>, turn: Turn): UserState {
  answerAll(state.aging.due, result, turn);
  return withAging(state, { due: [] });
}

/** The store has decided. */
export function expiryTaken(
  state: UserState,
  committed: Committed,
  { life }: MeetRules,
  turn: Turn,
): UserState {
  const { taking, dueAtMs } = state.aging;
  if (!taking) return state;
  const free = withAging(state, { taking: null });
  const mine = committed.postings.find(({ account }) => account === state.me.id);
  if (!mine) {
    // closed, or more than it may lose in a day: what is left of it is looked for another day
    const isClosed = committed.code === 'account_closed' || committed.code === 'account_unknown';
    return isClosed ? ended(free, turn) : timerAt(free, nextDay(dueAtMs, life), life, turn, true);
  }
  const { delta: points, balance, version: balanceVersion } = mine;
  const credit = { transferId: committed.id, points, balance, balanceVersion, reason: EXPIRY };
  return goesOn(changed(free, credit, turn), taking.left, life, turn);
}

/** The next timer is stored before this one is answered. */
function goesOn(state: UserState, left: readonly Lot[], life: PointsLife, turn: Turn): UserState {
  const { dueAtMs } = state.aging;
  const next = nextToGo(left, stepOf(dueAtMs, life), lifeSteps(life));
  if (next) return timerAt(state, inStep(state, next.step, life), life, turn, true);
  // what is set aside may come back
  const mayComeBack = newest(state).balance > 0;
  return mayComeBack ? timerAt(state, nextDay(dueAtMs, life), life, turn, true) : ended(state, turn);
}

const ended = (state: UserState, turn: Turn): UserState =>
  sentBack(withAging(state, { dueAtMs: 0, lookedAt: newest(state).version }), ok({}), turn);

const nextDay = (atMs: number, { stepMs }: PointsLife): number => atMs + stepMs;

/** Not everybody at midnight: each account has its own time in the first quarter of a day. */
const inStep = ({ me }: UserState, step: number, { stepMs }: PointsLife): number =>
  step * stepMs + (Number.parseInt(me.id.slice(-8), 16) % Math.max(1, Math.floor(stepMs / 4)));

function timerAt(
  state: UserState,
  atMs: number,
  { expireMs: lifeMs }: PointsLife,
  turn: Turn,
  isAnswer = false,
): UserState {
  const dueAtMs = turn.durableTimer(EXPIRY_TIMER, Math.max(1_000, atMs - turn.nowMs), { lifeMs });
  const next = withAging(state, { dueAtMs, lifeMs });
  return isAnswer ? sentBack(next, ok({}), turn) : next;
}

/** There was none, or it counted with another life. */
function firstTimer(state: UserState, lots: readonly Lot[], life: PointsLife, turn: Turn): UserState {
  // it was delivered meanwhile
  if (state.aging.due.length > 0) return state;
  const [oldest] = lots;
  const today = stepOf(turn.nowMs, life);
  const step = oldest ? goneWith(oldest, lifeSteps(life)) : today + 1;
  const atMs = Math.max(inStep(state, step, life), turn.nowMs + life.graceMs);
  return timerAt(state, oldest ? atMs : nextDay(turn.nowMs, life), life, turn);
}

function said(state: UserState, view: QueryAnswers['unspent'], life: PointsLife, turn: Turn): UserState {
  const { dueAtMs, asking } = state.aging;
  const cutOff = stepOf(dueAtMs, life);
  const points = view && dueAtMs > 0 ? expiredWith(view.lots, cutOff, lifeSteps(life)) : 0;
  const later = view && dueAtMs > 0 ? nextToGo(view.lots, cutOff, lifeSteps(life)) : null;
  const expiring =
    points > 0
      ? { points, atMs: dueAtMs }
      : later && { points: later.points, atMs: inStep(state, later.step, life) };
  const balance: Balance = { ...balanceOf(state, turn.nowMs), ...(expiring && { expiring }) };
  answerAll(asking, ok(balance), turn);
  return withAging(state, { asking: [] });
}
