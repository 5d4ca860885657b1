/** Mutants name what is there: text that stands in its file once, faults that exist, and checkers that may notice. */
import { expect, it } from 'vitest';
import { sourcesOf } from '../simulate/mutate.ts';
import { FAULTS } from './faults/index.ts';
import { CHECKERS } from './judge.ts';
import { MUTANTS } from './mutants.ts';

it.each(MUTANTS)('$name', mutant => {
  expect(sourcesOf({ ...mutant, profile: 'calm' }).size).toBeGreaterThan(0);
  for (const name of mutant.faults) expect(FAULTS.map(fault => fault.name)).toContain(name);
  for (const name of mutant.noticed) expect(Object.keys(CHECKERS)).toContain(name);
});
