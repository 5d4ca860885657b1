/** What every event store must agree on about an operation: whether it makes sense. */
import type { DurableOp, EventOp } from '../../actors/durable.ts';
import { EVENT_LIMITS } from '../limits.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const isNumber = (value: number, min: number, max = Number.MAX_SAFE_INTEGER): boolean =>
  Number.isSafeInteger(value) && value >= min && value <= max;

/** Whether an event store can take the operation; anything else gets `invalid` and has no effect. */
export function isEvent(op: DurableOp): op is EventOp {
  if (op.type !== 'event' || !UUID.test(op.id) || !UUID.test(op.user)) return false;
  if (!isNumber(op.n, 1) || !isNumber(op.after, 0) || !isNumber(op.lineage, 0, 0x7fff_ffff)) return false;
  const { about, frame } = op;
  if (about !== null && (about.length === 0 || about.length > EVENT_LIMITS.aboutMax || about.includes('\0')))
    return false;
  return frame instanceof Uint8Array && frame.length <= EVENT_LIMITS.frameBytes;
}
