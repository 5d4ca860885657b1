/**
 * Points of a user: what came by encounters, what came from others, what is given away. The actor alone authorises what
 * leaves the account: it gives only what is there and not already on its way out. The store checks again, as the last
 * line of defence, and its versions tell what was counted before.
 */
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import type { Committed, RuleRef, TransferOp } from '../durable.ts';
import { insist } from '../insist.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { CreditView, Given, SettledView, UserMessage } from '../messages/user.ts';
import type { Turn } from '../turn.ts';
import { begin, finish, remember, repeat } from './commands.ts';
import { count, isCounted } from './counted.ts';
import { underWay } from './hey.ts';
import { emit, seconds } from './sessions.ts';
import type { CommandUnderWay, UserState } from './state.ts';

/** Short positive words after a meeting (DOMAIN rule 12). */
const KIND_WORDS = [
  'Nice to meet you!',
  'That hello made the day.',
  'A good street starts with a hey.',
  'Thanks for saying hello.',
  'Community, one hello at a time.',
] as const;

const GIVE = 'give';
const GIVE_RULE: RuleRef = { id: GIVE, version: 1 };

/** The state after a movement that is told for the first time; a balance never goes back to an older version. */
function moved(state: UserState, balance: number, version: number): UserState {
  const newer = version > state.balanceVersion;
  return {
    ...state,
    balance: newer ? balance : state.balance,
    balanceVersion: newer ? version : state.balanceVersion,
    counted: count(state.counted, version),
  };
}

/** Both phones hear of it once. */
export function settled(state: UserState, view: SettledView, turn: Turn): UserState {
  turn.reply(ok({}));
  if (isCounted(state.counted, view.balanceVersion)) return state;
  const { encounterId, method, otherHandle, points, atMs } = view;
  const next: UserState = {
    ...moved(state, view.balance, view.balanceVersion),
    encounterCount: state.encounterCount + 1,
    encounters: [{ id: encounterId, method, otherHandle, points, atMs }, ...state.encounters].slice(
      0,
      ACTOR_LIMITS.encounters,
    ),
  };
  return emit(next, turn, 'encounter.completed', {
    encounterId,
    method,
    otherHandle,
    points,
    atS: seconds(atMs),
    balance: next.balance,
    balanceVersion: next.balanceVersion,
    message: KIND_WORDS[turn.random32() % KIND_WORDS.length] as string,
  });
}

export function credited(state: UserState, credit: CreditView, turn: Turn): UserState {
  turn.reply(ok({}));
  return changed(state, credit, turn);
}

/** The phone hears once of points that moved otherwise than by an encounter. */
function changed(state: UserState, view: CreditView, turn: Turn): UserState {
  const { transferId, points, balance, balanceVersion, reason } = view;
  if (isCounted(state.counted, balanceVersion)) return state;
  const next = moved(state, balance, balanceVersion);
  return emit(next, turn, 'points.changed', {
    transferId,
    delta: points,
    balance: next.balance,
    balanceVersion: next.balanceVersion,
    reason,
  });
}

/** What may leave the account now: what is on its way out is not there any more. */
const availablePoints = (state: UserState): number =>
  Object.values(state.underWay).reduce((rest, command) => rest - command.points, state.balance);

export function give(state: UserState, message: UserMessage & { type: 'give' }, turn: Turn): UserState {
  const repeated = repeat(state, message, turn);
  if (repeated) return repeated;
  const refusal = refuseGive(state, message);
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

function refuseGive(state: UserState, { to, points }: UserMessage & { type: 'give' }): Refusal | null {
  if (!Number.isSafeInteger(points) || points <= 0)
    return refuse(ERROR.invalid, 'points are whole and positive');
  if (to === state.me.id) return refuse(ERROR.invalid, 'a gift to oneself');
  return points > availablePoints(state) ? NOT_ENOUGH : null;
}

const NOT_ENOUGH = refuse(ERROR.conflict, 'not enough points');

/** The store has decided. */
export function given(
  state: UserState,
  command: CommandUnderWay,
  committed: Committed,
  turn: Turn,
): UserState {
  const result = givenResult(state, command, committed);
  const answered = finish(state, command, result, turn);
  const [mine, theirs] = sides(committed, state.me.id, command.otherId);
  if (!result.ok || !mine || !theirs) return answered;
  const credit: CreditView = {
    transferId: committed.id,
    points: theirs.delta,
    balance: theirs.balance,
    balanceVersion: theirs.version,
    reason: GIVE,
  };
  const heard: UserMessage = { type: 'credited', credit };
  const told: UserState = {
    ...answered,
    crediting: insist(answered.crediting, committed.id, { kind: 'user', id: command.otherId }, heard, turn),
  };
  const debit = { ...credit, points: mine.delta, balance: mine.balance, balanceVersion: mine.version };
  return changed(told, debit, turn);
}

const sides = ({ postings }: Committed, ...accounts: readonly string[]) =>
  accounts.map(account => postings.find(posting => posting.account === account));

function givenResult(state: UserState, command: CommandUnderWay, committed: Committed): Result<Given> {
  switch (committed.code) {
    case 'created':
    case 'exists': {
      const [mine] = sides(committed, state.me.id);
      if (!mine) return refuse(ERROR.internal, 'the stored gift lacks a side');
      return ok({ transferId: committed.id, points: -command.points, balance: mine.balance });
    }
    case 'insufficient_points':
      return NOT_ENOUGH;
    case 'account_unknown':
    case 'account_closed':
      return refuse(ERROR.gone, 'an account of this gift is closed');
    case 'exists_with_different_payload':
    case 'idempotency_conflict':
      return refuse(ERROR.conflict, 'this idempotency key was used for something else');
    default:
      return refuse(ERROR.internal, 'the points could not be given');
  }
}
