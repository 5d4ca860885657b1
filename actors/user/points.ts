/**
 * Points of a user: what came by encounters, what came from others, what is given away. The actor alone authorises what
 * leaves the account: it gives only what is there and not already on its way out. The store checks again, as the last
 * line of defence, and its versions tell what was counted before and in which order (`stream.ts`).
 */
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import type { Committed, RuleRef, TransferOp } from '../durable.ts';
import { FEE } from '../fees.ts';
import { insist, type Telling } from '../insist.ts';
import type { CreditView, Given, HeldView, SettledView, UserMessage } from '../messages/user.ts';
import type { Turn } from '../turn.ts';
import { begin, finish, KEY_CONFLICT, remember, underWay } from './commands.ts';
import { earned } from './earning.ts';
import { giveBackOnTop } from './gifts.ts';
import { verifyPlace } from './place.ts';
import { promote, promoted } from './promotion.ts';
import { checkMine } from './redeemed.ts';
import { setAside } from './redemption.ts';
import { unripePoints } from './ripening.ts';
import type { CommandUnderWay, UserState } from './state.ts';
import { emit, moved, newest } from './stream.ts';

const GIVE = 'give';
const GIVE_RULE: RuleRef = { id: GIVE, version: 1 };

/** Both phones hear of it once; whoever tells it is answered when what comes on top of it is durable, too. */
export function settled(state: UserState, view: SettledView, turn: Turn): UserState {
  const { encounterId, method, otherHandle, points, balance, balanceVersion, atMs } = view;
  const movement = { transferId: encounterId, version: balanceVersion, delta: points, balance, atMs };
  const told = moved(state, { ...movement, reason: 'encounter', method, otherHandle }, turn);
  return promote(earned(told, encounterId), view, turn);
}

/** The phones hear that an operator looks at it first; never why. */
export function held(state: UserState, view: HeldView, turn: Turn): UserState {
  turn.reply(ok({}));
  const { encounterId, method, otherHandle, atMs } = view;
  const body = { encounterId, method, otherHandle, atS: Math.floor(atMs / 1_000) };
  const before = state.outbox.now;
  const told = emit(state, turn, 'encounter.held', body, encounterId);
  if (told.outbox.now !== before) verifyPlace(state, encounterId, atMs, turn);
  return told;
}

/** An operator has rejected a meeting that was held. */
export function rejected(state: UserState, encounterId: string, turn: Turn): UserState {
  turn.reply(ok({}));
  return emit(state, turn, 'encounter.rejected', { encounterId }, encounterId);
}

/** Somebody else's actor moved points of this account; told until it is answered. */
export function credited(state: UserState, credit: CreditView, turn: Turn): UserState {
  turn.reply(ok({}));
  if (credit.reason === 'redemption' && credit.points < 0) checkMine(state, turn);
  return changed(state, credit, turn);
}

/** What came on top of a meeting is durable. */
export function promotionGiven(
  state: UserState,
  encounterId: string,
  committed: Committed,
  turn: Turn,
): UserState {
  const { state: next, credit } = promoted(state, encounterId, committed, turn);
  return credit ? changed(next, credit, turn) : next;
}

/** The phone hears once of points that moved otherwise than by an encounter. */
export function changed(state: UserState, view: CreditView, turn: Turn): UserState {
  const { transferId, points: delta, balance, balanceVersion: version, reason } = view;
  const atMs = turn.nowMs;
  const movement = { transferId, version, delta, balance, reason, method: null, otherHandle: '', atMs };
  return moved(state, movement, turn);
}

/** What may leave the account now: neither what is set aside nor what is on its way out. */
export const availablePoints = (state: UserState): number =>
  [...state.underWay.values()].reduce(
    (rest, command) => rest - command.points,
    newest(state).balance - setAside(state.spending) - (state.aging.taking?.points ?? 0),
  );

/** What may be spent of it: not what was earned a moment ago, where that must wait. */
export const spendablePoints = (state: UserState, nowMs: number): number =>
  availablePoints(state) - unripePoints(state, nowMs);

/** Repeats have been dealt with. */
export function give(state: UserState, message: UserMessage & { type: 'give' }, turn: Turn): UserState {
  const refusal = refuseGive(state, message, turn.nowMs);
  if (refusal) {
    turn.reply(refusal);
    return remember(state, message, refusal);
  }
  const { to, points, key, requestHash } = message;
  const me = state.me.id;
  const op: TransferOp = {
    type: 'transfer',
    id: derivedId(GIVE, me, key),
    reason: GIVE,
    legs: [
      { account: me, delta: -points },
      { account: to, delta: points },
    ],
    rule: GIVE_RULE,
    idempotency: { userId: me, key, requestHash },
  };
  turn.persist(op, key);
  return begin(state, underWay(message, turn, GIVE, { otherId: to, points }));
}

function refuseGive(
  state: UserState,
  { to, points }: UserMessage & { type: 'give' },
  nowMs: number,
): Refusal | null {
  if (!Number.isSafeInteger(points) || points <= 0)
    return refuse(ERROR.invalid, 'points are whole and positive');
  if (to === state.me.id) return refuse(ERROR.invalid, 'a gift to oneself');
  return points > spendablePoints(state, nowMs) ? NOT_ENOUGH : null;
}

export const OVER_LIMIT = refuse(ERROR.conflict, 'more than this account may spend at once, or in a day');

export const NOT_ENOUGH = refuse(ERROR.conflict, 'not enough points');

/** The store has decided. Whoever got points is told until he has heard it. */
export function given(
  state: UserState,
  command: CommandUnderWay,
  committed: Committed,
  turn: Turn,
): UserState {
  giveBackOnTop(command, committed.code, turn);
  const result = givenResult(state, command, committed);
  const answered = forgetGiven(finish(state, command, result, turn));
  const reason = command.gift?.reason ?? command.name;
  const transferId = committed.id;
  const credits = committed.postings.map(({ account, delta: points, balance, version: balanceVersion }) => ({
    account,
    credit: { transferId, points, balance, balanceVersion, reason } satisfies CreditView,
  }));
  const mine = credits.find(({ account }) => account === state.me.id);
  if (!result.ok || !mine) return answered;
  let { crediting } = answered;
  for (const { account, credit } of credits) {
    if (account === state.me.id) continue;
    const message: UserMessage = { type: 'credited', credit };
    const what: Telling = { to: { kind: 'user', id: account }, message };
    // one entry may give to many
    crediting = insist(crediting, `${transferId} ${account}`, what, turn);
  }
  return changed({ ...answered, crediting }, mine.credit, turn);
}

/** Once nothing is on its way any more the ledger knows all of it. */
const forgetGiven = (state: UserState): UserState =>
  state.gave.length > 0 && ![...state.underWay.values()].some(one => one.gift !== null)
    ? { ...state, gave: [] }
    : state;

export const PAID = refuse(ERROR.conflict, 'it was paid already');

function givenResult(state: UserState, command: CommandUnderWay, committed: Committed): Result<Given> {
  switch (committed.code) {
    case 'created':
    case 'exists': {
      const mine = committed.postings.find(posting => posting.account === state.me.id);
      if (!mine) return refuse(ERROR.internal, 'the stored gift lacks a side');
      return ok({ transferId: committed.id, points: mine.delta, balance: mine.balance });
    }
    case 'insufficient_points':
      return NOT_ENOUGH;
    case 'account_unknown':
    case 'account_closed':
      return refuse(ERROR.gone, 'an account of this gift is closed');
    case 'limit_exceeded':
      return OVER_LIMIT;
    case 'exists_with_different_payload':
      // the id of a payment follows from what is paid, any other from the key
      return command.gift?.reason === FEE ? PAID : KEY_CONFLICT;
    case 'idempotency_conflict':
      return KEY_CONFLICT;
    default:
      return refuse(ERROR.internal, 'the points could not be given');
  }
}
