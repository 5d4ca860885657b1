/**
 * What a meeting must be let through by before its points move, where the rules limit them: what each of the two may earn in
 * a day is asked of the two (`user/earning.ts`), what the rule may ever give of its budget (`budget.ts`). Most rules limit
 * nothing, and then nobody is asked. One of the two may be waiting for this very pair, so they are told and tell, and nobody
 * asks in a circle.
 *
 * What comes to nothing in the end is said back. A meeting that the store has already is let through whatever is left: its
 * repeat gets its first answer.
 */
import type { Refusal, Result } from '../protocol/errors.ts';
import { IN_DOUBT } from './askers.ts';
import { askFor, giveBackTo } from './budget.ts';
import type { EncounterOp } from './durable.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { ClaimLate } from './messages/pair.ts';
import type { Earned, EarnLimits, UserMessage } from './messages/user.ts';
import type { QueryAnswers } from './queries.ts';
import type { Award, AwardLimits } from './scoring.ts';
import type { Turn } from './turn.ts';
import { dayPointsOf, earnLimits } from './user/earning.ts';

export const CLAIM = 'claim/';
const SIDES = ['officer', 'civilian'] as const;
type Side = (typeof SIDES)[number];

/** What limits this meeting; null: nothing does. */
export interface Bounds {
  readonly officer: EarnLimits | null;
  readonly civilian: EarnLimits | null;
  readonly budget: AwardLimits['budget'] | null;
}

/** @param days awards of `earning.limit`, of officers and of civilians */
export function boundsOf(award: Award, days: readonly [Award, Award]): Bounds | null {
  const officer = earnLimits(award, dayPointsOf(days[0]));
  const civilian = earnLimits(award, dayPointsOf(days[1]));
  const budget = award.limits.budget ?? null;
  return officer === null && civilian === null && budget === null ? null : { officer, civilian, budget };
}

export interface Claim {
  readonly op: EncounterOp;
  readonly bounds: Bounds;
  /** Who has not answered yet. */
  readonly waiting: readonly Side[];
  /** Who said yes. */
  readonly granted: readonly Side[];
  readonly refusal: Refusal | null;
  /** Of the budget. */
  readonly taken: number;
}

/** What became of it: nothing yet, go to the store, or this refusal. */
export type Claimed = { readonly claim: Claim; readonly go: boolean; readonly refusal: Refusal | null };

const waits = (claim: Claim): Claimed => ({ claim, go: false, refusal: null });
const goes = (claim: Claim): Claimed => ({ claim, go: true, refusal: null });

export function beginClaim(op: EncounterOp, bounds: Bounds, tag: string, turn: Turn): Claimed {
  const waiting = SIDES.filter(side => bounds[side] !== null);
  const claim: Claim = { op, bounds, waiting, granted: [], refusal: null, taken: 0 };
  for (const side of waiting) {
    const points = side === 'officer' ? op.officerPoints : op.civilianPoints;
    const limits = bounds[side] as EarnLimits;
    const earn = { id: op.id, points, limits, pair: turn.self.id, tag: `${CLAIM}${tag}/${side}` };
    turn.tell({ kind: 'user', id: op[side] }, { type: 'earn', ...earn } satisfies UserMessage);
  }
  if (waiting.length === 0) return askBudget(claim, tag, turn);
  turn.timer(CLAIM + tag, ACTOR_LIMITS.claimMs, { type: 'claimLate', tag } satisfies ClaimLate);
  return waits(claim);
}

/** Somebody has answered. @param step what stands behind the tag */
export function claimAnswered(
  claim: Claim,
  tag: string,
  step: string,
  result: Result<unknown>,
  turn: Turn,
): Claimed {
  if (step === 'known') return known(claim, result, turn);
  if (step === 'budget') return taken(claim, tag, result, turn);
  const side = claim.waiting.find(one => one === step);
  if (side === undefined) return waits(claim);
  const next: Claim = { ...claim, waiting: claim.waiting.filter(one => one !== side) };
  if (!result.ok) return sidesAnswered({ ...next, refusal: claim.refusal ?? result }, tag, turn);
  const { points } = result.value as Earned;
  const key = side === 'officer' ? 'officerPoints' : 'civilianPoints';
  const op = { ...next.op, [key]: points };
  return sidesAnswered({ ...next, op, granted: [...next.granted, side] }, tag, turn);
}

/** Somebody has not said what his day holds. */
export const claimLate = (claim: Claim, turn: Turn): Claimed =>
  claim.waiting.length === 0 ? waits(claim) : refused(claim, IN_DOUBT, turn);

function sidesAnswered(claim: Claim, tag: string, turn: Turn): Claimed {
  if (claim.waiting.length > 0) return waits(claim);
  turn.cancelTimer(CLAIM + tag);
  return claim.refusal ? refused(claim, claim.refusal, turn) : askBudget(claim, tag, turn);
}

function askBudget(claim: Claim, tag: string, turn: Turn): Claimed {
  const { op, bounds } = claim;
  const points = op.officerPoints + op.civilianPoints;
  if (!bounds.budget || points === 0) return goes(claim);
  askFor(bounds.budget, op.id, points, turn, `${CLAIM}${tag}/budget`, ACTOR_LIMITS.claimMs);
  return waits(claim);
}

function taken(claim: Claim, tag: string, result: Result<unknown>, turn: Turn): Claimed {
  const { op } = claim;
  if (result.ok) return goes({ ...claim, taken: op.officerPoints + op.civilianPoints });
  if (result.retryable) return refused(claim, result, turn);
  turn.query({ type: 'entries', ids: [op.id] }, `${CLAIM}${tag}/known`);
  return waits({ ...claim, refusal: result });
}

function known(claim: Claim, result: Result<unknown>, turn: Turn): Claimed {
  if (!result.ok) return refused(claim, result, turn);
  const isThere = (result.value as QueryAnswers['entries']).length > 0;
  return isThere ? goes(claim) : refused(claim, claim.refusal as Refusal, turn);
}

function refused(claim: Claim, refusal: Refusal, turn: Turn): Claimed {
  unclaim(claim, turn);
  return { claim, go: false, refusal };
}

/** Nothing came of it: everything is said back. */
export function unclaim({ op, granted, taken: points, bounds }: Claim, turn: Turn): void {
  for (const side of granted) {
    const message: UserMessage = { type: 'unearn', id: op.id };
    turn.tell({ kind: 'user', id: op[side] }, message);
  }
  if (bounds.budget && points > 0) giveBack({ op, taken: points, bounds }, turn);
}

/** The store had it already: what was taken for it was taken before. */
export function giveBack(
  { op, taken: points, bounds }: Pick<Claim, 'op' | 'taken' | 'bounds'>,
  turn: Turn,
): void {
  if (!bounds.budget || points === 0) return;
  giveBackTo(bounds.budget, op.id, points, turn);
}
