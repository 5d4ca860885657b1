/** What every timer store must agree on about an operation: whether it makes sense, and its message as it is stored. */
import type { DurableOp, TimerOp } from '../../actors/durable.ts';
import { ACTOR_KINDS } from '../../actors/turn.ts';
import { TIMER_LIMITS } from '../limits.ts';

const ACTOR_MAX = 128;
const isText = (text: string, max: number): boolean =>
  text.length > 0 && text.length <= max && !text.includes('\0');
const isMoment = (ms: number | null): boolean => ms === null || (Number.isSafeInteger(ms) && ms >= 0);

/** The message as JSON, or null when it is too large or no plain value. */
export function messageText(message: unknown): string | null {
  const text = JSON.stringify(message) as string | undefined;
  return text !== undefined && Buffer.byteLength(text) <= TIMER_LIMITS.messageBytes ? text : null;
}

/** Whether a timer store can take the operation; anything else gets `invalid` and has no effect. */
export function isTimer(op: DurableOp): op is TimerOp {
  if (op.type !== 'timer' || !ACTOR_KINDS.includes(op.kind)) return false;
  if (!isText(op.actor, ACTOR_MAX) || !isText(op.name, TIMER_LIMITS.nameMax)) return false;
  if (!isMoment(op.dueAtMs) || !isMoment(op.onlyDueAtMs)) return false;
  return op.dueAtMs === null || messageText(op.message) !== null;
}

/** One timer among all: setting it again replaces it. */
export const timerKey = (timer: Pick<TimerOp, 'kind' | 'actor' | 'name'>): string =>
  `${timer.kind}\0${timer.actor}\0${timer.name}`;
