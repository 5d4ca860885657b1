/**
 * How the sockets of a gateway are counted for the metrics: how far each has come, and who ended those that are gone. What
 * a peer says about its end is a number of its own choice, so only those that stand in the protocol become labels.
 */
import type { Metrics } from '../nodes/ports.ts';
import { CLOSE } from '../protocol/errors.ts';
import type { Phase, Session } from './session.ts';

/** Said for a peer that went without a word, and for a close frame without a code (RFC 6455, 7.4.1). */
const UNSAID = [1005, 1006];
const KNOWN: ReadonlySet<number> = new Set([...Object.values(CLOSE), ...UNSAID]);

/** Counts an end: `given` is the code that we closed with, 0 when the peer went with `heard`. */
export const countClose = (metrics: Metrics, given: number, heard: number): void => {
  if (given !== 0) metrics.count('rt_close_total', { code: String(given), initiator: 'server' });
  else {
    const code = KNOWN.has(heard) ? String(heard) : 'other';
    metrics.count('rt_close_total', { code, initiator: 'client' });
  }
};

/** As `rt_connections` tells it; a token that is being verified is no more than HELLO. */
const STATES = { waiting: 'hello', verifying: 'hello', attaching: 'attaching', open: 'open' } as const;

/** Tells how many sockets have come how far. Goes through all of them: for whoever asks, not for each event. */
export const tellConnections = (
  metrics: Metrics,
  transport: 'ws' | 'wss',
  sessions: Iterable<{ readonly phase: Phase }>,
): void => {
  const counts = { hello: 0, attaching: 0, open: 0 };
  for (const { phase } of sessions) if (phase !== 'closed') counts[STATES[phase]]++;
  for (const [state, n] of Object.entries(counts)) metrics.gauge('rt_connections', n, { state, transport });
};

/** Those that are not welcome yet and those that are, each once. */
export function* everyOne(waiting: ReadonlySet<Session>, named: Iterable<Session>): Generator<Session> {
  yield* waiting;
  for (const session of named) if (!waiting.has(session)) yield session;
}
