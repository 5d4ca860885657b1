/**
 * What a rule may have been asked with, from what the ledger shows of the movement, where nobody kept it. The trace of the
 * movement says which of these it was, so nothing is made up.
 */
import { FEE } from '../../actors/fees.ts';
import { PROMOTION } from '../../actors/user/promotion.ts';
import { REDEMPTION } from '../../actors/user/redeem.ts';
import type { MovementRecord } from './explainer.ts';
import type { Given } from './trace.ts';

/** Units of a redemption of which the price is looked for. */
const UNITS_MAX = 100;

export function rebuilt({ encounter, reason, postings }: MovementRecord): readonly Given[] {
  if (encounter) return [{ method: encounter.method }];
  const people = postings.filter(({ kind }) => kind !== null);
  const payer = people.find(({ delta }) => delta < 0);
  const payees = people.filter(({ delta }) => delta > 0);
  if (reason === PROMOTION)
    return payees.map(({ kind }) => ({ of: 'encounter.points', userKind: String(kind) }));
  if (!payer || payees.length === 0) return [];
  const [left, payerKind] = [-payer.delta, String(payer.kind)];
  if (reason === 'donation' || reason === 'giveaway') {
    // of a gift that was split the rule of its first part stands there
    const parts = payees.length === 1 ? [left] : payees.map(({ delta }) => delta);
    return payees.map(({ kind }, i) => ({ points: parts[i]!, payerKind, payeeKind: String(kind) }));
  }
  const merchant = payees[0]!.account;
  if (reason === FEE) return [{ price: left, quantity: 1, offerKind: 'fee', payerKind, merchant }];
  if (reason !== REDEMPTION) return [];
  return Array.from({ length: UNITS_MAX }, (_, i) => i + 1).flatMap(quantity =>
    left % quantity === 0
      ? (['goods', 'service'] as const).map(offerKind => ({
          ...{ price: left / quantity, quantity, offerKind, payerKind, merchant },
        }))
      : [],
  );
}
