/**
 * What nobody can ask for any more is removed: keys of commands and their answers after a day, ids that were refused after a
 * week. A few thousand rows at a time, so that no statement is long and no lock wide.
 */
import type { Lines } from '../postgres/lines.ts';
import { KEY_HOURS, PRUNE_ROUNDS_MAX, PRUNE_ROWS } from './limits.ts';

export const PRUNED = ['keys', 'answers', 'burned'] as const;
export type Pruned = (typeof PRUNED)[number];

const older = (table: string, column: string): string => `
  with gone as (
    delete from ${table} where ctid = any (array(
      select ctid from ${table} where ${column} < now() - interval '${KEY_HOURS} hours' limit $1)) returning 1)
  select count(*)::int from gone`;

const STATEMENTS: Record<Pruned, string> = {
  keys: older('ops.idempotency', 'created_at'),
  answers: older('ops.answer', 'at'),
  burned: 'select ledger.prune_burned($1)',
};

/** @returns how many rows went; what is left over is for the next time */
export const prune = async (
  lines: Pick<Lines, 'run'>,
  rowsMax = PRUNE_ROWS,
  roundsMax = PRUNE_ROUNDS_MAX,
): Promise<Record<Pruned, number>> => {
  const gone = { keys: 0, answers: 0, burned: 0 };
  for (const what of PRUNED) {
    for (let round = 0; round < roundsMax; round++) {
      const rows = await lines.run({ name: `prune_${what}`, text: STATEMENTS[what], values: [rowsMax] });
      const some = Number(rows[0]?.[0] ?? 0);
      gone[what] += some;
      if (some < rowsMax) break;
    }
  }
  return gone;
};
