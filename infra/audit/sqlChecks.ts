/**
 * A check that one statement can make: it selects what is wrong, `id` of what it concerns and `what` about it. Nothing
 * found is nothing wrong.
 */

import { NAMED_MAX } from './limits.ts';
import { Finds } from './report.ts';
import type { Snapshot } from './snapshot.ts';
import type { AuditedStores } from './stores.ts';

export interface SqlCheck {
  readonly name: string;
  /** One line for `--help`. */
  readonly about: string;
  /** The table whose rows are looked at; an older schema that lacks it has nothing to check. */
  readonly of: string;
  readonly sql: string;
  /** What stands in the statement as $1, $2, ... */
  readonly values?: (
    settings: SqlSettings,
    snapshot: Snapshot,
  ) => readonly unknown[] | Promise<readonly unknown[]>;
}

export interface SqlSettings {
  readonly stores: Pick<AuditedStores, 'dynamodb' | 'names'>;
  /** After an encounter whose rule says nothing else. */
  readonly cooldownS: number;
  readonly boundS: number;
}

/** How many rows were looked at, and what is wrong; null where there is no such table. */
export const runSql = async (
  snapshot: Snapshot,
  check: SqlCheck,
  settings: SqlSettings,
): Promise<{ looked: number; finds: Finds } | null> => {
  if (!(await snapshot.has(check.of))) return null;
  const [counted] = await snapshot.rows<{ n: string }>(`select count(*) as n from ${check.of}`);
  const rows = await snapshot.rows<{ id: string; what: string; total: string }>(
    `select id::text, what, count(*) over () as total from (${check.sql}) found limit ${NAMED_MAX}`,
    (await check.values?.(settings, snapshot)) ?? [],
  );
  const finds = new Finds();
  for (const { id, what } of rows) finds.add(id, what);
  finds.count = Number(rows[0]?.total ?? 0);
  return { looked: Number(counted?.n), finds };
};
