/** The word of a node that has more to do than it can: nothing was done, and asking again at once makes it worse. */
import { ERROR, type Refusal, refuse } from '../protocol/errors.ts';

const WORDS = 'the node is overloaded, try again';

export const overloaded = (retryAfterMs: number): Refusal => refuse(ERROR.unavailable, WORDS, retryAfterMs);

/** Also when it has come from another node. */
export const isOverloaded = ({ code, message }: Refusal): boolean =>
  code === ERROR.unavailable && message === WORDS;
