/** I10: a while after everything was mended, everything works: each op succeeds, and everybody is served. */
import { type Checker, findings } from '../evidence.ts';
import { opsOf } from '../history.ts';

/** From the last healing, when the nodes agree again, until all of it must work. */
const LIVELY_AFTER_MS = 10_000;
/** A reservation that nobody paid for ends so long after its time at the latest; a timer is late, and its node may be gone. */
const OVERDUE_MS_MAX = 60_000;
/** With fewer, nothing is proved. */
const OPS_MIN = 20;

export const liveness: Checker = ({ history, timeline, state }) => {
  const { found, fail } = findings('I10');
  if (timeline.unsteady !== null) fail('not live', `the nodes do not agree: ${timeline.unsteady}`);
  for (const words of history.notServed) fail('not live', `not served in the end: ${words}`);
  const fromMs = timeline.quietFromMs + LIVELY_AFTER_MS;
  const asked = opsOf(history).filter(op => op.t_ms >= fromMs);
  if (asked.length < OPS_MIN)
    fail('not live', `only ${asked.length} ops after ${fromMs} ms: the quiet phase proves nothing`);
  for (const op of asked)
    if (op.outcome !== 'ok') fail('not live', `${op.op} ${op.id} at ${op.t_ms} ms: ${op.outcome}, ${op.why}`);
  for (const { id, state: now, overdueMs } of state.redemptions)
    if (now === 'reserved' && overdueMs > OVERDUE_MS_MAX)
      fail('not live', `redemption ${id} should have ended ${Math.round(overdueMs / 1_000)} s ago`);
  return found;
};
