/** From which day to which one: as reports are asked for. */
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const DAY_MS = 86_400_000;

/** Unix milliseconds of a day's begin; NaN when there is no such day. */
const beginOf = (day: string | null): number => {
  if (day === null || !DAY.test(day)) return Number.NaN;
  const atMs = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(atMs) || new Date(atMs).toISOString().slice(0, 10) !== day ? Number.NaN : atMs;
};

/** `from` and `to` of a query, both UTC and both within, at most so many. */
export const daysOf = (
  query: URLSearchParams,
  most: number,
): Result<{ readonly from: string; readonly to: string }> => {
  const [from, to] = [query.get('from'), query.get('to')];
  const [fromMs, toMs] = [beginOf(from), beginOf(to)];
  if (toMs >= fromMs && toMs - fromMs < most * DAY_MS) return ok({ from: from!, to: to! });
  return refuse(
    ERROR.invalid,
    `from and to are days like 2026-11-21, not more than ${most} from first to last`,
  );
};
