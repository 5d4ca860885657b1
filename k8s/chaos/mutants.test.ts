/** Mutants name what is there: text that stands in its file once, faults that exist, and checkers that may notice. */
import { describe, expect, it } from 'vitest';
import { sourcesOf } from '../simulate/mutate.ts';
import { FAULTS } from './faults/index.ts';
import { CHECKERS } from './judge.ts';
import { resultOf } from './mutantRuns.ts';
import { MUTANTS } from './mutants.ts';

it.each(MUTANTS)('$name', mutant => {
  expect(sourcesOf({ ...mutant, profile: 'calm' }).size).toBeGreaterThan(0);
  for (const name of mutant.faults) expect(FAULTS.map(fault => fault.name)).toContain(name);
  for (const name of mutant.noticed) expect(Object.keys(CHECKERS)).toContain(name);
});

describe('what a run without a safety proves', () => {
  const [mutant] = MUTANTS;
  const [right] = mutant!.noticed;

  it('is that a checker of this safety sees that it is gone, and in which words', () => {
    const said = {
      verdict: 'fail',
      problems: ['late', 'gone'],
      found: { liveness: 'late', [right!]: 'gone' },
    } as const;
    expect(resultOf(mutant!, { ...said, failed: ['liveness', right!] })).toMatchObject({
      killed: true,
      noticed: [right],
      first: 'gone',
    });
  });

  it('is nothing when only others found something, or nobody did', () => {
    const other = {
      verdict: 'fail',
      failed: ['liveness'],
      problems: ['late'],
      found: { liveness: 'late' },
    } as const;
    expect(resultOf(mutant!, other)).toMatchObject({ killed: false, noticed: [], first: 'late' });
    const nobody = { verdict: 'pass', failed: [], problems: [], found: {} } as const;
    expect(resultOf(mutant!, nobody)).toMatchObject({ killed: false, first: '' });
  });
});
