/**
 * How old the points of an account are, without a row for each lot of them.
 *
 * What came first is spent first. So whatever was spent, what is left are the newest credits, as many as make up what can be
 * spent: nobody has to write down which debit took from which credit. What has expired by a day follows in one sum,
 *
 *     expired = what can be spent - credits that have not come to their end   (never below nothing)
 *
 * and is taken away by an entry like any other, which is one debit more: asked again, nothing has expired.
 *
 * - Points that are set aside count as spent: nobody loses them while a till has not decided. Given back, it is as if they had
 *   never been set aside: they have the age that they had, and what was spent meanwhile took the older ones.
 * - A refund is a credit like any other: its points are as new as it is.
 *
 * Time is in whole steps (`PointsLife.stepMs`, a day): a credit of step s that lives for n steps is there in step s + n to its
 * end, and gone with the beginning of s + n + 1. So nobody has less than n whole steps.
 */

/** Points that came in one step and are not spent. */
export interface Lot {
  readonly step: number;
  readonly points: number;
}

/**
 * What is left of what came, oldest first, one lot for each step.
 *
 * @param spendable points of the account that are not set aside
 * @param newestFirst everything that ever came to it, as far back as it is asked for
 */
export function unspentLots(spendable: number, newestFirst: Iterable<Lot>): Lot[] {
  const lots: Lot[] = [];
  let left = spendable;
  if (left <= 0) return lots;
  for (const { step, points } of newestFirst) {
    const taken = Math.min(left, points);
    const oldest = lots[0];
    if (oldest?.step === step) lots[0] = { step, points: oldest.points + taken };
    else lots.unshift({ step, points: taken });
    left -= taken;
    if (left === 0) break;
  }
  return lots;
}

/** The step with which a lot is gone. */
export const goneWith = ({ step }: Lot, lifeSteps: number): number => step + lifeSteps + 1;

/** Points that are gone with this step. */
export const expiredWith = (lots: readonly Lot[], step: number, lifeSteps: number): number =>
  lots.reduce((sum, lot) => (goneWith(lot, lifeSteps) <= step ? sum + lot.points : sum), 0);

/** What is gone next after a step, and with which; null: nothing is left. */
export function nextToGo(lots: readonly Lot[], step: number, lifeSteps: number): Lot | null {
  const next = lots.find(lot => goneWith(lot, lifeSteps) > step);
  return next ? { step: goneWith(next, lifeSteps), points: next.points } : null;
}
