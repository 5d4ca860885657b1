/** The mechanisms of the realtime side, each with what it looks like when it is missing, and who must notice. */
import type { Mutant } from '../mutants.ts';
import type { Invariant } from './invariants.ts';

export interface PhoneMutant extends Omit<Mutant, 'profile'> {
  /** The invariants that may say so. */
  readonly noticed: readonly Invariant[];
}

export const PHONE_MUTANTS: readonly PhoneMutant[] = [];

export const phoneMutant = (name: string): Mutant => {
  const found = PHONE_MUTANTS.find(one => one.name === name);
  if (!found) throw new Error(`there is no mutant "${name}"`);
  return { ...found, profile: 'calm' };
};
