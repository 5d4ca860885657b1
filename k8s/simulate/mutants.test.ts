import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MUTANTS } from './mutants.ts';
import { patched, sourcesOf } from './mutate.ts';

test.each(MUTANTS.map(mutant => [mutant.name, mutant] as const))(
  'the mutant "%s" finds its text exactly once in the sources as they are',
  (_, mutant) => {
    expect(mutant.patches.length).toBeGreaterThan(0);
    for (const source of sourcesOf(mutant).values()) expect(source.length).toBeGreaterThan(0);
  },
);

test('each safety mechanism has one mutant, as many as nodes/README.md says, and a patch that does not fit is told', () => {
  expect(new Set(MUTANTS.map(mutant => mutant.name)).size).toBe(MUTANTS.length);
  expect(MUTANTS.length).toBeGreaterThanOrEqual(12);
  const page = readFileSync(new URL('../../nodes/README.md', import.meta.url), 'utf8');
  expect(page).toContain(`${MUTANTS.length} mechanisms are taken away one at a time`);
  const patch = { file: 'x.ts', find: 'a', replace: 'b' };
  expect(patched('cat', patch)).toBe('cbt');
  expect(() => patched('banana', patch)).toThrow('x.ts has the text "a" 3 times, not once');
  expect(() => patched('dog', patch)).toThrow('0 times');
});
