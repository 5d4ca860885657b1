/**
 * Whatever carries an idempotency key comes in here, and takes effect once. Memory knows the newest answers, the store those
 * of a day: a key that may be one that memory has forgotten is looked up before anything is done. Such keys are as old as
 * what was forgotten (`answers.ts`); a new command has a newer one, and asks nobody.
 *
 * What comes behind one that is looked up waits for it: the order in which a person's commands came is the one in which
 * they take effect.
 */
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { SpendMessage, UserMessage } from '../messages/user.ts';
import type { QueryAnswers } from '../queries.ts';
import type { ReplyTo, Turn } from '../turn.ts';
import { commanded, ordered } from './commanded.ts';
import { KEY_CONFLICT, repeat } from './commands.ts';
import { askGift } from './gifts.ts';
import { doneOf, isTold } from './hydrated.ts';
import { give } from './points.ts';
import type { UserState } from './state.ts';
import type { Town } from './town.ts';

export type Keyed = (UserMessage & { type: 'command' | 'order' | 'give' }) | SpendMessage;

/** A message with a key that waits until the store was asked, for itself or for one before it. */
export interface Waiting {
  readonly message: Keyed;
  readonly replyTo: ReplyTo | null;
  /** Tag of the query. */
  readonly tag: string;
  /** What the store has under the key; null while it is asked. */
  readonly found: Result<unknown> | null;
}

const FORGOTTEN = 'forgotten/';
export const isForgottenTag = (tag: string): boolean => tag.startsWith(FORGOTTEN);

const TOO_MANY = refuse(ERROR.unavailable, 'too many commands wait, try again', 200);
const NOT_ASKED = ok(null);

/**
 * A repeat gets the first answer; what the store may know is looked up; anything else is done, in the order in which it
 * came.
 */
export function keyed(state: UserState, message: Keyed, town: Town, turn: Turn): UserState {
  const { key } = message;
  const repeated = repeat(state, message, turn);
  if (repeated) return repeated;
  const { waiting, done, me } = state;
  const isAsked = key !== null && done.mayHaveForgotten(key);
  if (!isAsked && (key === null || waiting.length === 0)) return perform(state, message, town, turn);
  if (waiting.length >= ACTOR_LIMITS.commandsWaiting) {
    turn.reply(TOO_MANY);
    return state;
  }
  const tag = FORGOTTEN + turn.newId();
  if (isAsked) turn.query({ type: 'command', user: me.id, key }, tag);
  const one = { message, replyTo: turn.replyTo, tag, found: isAsked ? null : NOT_ASKED };
  return { ...state, waiting: [...waiting, one] };
}

/** The store said what it has under the key of one that waits. */
export function forgottenRead(
  state: UserState,
  tag: string,
  result: Result<unknown>,
  town: Town,
  turn: Turn,
): UserState {
  let next: UserState = {
    ...state,
    waiting: state.waiting.map(one => (one.tag === tag ? { ...one, found: result } : one)),
  };
  for (let [first] = next.waiting; first?.found; [first] = next.waiting) {
    turn.resume(first.replyTo);
    next = goOn({ ...next, waiting: next.waiting.slice(1) }, first.message, first.found, town, turn);
  }
  return next;
}

function goOn(state: UserState, message: Keyed, found: Result<unknown>, town: Town, turn: Turn): UserState {
  if (!found.ok) {
    turn.reply(found);
    return state;
  }
  const known = found.value as QueryAnswers['command'];
  if (known && known.requestHash !== message.requestHash) turn.reply(KEY_CONFLICT);
  else if (known && isTold(known)) {
    turn.count('rt_command_dedup_total', { op: nameOf(message) });
    turn.reply(doneOf(known).result);
  } else return repeat(state, message, turn) ?? perform(state, message, town, turn);
  return state;
}

const nameOf = (message: Keyed): string => (message.type === 'give' ? message.type : message.name);

/** It is none that was done already. */
function perform(state: UserState, message: Keyed, town: Town, turn: Turn): UserState {
  switch (message.type) {
    case 'command':
      return commanded(state, message, town, turn);
    case 'order':
      return ordered(state, message.name, message, turn);
    case 'spend':
      return askGift(state, message, turn);
    case 'give':
      return give(state, message, turn);
  }
}
