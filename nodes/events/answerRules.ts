/** What every store of answers must agree on about an operation: whether it makes sense, and its result as it is stored. */
import type { AnswerOp, DurableOp } from '../../actors/durable.ts';
import { ANSWER_LIMITS } from '../limits.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const isText = (text: string): boolean =>
  text.length > 0 && text.length <= ANSWER_LIMITS.keyMax && !text.includes('\0');

/** The result as JSON, or null when it is too large or no plain value. */
export function resultText(result: unknown): string | null {
  const text = JSON.stringify(result) as string | undefined;
  return text !== undefined && Buffer.byteLength(text) <= ANSWER_LIMITS.resultBytes ? text : null;
}

/** Whether a store can take the operation; anything else gets `invalid` and has no effect. */
export function isAnswer(op: DurableOp): op is AnswerOp {
  if (op.type !== 'answer' || !UUID.test(op.id) || !UUID.test(op.user)) return false;
  return isText(op.key) && isText(op.requestHash) && resultText(op.result) !== null;
}
