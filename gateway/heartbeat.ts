/**
 * When the transport pings a peer that says nothing, and when it gives it up. The library is told one number and makes
 * two of it, so the arithmetic is repeated here: the promise that people read is about the two, not about the one.
 */
import { assert } from '../protocol/assert.ts';

/** Limits of what the transport takes; outside of them it ends the process. */
const IDLE_MIN_S = 8;
const IDLE_MAX_S = 960;

/** A ping after so much silence at the latest, and the end after so much. */
export const PING_WITHIN_S = 25;
export const DEAD_WITHIN_S = 40;

/** Seconds of silence, both at the latest: the transport looks at its peers each 4 s and may be that much early. */
export interface Heartbeat {
  readonly pingAfterS: number;
  readonly deadAfterS: number;
}

/** What the transport makes of its `idleTimeout`: a margin for the answer of 4, 8 or 16 s, within the time given. */
export const heartbeatOf = (idleTimeoutS: number): Heartbeat => {
  let marginS = 4;
  while (marginS < 16 && idleTimeoutS >= marginS * 4) marginS *= 2;
  return { pingAfterS: idleTimeoutS - marginS, deadAfterS: idleTimeoutS };
};

/** A value that the transport does not survive stops the node with a sentence instead. */
export const assertIdleTimeout = (idleTimeoutS: number): void =>
  assert(
    Number.isInteger(idleTimeoutS) && idleTimeoutS >= IDLE_MIN_S && idleTimeoutS <= IDLE_MAX_S,
    'outside of it the transport ends the process',
  );

/** What is promised to phones: pinged within 25 s of silence, a dead one noticed within 40 s. */
export const assertHeartbeat = (idleTimeoutS: number, clientPingS: number): void => {
  assertIdleTimeout(idleTimeoutS);
  const { pingAfterS, deadAfterS } = heartbeatOf(idleTimeoutS);
  assert(pingAfterS <= PING_WITHIN_S, 'a silent peer is pinged within 25 s');
  assert(deadAfterS <= DEAD_WITHIN_S, 'a dead peer is noticed within 40 s');
  assert(deadAfterS - pingAfterS >= 8, 'a slow network has time to answer');
  assert(clientPingS <= PING_WITHIN_S && clientPingS < deadAfterS, 'a client that pings is never idle');
};
