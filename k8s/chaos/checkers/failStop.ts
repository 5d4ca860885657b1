/**
 * I11: a node that cannot reach the others stops by itself before they take over. From the end of its lease until it is
 * healed, it acknowledges nothing that scores; what it answers later is what others have stored.
 */
import { type Checker, findings, spellsOf } from '../evidence.ts';
import { opsOf } from '../history.ts';

/** A lease lives 4 s (nodes/limits.ts); the rest is for answers that were on their way. */
const ALONE_MS = 6_000;
/** Faults that cut a node off from NATS; one that only hears or only speaks cannot renew its lease either. */
const ALONE = new Set(['partition', 'partition-reset', 'partition-deaf', 'partition-mute']);

export const failStop: Checker = ({ history, timeline }) => {
  const { found, fail } = findings('I11');
  const ops = opsOf(history).filter(op => op.op !== 'ask' && op.outcome === 'ok');
  for (const { fault, targets, fromMs, toMs } of spellsOf(timeline)) {
    if (!ALONE.has(fault)) continue;
    for (const op of ops) {
      const isAlone =
        targets.includes(op.node ?? '') && op.answered_ms > fromMs + ALONE_MS && op.answered_ms < toMs;
      if (isAlone)
        fail(
          'not stopped',
          `${op.node}, cut off since ${fromMs} ms, acknowledged ${op.op} ${op.id} at ${op.answered_ms} ms`,
        );
    }
  }
  return found;
};
