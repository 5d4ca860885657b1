/** What the content of a rule said to one input, read strictly: a rule is written by people, and pays with points. */
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { POINTS_MAX } from '../ledgerRules.ts';
import { isRecord } from './graph.ts';

export interface Said {
  /** Whole points by party, none negative. */
  readonly points: Readonly<Record<string, number>>;
  readonly values: Readonly<Record<string, number>>;
  readonly refusal?: string;
}

const NOTHING: Readonly<Record<string, never>> = {};
/** Of the sentence that a rule refuses with. */
const REFUSAL_CHARS_MAX = 200;

const wrong = (what: string) => refuse(ERROR.invalid, `the rule says ${what}`);
/** Several rows that apply (hit policy `collect`) are added up. */
const addedUp = (rows: readonly unknown[]): unknown => {
  const sums: Record<'points' | 'values', Record<string, unknown>> = { points: {}, values: {} };
  let refusal: unknown;
  for (const row of rows) {
    if (!isRecord(row)) return row;
    refusal ??= row.refusal;
    for (const name of ['points', 'values'] as const) {
      if (row[name] === undefined) continue;
      if (!isRecord(row[name])) return row;
      for (const [key, more] of Object.entries(row[name])) {
        const before = sums[name][key] ?? 0;
        sums[name][key] = typeof before === 'number' && typeof more === 'number' ? before + more : more;
      }
    }
  }
  return { ...sums, ...(refusal !== undefined && { refusal }) };
};

/**
 * Null: the rule has nothing to say to this input, and the next one is asked. A refusal (422): what it says is no award.
 *
 * @param parties who may get or pay points by this kind of rule
 */
export function saidOf(result: unknown, parties: readonly string[]): Result<Said | null> {
  const one = Array.isArray(result) ? (result.length === 0 ? null : addedUp(result)) : result;
  if (one === null || one === undefined) return ok(null);
  if (!isRecord(one)) return wrong('something that is no award: { points, values, refusal }');
  const { points = NOTHING, values = NOTHING, refusal = null } = one;
  if (!isRecord(points) || !isRecord(values)) return wrong('points or values that are no table of numbers');
  for (const [party, amount] of Object.entries(points)) {
    if (!parties.includes(party))
      return wrong(`points for ${party}; here they go to ${parties.join(', ') || 'nobody'}`);
    if (!Number.isSafeInteger(amount) || (amount as number) < 0 || (amount as number) > POINTS_MAX)
      return wrong(`${String(amount)} points for ${party}: whole points from 0 to ${POINTS_MAX}`);
  }
  for (const [name, value] of Object.entries(values))
    if (typeof value !== 'number' || !Number.isFinite(value)) return wrong(`no number for ${name}`);
  if (refusal !== null && (typeof refusal !== 'string' || refusal === ''))
    return wrong('a refusal that is no sentence');
  if (refusal !== null)
    return ok({ points: NOTHING, values: NOTHING, refusal: (refusal as string).slice(0, REFUSAL_CHARS_MAX) });
  if (Object.keys(points).length === 0 && Object.keys(values).length === 0) return ok(null);
  return ok({ points: points as Said['points'], values: values as Said['values'] });
}
