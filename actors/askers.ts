/** Those who asked an actor and wait until it knows: each is answered once, later, or asks again. */
import type { Result } from '../protocol/errors.ts';
import type { ReplyTo, Turn } from './turn.ts';

export type Askers = readonly ReplyTo[];

/** With whoever asks now, when somebody asks: a message may be told, too. */
export const withAsker = (askers: Askers, asker: ReplyTo | null): Askers =>
  asker ? [...askers, asker] : askers;

export function answerAll(askers: Askers, result: Result<unknown>, turn: Turn): void {
  for (const asker of askers) turn.reply(result, asker);
}
