/** Answers to commands as rows in PostgreSQL: what is given to `ops.commit_answers`. */
import type { AnswerOp, DurableOp } from '../../actors/durable.ts';
import { isAnswer, resultText } from '../../nodes/events/answerRules.ts';
import type { CommitEntry } from '../../nodes/ports.ts';
import type { Lines } from './lines.ts';

const THERE = `select a.op_id from unnest($1::uuid[], $2::text[], $3::uuid[]) as asked(user_id, key, op_id)
  join ops.answer a on a.user_id = asked.user_id and a.key = asked.key and a.op_id = asked.op_id`;

/** In the order of the function's parameters. */
export function answerColumns(entries: readonly CommitEntry[]): unknown[][] {
  const ops = entries.map(entry => entry.op as AnswerOp);
  return [
    entries.map(entry => entry.shard),
    entries.map(entry => entry.epoch),
    ops.map(op => op.id),
    ops.map(op => op.user),
    ops.map(op => op.key),
    ops.map(op => op.requestHash),
    ops.map(op => resultText(op.result)),
  ];
}

/** Whether each of these answers is stored. */
export async function answersThere(
  side: Lines,
  ops: readonly DurableOp[],
): Promise<(op: AnswerOp) => boolean> {
  const answers = ops.filter(isAnswer);
  const values = [answers.map(op => op.user), answers.map(op => op.key), answers.map(op => op.id)];
  const rows = answers.length > 0 ? await side.run({ name: 'answers_there', text: THERE, values }) : [];
  const there = new Set(rows.map(row => row[0] as string));
  return op => there.has(op.id);
}
