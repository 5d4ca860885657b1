/** Those who asked an actor and wait until it knows: each is answered once, later, or asks again. */
import { ERROR, type Result, refuse } from '../protocol/errors.ts';
import type { ReplyTo, Turn } from './turn.ts';

/** It may have been done, and may not: only a repeat with the same key is harmless. Never said of what was not begun. */
export const IN_DOUBT = refuse(ERROR.timeout, 'the outcome is not known, try again');

export type Askers = readonly ReplyTo[];

/** With whoever asks now, when somebody asks: a message may be told, too. */
export const withAsker = (askers: Askers, asker: ReplyTo | null): Askers =>
  asker ? [...askers, asker] : askers;

export function answerAll(askers: Askers, result: Result<unknown>, turn: Turn): void {
  for (const asker of askers) turn.reply(result, asker);
}
