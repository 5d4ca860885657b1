/** Reports by day and zip code: from which day to which one, and nothing about days on which it would be about few people. */
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { type Answer, answered } from './entrance.ts';
import { OPERATOR } from './limits.ts';

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const DAY_MS = 86_400_000;

/** Unix milliseconds of a day's begin; NaN when there is no such day. */
const beginOf = (day: string | null): number => {
  if (day === null || !DAY.test(day)) return Number.NaN;
  const atMs = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(atMs) || new Date(atMs).toISOString().slice(0, 10) !== day ? Number.NaN : atMs;
};

interface Days {
  readonly from: string;
  readonly to: string;
}

/** `from` and `to` of a query, both UTC and both within. */
export const daysOf = (query: URLSearchParams): Result<Days> => {
  const [from, to] = [query.get('from'), query.get('to')];
  const [fromMs, toMs] = [beginOf(from), beginOf(to)];
  if (toMs >= fromMs && toMs - fromMs < OPERATOR.reportDays * DAY_MS) return ok({ from: from!, to: to! });
  return refuse(
    ERROR.invalid,
    `from and to are days like 2026-11-21, not more than ${OPERATOR.reportDays} from first to last`,
  );
};

/** A day and zip code with few people says nothing but that: neither how many they were nor how often they met. */
const withheld = (row: object): object =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, name === 'day' || name === 'zip' ? value : null]),
  );

/** @param rows one more than are shown when there are more */
export const reported = <Row extends object>(
  days: Days,
  rows: readonly Row[],
  peopleOf: (row: Row) => number,
): Result<Answer> => {
  const shown = rows.slice(0, OPERATOR.reportRows);
  /** What is null has fewer people than this. */
  const peopleMin = OPERATOR.reportPeopleMin;
  return answered(200, {
    ...days,
    peopleMin,
    complete: shown.length === rows.length,
    rows: shown.map(row => (peopleOf(row) < peopleMin ? withheld(row) : row)),
  });
};
