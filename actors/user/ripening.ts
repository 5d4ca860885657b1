/**
 * Points that were earned lately and may not be spent yet, where a town says so (`PointsLife.activateMs`, off by default: then
 * nothing of it is read or remembered). Nothing is written of it: it is what the mint gave for meetings and promotions within
 * that time, less what operators took back of it. Gifts, refunds and what was set aside and comes back are nobody's fresh
 * earnings and may be spent at once.
 *
 * The actor remembers the last ones. What the ledger knows of and was not told here yet counts as earned just now: so never more
 * can be spent than may be.
 */
import type { FreshCredit, Movement } from '../queries.ts';
import type { PointsLife } from '../rules.ts';
import type { UserState } from './state.ts';

export interface Ripening {
  readonly delayMs: number;
  readonly credits: readonly FreshCredit[];
}

/** What starts with the actor; null: points may be spent at once. */
export const ripeningOf = (
  { activateMs: delayMs }: PointsLife,
  credits: readonly FreshCredit[],
): Ripening | null => (delayMs > 0 ? { delayMs, credits } : null);

/** Reasons for which the mint gives what must wait. */
const EARNED = ['encounter', 'promotion'];

/** What of a movement must wait; null: nothing. */
export const freshOf = ({ reason, delta, atMs }: Movement): FreshCredit | null => {
  const isFresh = delta > 0 ? EARNED.includes(reason) : reason === 'reversal';
  return isFresh ? { atMs, points: delta } : null;
};

/** A movement was told. */
export function ripensWith(ripening: Ripening, movement: Movement): Ripening {
  const fresh = freshOf(movement);
  if (!fresh) return ripening;
  const sinceMs = movement.atMs - ripening.delayMs;
  return { ...ripening, credits: [...ripening.credits.filter(({ atMs }) => atMs > sinceMs), fresh] };
}

/** Points of the balance that may not be spent yet. */
export function unripePoints({ ripening, outbox, ahead }: UserState, nowMs: number): number {
  if (ripening === null) return 0;
  const sinceMs = nowMs - ripening.delayMs;
  const sum = (of: readonly { readonly points: number }[]): number =>
    of.reduce((all, { points }) => all + points, 0);
  const fresh = sum(ripening.credits.filter(({ atMs }) => atMs > sinceMs));
  const told = sum(ahead.flatMap(one => freshOf(one) ?? []));
  const newest = ahead.at(-1)?.balance ?? outbox.now.balance;
  const untold = newest - outbox.now.balance - ahead.reduce((all, { delta }) => all + delta, 0);
  return Math.max(0, fresh + told + Math.max(0, untold));
}
