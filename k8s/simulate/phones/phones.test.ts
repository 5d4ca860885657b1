/**
 * Random scripts of losses, kills, drains, twins, revocations and slow readers against the real nodes, gateways and
 * clients on virtual time: the invariants (a) to (j) of the realtime side. `PHONES=2000` plays more, `PHONES_SEED` others.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { play, RUNS, SEED } from './play.ts';
import { sampleOf } from './sample.ts';
import { script } from './script.ts';

test('whatever happens to phones and nodes, the invariants hold', { timeout: 600_000 }, async () => {
  console.log(`PHONES_SEED=${SEED}`);
  const counts = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(script, async one => {
      const told = await play(one);
      for (const [what, n] of told.counts) counts.set(what, (counts.get(what) ?? 0) + n);
      expect(told.broken).toEqual([]);
    }),
    { numRuns: RUNS, seed: SEED, endOnFailure: process.env.PHONES_SHRINK === undefined },
  );
  if (process.env.PHONES_COUNTS)
    console.log(
      [...counts]
        .sort()
        .map(([k, v]) => `${v}\t${k}`)
        .join('\n'),
    );
});

test('one script twice is the same life, to the last frame', { timeout: 120_000 }, async () => {
  const [one] = sampleOf(1, SEED);
  const [first, again] = [await play(one!), await play(one!)];
  expect(again.digest).toBe(first.digest);
  expect(again.story).toEqual(first.story);
});
