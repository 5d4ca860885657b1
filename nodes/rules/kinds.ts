/** What each kind of rule is asked with, and who gets or pays points by it. */
import type { RuleKind } from '../../actors/scoring.ts';

/** What an input is: a word of a list or free, or a number that is rounded down to a multiple of `step`. */
export type InputType = { readonly is: 'word' } | { readonly is: 'number'; readonly step: number };

export interface KindShape {
  readonly parties: readonly string[];
  readonly inputs: Readonly<Record<string, InputType>>;
  /** Whether a rule of this kind must give points to somebody to make sense. */
  readonly pays: boolean;
}

const word: InputType = { is: 'word' };
const whole: InputType = { is: 'number', step: 1 };
const place = { state: word, city: word };

export const KINDS: Readonly<Record<RuleKind, KindShape>> = {
  'encounter.points': { parties: ['officer', 'civilian'], inputs: { ...place, method: word }, pays: true },
  'redemption.price': {
    parties: ['payer'],
    inputs: { ...place, price: whole, quantity: whole, offerKind: word, payerKind: word, merchant: word },
    pays: true,
  },
  donation: {
    parties: ['payer', 'payee'],
    inputs: { ...place, points: whole, payerKind: word, payeeKind: word },
    pays: true,
  },
  giveaway: {
    parties: ['payer', 'payee'],
    inputs: { ...place, points: whole, payerKind: word, payeeKind: word },
    pays: true,
  },
  'proximity.notify': { parties: [], inputs: { ...place, userKind: word }, pays: false },
  'earning.limit': { parties: [], inputs: { ...place, userKind: word }, pays: false },
  promotion: {
    parties: ['user'],
    inputs: { ...place, of: word, points: whole, userKind: word },
    pays: true,
  },
};
