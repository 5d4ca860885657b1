/**
 * An invariant that never speaks proves nothing: each mechanism of the realtime side is taken away in turn, and an
 * invariant that is named beforehand must notice, within so many scripts.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { INVARIANTS } from './invariants.ts';
import { PHONE_MUTANTS } from './mutants.ts';

const MAIN = join(import.meta.dirname, 'main.ts');
const RUNS = 60;

test.each(PHONE_MUTANTS.map(one => [one.name, one] as const))(
  'without it somebody notices: %s',
  { timeout: 240_000 },
  async (mutant, { noticed, seed }) => {
    const order = JSON.stringify({ mutant, seed, runs: RUNS });
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', MAIN, order],
      { maxBuffer: 1e8 },
    );
    const { failing, broken } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as {
      failing: number;
      broken?: { invariant: string }[];
    };
    expect(failing).toBe(1);
    expect(noticed).toContain(broken![0]!.invariant);
  },
);

test('every invariant from (a) to (j) is noticed by somebody', () => {
  const spoken = new Set(PHONE_MUTANTS.flatMap(one => one.noticed));
  for (const one of INVARIANTS.filter(name => /^[a-j]: /.test(name))) expect([...spoken]).toContain(one);
});
