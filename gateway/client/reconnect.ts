/** What to do when the socket is gone: the range of the close code decides, also for codes that we do not know. */
import { CLOSE } from '../../protocol/errors.ts';

export type Advice =
  /** do not come back */
  | 'stop'
  /** once more, with a new token */
  | 'newToken'
  /** wait longer each time, with full jitter */
  | 'backoff'
  /** the server is busy: at least five seconds */
  | 'busy'
  /** somewhere within the jitter that the server named */
  | 'soon';

export const adviceFor = (code: number): Advice => {
  switch (code) {
    case CLOSE.badToken:
      return 'newToken';
    case CLOSE.restart:
      return 'soon';
    case CLOSE.overloaded:
      return 'busy';
    case CLOSE.normal:
    case CLOSE.protocol:
    case CLOSE.textFrame:
    case CLOSE.tooBig:
      return 'stop';
    default:
      if (code >= 4_000 && code < 4_100) return 'stop';
      if (code >= 4_200 && code < 4_300) return 'soon';
      return 'backoff';
  }
};

const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 30_000;
const BUSY_MIN_MS = 5_000;
/** So many times in a row `soon` is taken at its word. */
const SOON_MAX = 3;

/**
 * Milliseconds to wait. `attempt` counts from 0 and is reset after a while of stability, not by a mere WELCOME: a
 * server that accepts and drops must not be hammered.
 */
export const delayMs = (
  advice: Exclude<Advice, 'stop'>,
  attempt: number,
  jitterMs: number,
  random: number,
): number => {
  if (advice === 'newToken') return 0;
  const capMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(attempt, 10));
  // Sent on again and again, it is not soon any more.
  if (advice === 'soon') return random * (attempt < SOON_MAX ? jitterMs : Math.max(jitterMs, capMs));
  return (advice === 'busy' ? BUSY_MIN_MS : 0) + random * capMs;
};
