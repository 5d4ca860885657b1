/**
 * Fines and fees of a municipality. A fine is one person's, a fee is everybody's; each is paid once, a fee by each person.
 *
 * The ledger sees to "once": the id of the entry follows from what is paid, so that a second payment, from wherever, finds
 * the first. For the same reason a payment that was refused keeps no id to itself (`nodes/ledgerRules.ts`): the refusal of
 * today would close the fine for good.
 */
import { derivedId } from '../protocol/derivedId.ts';

/** Why points moved. */
export const FEE = 'fee';

export const FEE_KINDS = ['fine', 'fee'] as const;
export type FeeKind = (typeof FEE_KINDS)[number];

/** Of the ledger entry that pays it. */
export const feePaymentId = (fee: { readonly id: string; readonly kind: FeeKind }, payer: string): string =>
  fee.kind === 'fine' ? derivedId(FEE, fee.id) : derivedId(FEE, fee.id, payer);
