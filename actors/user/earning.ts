/**
 * What a person may earn in a day, where a rule says how much that is (DOMAIN rule 1: off by default). The person's own actor
 * keeps it, because meetings with many others happen at once: each asks here before its points move. What was earned stands
 * in the ledger; what is on its way is counted here by its id until the ledger has it, or until it is said that it came to
 * nothing. What the ledger gets while it is read may or may not be in the answer, so that is counted until nothing is read any
 * more. When this actor dies in that moment one more may come through than the rule says, and never fewer.
 *
 * How often one may is refused when it is used up: the two may meet again tomorrow. How many points one may earn cuts what
 * this person gets, down to nothing, and never what the other gets.
 */
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { EarnedMessage } from '../messages/pair.ts';
import type { Earned, EarnLimits, UserMessage } from '../messages/user.ts';
import type { QueryAnswers } from '../queries.ts';
import type { Award } from '../scoring.ts';
import type { Turn } from '../turn.ts';
import { NOTHING_WAITS, withOne, without } from '../waiting.ts';
import type { UserState } from './state.ts';

const EARN = 'earn/';

interface AskingPair {
  readonly pair: string;
  readonly tag: string;
}

export interface Earning {
  readonly reason: 'encounter' | 'promotion';
  readonly points: number;
  readonly limits: EarnLimits;
  /** Null while the ledger is read. */
  readonly granted: number | null;
  /** The ledger has it. */
  readonly isStored: boolean;
  /** Who waits for it. */
  readonly pairs: readonly AskingPair[];
  readonly atMs: number;
}

/** Null where nothing is limited. @param dayPoints of `earning.limit`, 0 for none */
export function earnLimits({ limits }: Pick<Award, 'limits'>, dayPoints: number): EarnLimits | null {
  const { timesPerUserDay: times = null, pointsPerUserDay: points = null } = limits;
  const all = dayPoints > 0 ? Math.floor(dayPoints) : null;
  return times === null && points === null && all === null ? null : { times, points, all };
}

/** Of an award of the kind `earning.limit`; 0: none, also where there is no such rule. */
export const dayPointsOf = ({ values, refusal }: Award): number =>
  refusal === undefined ? Math.max(0, values.pointsPerDay ?? 0) : 0;

const TOO_OFTEN = refuse(ERROR.conflict, 'no more of these count in 24 h');

/** A pair asks before points move. */
export function earn(state: UserState, message: UserMessage & { type: 'earn' }, turn: Turn): UserState {
  const { id, points, limits, pair, tag } = message;
  const known = state.earning.get(id);
  if (known?.granted !== undefined && known.granted !== null) {
    say({ pair, tag }, ok({ points: known.granted }), turn);
    return state;
  }
  const pairs = [...(known?.pairs ?? []).filter(one => one.tag !== tag), { pair, tag }];
  return askLedger(state, id, { reason: 'encounter', points, limits, pairs }, turn);
}

function say({ pair, tag }: AskingPair, result: Result<Earned>, turn: Turn): void {
  turn.tell({ kind: 'pair', id: pair }, { type: 'earned', tag, result } satisfies EarnedMessage);
}

export function askLedger(
  state: UserState,
  id: string,
  one: Omit<Earning, 'granted' | 'isStored' | 'atMs'>,
  turn: Turn,
): UserState {
  turn.query({ type: 'earned', account: state.me.id }, EARN + id);
  const sinceMs = turn.nowMs - ACTOR_LIMITS.earningMs;
  const young = [...state.earning].filter(([, { atMs }]) => atMs > sinceMs);
  const asked: Earning = { ...one, granted: null, isStored: false, atMs: turn.nowMs };
  return { ...state, earning: new Map(young).set(id, asked) };
}

/** The id of what was asked for, by the tag of the answer; null for another tag. */
export const earningOf = (tag: string): string | null =>
  tag.startsWith(EARN) ? tag.slice(EARN.length) : null;

/** The ledger said what was earned: what of it may come on top. Those who wait are told. */
export function ledgerRead(
  state: UserState,
  id: string,
  result: Result<unknown>,
  turn: Turn,
): { readonly state: UserState; readonly one: Earning | null; readonly said: Result<Earned> | null } {
  const one = state.earning.get(id);
  if (!one || one.granted !== null) return { state, one: null, said: null };
  const said = result.ok ? grant(state, id, one, result.value as QueryAnswers['earned']) : result;
  for (const to of one.pairs) say(to, said, turn);
  if (!said.ok) return { state: unearned(state, id), one, said };
  const granted = { ...one, granted: said.value.points, pairs: [] };
  return { state: forgetStored(state, withOne(state.earning, id, granted)), one, said };
}

function grant(
  state: UserState,
  id: string,
  { reason, points, limits }: Earning,
  stored: QueryAnswers['earned'],
): Result<Earned> {
  // asked for again: it has had its turn
  if (stored.some(one => one.id === id)) return ok({ points });
  const known = new Set(stored.map(one => one.id));
  const underWay = [...state.earning].flatMap(([other, { reason: why, granted }]) =>
    other === id || granted === null || known.has(other) ? [] : [{ reason: why, points: granted }],
  );
  const all = [...stored, ...underWay];
  const same = all.filter(one => one.reason === reason);
  if (limits.times !== null && same.length >= limits.times) return TOO_OFTEN;
  const left = (limit: number | null, of: readonly { readonly points: number }[]): number =>
    limit === null ? points : Math.max(0, limit - of.reduce((sum, one) => sum + one.points, 0));
  return ok({ points: Math.min(points, left(limits.points, same), left(limits.all, all)) });
}

/** It came to nothing. */
export function unearned(state: UserState, id: string): UserState {
  return state.earning.has(id) ? forgetStored(state, without(state.earning, id)) : state;
}

/** The ledger has it. */
export function earned(state: UserState, id: string): UserState {
  const one = state.earning.get(id);
  // asked for once more: whoever does is answered by nobody here, and asks again
  if (!one || one.granted === null) return unearned(state, id);
  return forgetStored(state, withOne(state.earning, id, { ...one, isStored: true }));
}

/** Once the ledger is not read any more, whoever reads it next finds what it has. */
function forgetStored(state: UserState, earning: UserState['earning']): UserState {
  const all = [...earning];
  if (all.some(([, { granted }]) => granted === null)) return { ...state, earning };
  const left = all.filter(([, { isStored }]) => !isStored);
  return { ...state, earning: left.length > 0 ? new Map(left) : NOTHING_WAITS };
}
