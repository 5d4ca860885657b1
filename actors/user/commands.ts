/**
 * Commands and their idempotency: the first answer to a key is remembered and given again; the same key with another
 * body is a conflict; a repeat that arrives while the first is under way joins it.
 *
 * The answer of a command that had an effect is stored with it, so that a repeat after a crash, or after many others, finds
 * it too (`keyed.ts`): by the ledger where points moved, else in the transaction of the timers and events of the same turn
 * (`AnswerOp`). One that had none (a refusal at first sight, a switch that stood so already) may be executed anew: it has no
 * effect then either, or it is the first time that it has one.
 */
import { ERROR, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { answerAll, IN_DOUBT, withAsker } from '../askers.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { UserMessage } from '../messages/user.ts';
import { owned } from '../owned.ts';
import type { QueryAnswers } from '../queries.ts';
import type { Turn } from '../turn.ts';
import { withOne, without } from '../waiting.ts';
import { doneOf } from './hydrated.ts';
import type { CommandUnderWay, UserState } from './state.ts';

type CommandMessage = UserMessage & { type: 'command' };

export const KEY_CONFLICT = refuse(ERROR.conflict, 'this idempotency key was used for something else');

/** Also when it has come from another node. */
export const isKeyConflict = ({ code, message }: Refusal): boolean =>
  code === KEY_CONFLICT.code && message === KEY_CONFLICT.message;

/** Answers a repeat. Returns the next state when the command is dealt with, null when it is new. */
export function repeat(
  state: UserState,
  message: Pick<CommandMessage, 'key' | 'requestHash'> & { readonly name?: string },
  turn: Turn,
): UserState | null {
  const { key, requestHash, name = 'give' } = message;
  if (key === null) return null;
  const done = state.done.find(key);
  if (done) {
    const same = done.requestHash === requestHash;
    if (same) turn.count('rt_command_dedup_total', { op: name });
    turn.reply(same ? done.result : KEY_CONFLICT);
    return state;
  }
  const underWay = state.underWay.get(key);
  if (!underWay) return null;
  if (underWay.requestHash !== requestHash) {
    turn.reply(KEY_CONFLICT);
    return state;
  }
  if (!turn.replyTo) return state;
  turn.count('rt_command_dedup_total', { op: name });
  return begin(state, { ...underWay, replyTo: withAsker(underWay.replyTo, turn.replyTo) });
}

/** The skeleton of a command that waits; each kind fills in what it needs. */
export function underWay(
  message: Pick<CommandMessage, 'key' | 'requestHash'>,
  turn: Turn,
  name: CommandUnderWay['name'],
  more: Partial<CommandUnderWay>,
): CommandUnderWay {
  return {
    name,
    key: message.key as string,
    requestHash: message.requestHash as string,
    replyTo: withAsker([], turn.replyTo),
    heyId: null,
    expiresAtMs: 0,
    tokenId: null,
    presenterDevice: 0,
    otherId: '',
    scannedAtMs: 0,
    points: 0,
    gift: null,
    settling: null,
    doubtful: false,
    refusal: null,
    reserving: null,
    handling: null,
    ...more,
  };
}

/** Keeps a command under way until its answer comes; one under the same key is replaced. */
export function begin(state: UserState, command: CommandUnderWay): UserState {
  return { ...state, underWay: withOne(state.underWay, command.key, command) };
}

/** Remembers the answer of a command with a key; passing failures are not remembered, so that a retry is tried anew. */
export function remember(
  state: UserState,
  { key, requestHash }: Pick<CommandMessage, 'key' | 'requestHash'>,
  result: Result<unknown>,
): UserState {
  if (key === null || requestHash === null || (!result.ok && result.retryable)) return state;
  return { ...state, done: state.done.with(owned({ key, requestHash, result })) };
}

/** Remembers it for good, with everything else that this turn makes durable. */
export function rememberForGood(
  state: UserState,
  command: Pick<CommandMessage, 'key' | 'requestHash'>,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  const { key, requestHash } = command;
  const next = remember(state, command, result);
  if (next === state || key === null || requestHash === null) return next;
  turn.persist({ type: 'answer', id: turn.newId(), user: state.me.id, key, requestHash, result }, '');
  return next;
}

/** Asks the pair to settle what this command proved. */
export function settle(state: UserState, command: CommandUnderWay, turn: Turn): UserState {
  const { pair, observe } = command.settling!;
  turn.ask({ kind: 'pair', id: pair }, observe, command.key, ACTOR_LIMITS.settleMs);
  return begin(state, command);
}

/** Nobody can say whether the meeting was settled; once that is so, only a final answer ends it. */
export const isInDoubt = (command: CommandUnderWay, result: Result<unknown>): boolean =>
  !result.ok && result.retryable && (command.doubtful || result.code === ERROR.timeout);

/**
 * Whoever waits is told that the outcome is not known, and the pair is asked until it knows. A repeat joins, and is not
 * judged anew by positions and times that have changed since: the encounter may be durable already.
 */
export function settleOn(state: UserState, command: CommandUnderWay, turn: Turn): UserState {
  answerAll(command.replyTo, IN_DOUBT, turn);
  turn.timer(`settle:${command.key}`, ACTOR_LIMITS.settleAgainMs, { type: 'settle', key: command.key });
  return begin(state, { ...command, replyTo: [], doubtful: true });
}

/** The pair that did not answer is asked once more, with what it was asked before. */
export function settleAgain(state: UserState, key: string, turn: Turn): UserState {
  const command = state.underWay.get(key);
  return command?.settling ? settle(state, command, turn) : state;
}

/**
 * Refuses for good what this actor would refuse by its own memory, unless the store knows better: an earlier life of it may
 * have had the command done, and forgotten that with everything else; the code was used by this very command then.
 */
export function refuseUnlessKnown(
  state: UserState,
  command: CommandUnderWay,
  refusal: Refusal,
  turn: Turn,
): UserState {
  if (refusal.retryable) return finish(state, command, refusal, turn);
  turn.query({ type: 'command', user: state.me.id, key: command.key }, `${command.key}/known`);
  return begin(state, { ...command, refusal });
}

/** What becomes of a command now that something is known. */
export type Next<T> = (state: UserState, command: CommandUnderWay, known: T, turn: Turn) => UserState;

/** What was asked for has come, or why not. */
export const unlessRefused =
  <T>(refused: Next<Refusal>, then: Next<T>): Next<Result<unknown>> =>
  (state, command, result, turn) =>
    result.ok ? then(state, command, result.value as T, turn) : refused(state, command, result, turn);

/** The same for a command of the market: a refusal is its answer. */
export const whenRead = <T>(then: Next<T>): Next<Result<unknown>> =>
  unlessRefused((state, command, refusal, turn) => finishMarket(state, command, refusal, false, turn), then);

/** Everybody who waits for the answer of a command gets it, and it is under way no more. */
export function conclude(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  answerAll(command.replyTo, result, turn);
  return { ...state, underWay: without(state.underWay, command.key) };
}

/** The answer of a command of the market: for good, when nothing else in the store would give it again. */
export function finishMarket(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  forGood: boolean,
  turn: Turn,
): UserState {
  const next = conclude(state, command, result, turn);
  // the key is that of another command, whose answer it keeps
  if (result === KEY_CONFLICT) return next;
  return forGood ? rememberForGood(next, command, result, turn) : remember(next, command, result);
}

/** The store said what it knows of a command that is refused otherwise. */
export const refusedOrKnown = unlessRefused(
  finish,
  (state, command, known: QueryAnswers['command'], turn) => {
    const isKnown = known?.requestHash === command.requestHash;
    return finish(state, command, isKnown ? doneOf(known).result : (command.refusal as Refusal), turn);
  },
);

/** The answer of a command that was under way. */
export function finish(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  const next = conclude(state, command, result, turn);
  const isDecided =
    command.settling !== null ||
    command.name === 'give' ||
    command.name === 'reversal' ||
    command.gift !== null;
  // points that moved carry the key in the ledger; who was refused without anybody's decision may try again
  if (result.ok === isDecided) return remember(next, command, result);
  return rememberForGood(next, command, result, turn);
}
