/**
 * What an audit found: one row per check, the ids of what is wrong, and whether the stores could be read at all. People get
 * a table, programs the same as one line of JSON.
 */
import { NAMED_MAX, SHOWN_MAX } from './limits.ts';

export type StoreName = 'postgresql' | 'read model' | 'dynamodb' | 'kinesis' | 'archive' | 'node';

/** Something that is not as it must be. `id` is of the transfer, account, pending, ... that it concerns. */
export interface Difference {
  readonly id: string;
  readonly what: string;
}

/** Collects the differences of one check: counts all of them, keeps the first. */
export class Finds {
  readonly first: Difference[] = [];
  count = 0;

  add(id: string, what: string): void {
    this.count++;
    if (this.first.length < NAMED_MAX) this.first.push({ id, what });
  }

  /** Takes over what another one found. */
  join(other: Finds): void {
    this.count += other.count;
    this.first.push(...other.first.slice(0, NAMED_MAX - this.first.length));
  }
}

export interface Checked {
  readonly check: string;
  readonly store: StoreName;
  /** Rows, records or items that were looked at. */
  readonly looked: number;
  readonly differences: number;
  /** The first of them. */
  readonly found: readonly Difference[];
  /** Why it was not done; null when it was. */
  readonly skipped: string | null;
  readonly ms: number;
}

export interface Report {
  /** Nothing is wrong, and every store could be read. */
  readonly ok: boolean;
  /** Of the snapshot, by the clock of PostgreSQL. */
  readonly atMs: number;
  readonly checks: readonly Checked[];
  readonly unreachable: readonly { readonly store: StoreName; readonly why: string }[];
}

export const differencesOf = ({ checks }: Pick<Report, 'checks'>): number =>
  checks.reduce((sum, { differences }) => sum + differences, 0);

/** 0 nothing wrong, 1 something is, 2 a store could not be read. */
export const exitCodeOf = (report: Report): 0 | 1 | 2 =>
  differencesOf(report) > 0 ? 1 : report.unreachable.length > 0 ? 2 : 0;

const HEAD = ['check', 'store', 'looked at', 'wrong', 'ms'] as const;

/** For people. */
export const tableOf = ({ checks, unreachable }: Report): string => {
  const rows = checks.map(one => [
    one.check,
    one.store,
    one.skipped === null ? String(one.looked) : '-',
    one.skipped === null ? String(one.differences) : `not done: ${one.skipped}`,
    one.skipped === null ? String(Math.round(one.ms)) : '',
  ]);
  const widths = HEAD.map((word, i) =>
    Math.max(word.length, ...rows.map(row => (i === 3 ? 5 : row[i]!.length))),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [
    line(HEAD),
    ...rows.map(line),
    ...unreachable.map(({ store, why }) => `${store} could not be read: ${why}`),
    ...checks.flatMap(shown),
  ].join('\n');
};

const shown = ({ check, differences, found }: Checked): string[] => {
  if (differences === 0) return [];
  const few = found.slice(0, SHOWN_MAX).map(({ id, what }) => `  ${id} ${what}`);
  const more = differences > few.length ? [`  and ${differences - few.length} more`] : [];
  return ['', `${check}:`, ...few, ...more];
};

/** For programs: one line. */
export const jsonOf = (report: Report): string => {
  const { ok, atMs, checks, unreachable } = report;
  const differences = checks.flatMap(({ check, found }) => found.map(one => ({ check, ...one })));
  return JSON.stringify({
    audit: ok ? 'clean' : 'wrong',
    at: new Date(atMs).toISOString(),
    checks: checks.filter(one => one.skipped === null).length,
    skipped: checks.filter(one => one.skipped !== null).map(one => one.check),
    looked: checks.reduce((sum, { looked }) => sum + looked, 0),
    wrong: differencesOf(report),
    differences,
    unreachable,
  });
};
