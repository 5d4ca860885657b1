/**
 * What another actor must hear although a message may be lost on its way: an ask that is repeated, with growing pauses,
 * until the other side says that it has heard. The listener tells repeats apart by itself. It ends after some tries (the
 * other side is away for long then, and starts from the store when it is back) or when the refusal is final.
 *
 * Two messages each repeated by itself overtake each other when the first is lost. What must be heard in order is said
 * `inTurn`: it waits, with attempt 0, until what was said before it about the same thing to the same actor is heard.
 */
import type { Result } from '../protocol/errors.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { Address, Turn } from './turn.ts';
import { type WaitingBy, withOne, without } from './waiting.ts';

export interface Insisted {
  readonly to: Address;
  readonly message: { readonly type: string };
  readonly attempt: number;
}

/** Under way, by a key that the actor gives. */
export type Insisting = WaitingBy<Insisted>;

/** Timer of a repeat; comes back to the actor that insists. */
export interface InsistMessage {
  readonly type: 'insist';
  readonly key: string;
}

const TAG = 'insist/';

/** The key of what is answered, or null when the tag belongs to something else. */
export const insistedKey = (tag: string): string | null =>
  tag.startsWith(TAG) ? tag.slice(TAG.length) : null;

/** Who is told, and what. */
export type Telling = Pick<Insisted, 'to' | 'message'>;

export const insist = (all: Insisting, key: string, what: Telling, turn: Turn): Insisting =>
  say(all, key, { ...what, attempt: 0 }, turn);

function say(all: Insisting, key: string, one: Insisted, turn: Turn): Insisting {
  turn.ask(one.to, one.message, TAG + key, ACTOR_LIMITS.insistAskMs);
  return withOne(all, key, { ...one, attempt: one.attempt + 1 });
}

/** What a key is about: what stands before its first slash. */
const aboutOf = (key: string): string => key.split('/', 1)[0]!;

/** As `insist`, after everything of which the key begins with the same words up to a slash and that goes to the same actor. */
export function insistInTurn(all: Insisting, key: string, what: Telling, turn: Turn): Insisting {
  const one = { ...what, attempt: 0 };
  const isNext = ![...all].some(([other, its]) => isBefore(other, its, key, what.to));
  return isNext ? say(all, key, one, turn) : withOne(all, key, one);
}

const isBefore = (other: string, { to: its }: Insisted, key: string, to: Address): boolean =>
  other !== key && aboutOf(other) === aboutOf(key) && its.kind === to.kind && its.id === to.id;

/** It is heard, or nobody hears it: what waited for that is said. */
function ended(all: Insisting, key: string, turn: Turn): Insisting {
  const { to } = all.get(key)!;
  const rest = without(all, key);
  const waiting = [...rest].find(([other, its]) => its.attempt === 0 && isBefore(other, its, key, to));
  return waiting ? say(rest, ...waiting, turn) : rest;
}

export function insistAnswered(all: Insisting, key: string, result: Result<unknown>, turn: Turn): Insisting {
  const one = all.get(key);
  if (!one) return all;
  const { insistTries, insistPauseMs, insistPauseMaxMs } = ACTOR_LIMITS;
  if (result.ok || !result.retryable || one.attempt >= insistTries) return ended(all, key, turn);
  const pauseMs = Math.min(insistPauseMaxMs, insistPauseMs * 2 ** (one.attempt - 1));
  const jitter = 0.75 + (turn.random32() / 2 ** 32) * 0.5;
  turn.timer(TAG + key, pauseMs * jitter, { type: 'insist', key } satisfies InsistMessage);
  return all;
}

/** Says it again: the pause is over, or the actor has moved to another node. */
export function insistAgain(all: Insisting, key: string, turn: Turn): Insisting {
  const one = all.get(key);
  return one && one.attempt > 0 ? say(all, key, one, turn) : all;
}
