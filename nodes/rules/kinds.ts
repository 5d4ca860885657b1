/** What each kind of rule is asked with, by whom, and who gets or pays points by it. */
import type { RuleKind } from '../../actors/scoring.ts';
import { METHODS } from '../../protocol/catalogue.ts';
import { MEETING_VALUES } from './meetingValues.ts';
import { STATES } from './states.ts';

/** What an input is: a word, if `of` is there always one of these, or a number that is rounded down to a multiple of `step`. */
export type InputType =
  | { readonly is: 'word'; readonly of?: readonly string[] }
  | { readonly is: 'number'; readonly step: number };

export interface KindShape {
  readonly parties: readonly string[];
  readonly inputs: Readonly<Record<string, InputType>>;
  /** Whether a rule of this kind must give points to somebody to make sense. */
  readonly pays: boolean;
  /** Other numbers that somebody reads. */
  readonly values: readonly string[];
}

const word: InputType = { is: 'word' };
const whole: InputType = { is: 'number', step: 1 };
const oneOf = (...of: readonly string[]): InputType => ({ is: 'word', of });
const state = oneOf(...STATES);

export const KINDS: Readonly<Record<RuleKind, KindShape>> = {
  'encounter.points': {
    parties: ['officer', 'civilian'],
    inputs: { state, method: oneOf(...METHODS) },
    pays: true,
    values: [],
  },
  'redemption.price': {
    parties: ['payer'],
    inputs: {
      state,
      price: whole,
      quantity: whole,
      offerKind: oneOf('goods', 'service', 'fee'),
      payerKind: oneOf('civilian', 'family', 'charity'),
      merchant: word,
    },
    pays: true,
    values: [],
  },
  donation: {
    parties: ['payer', 'payee'],
    inputs: {
      state,
      points: whole,
      payerKind: oneOf('civilian', 'officer', 'charity'),
      payeeKind: oneOf('charity', 'family'),
    },
    pays: true,
    values: [],
  },
  giveaway: {
    parties: ['payer', 'payee'],
    inputs: { state, points: whole, payerKind: oneOf('officer'), payeeKind: oneOf('officer') },
    pays: true,
    values: [],
  },
  // one for the whole town: where somebody is follows from it
  'proximity.notify': {
    parties: [],
    inputs: { userKind: oneOf('officer') },
    pays: false,
    values: MEETING_VALUES,
  },
  'earning.limit': {
    parties: [],
    inputs: { state, userKind: oneOf('officer', 'civilian') },
    pays: false,
    values: ['pointsPerDay'],
  },
  promotion: {
    parties: ['user'],
    inputs: {
      state,
      of: oneOf('encounter.points'),
      points: whole,
      userKind: oneOf('officer', 'civilian'),
    },
    pays: true,
    values: [],
  },
};
