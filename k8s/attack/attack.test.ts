/**
 * What an attacker learns in towns of his own, with real actors: against the product nothing that his accounts see depends
 * on anything finer than the area; what is planted is found. By how much he errs prints `k8s/attack.ts`.
 */
import { expect, it } from 'vitest';
import { hunt } from './arena.ts';
import type { Leak } from './leaks.ts';
import { STRATEGIES } from './strategies.ts';

const SEED = 1_000_004;

/** Of few officers a channel that speaks seldom says by chance more than it knows. */
const MANY = 30;

const learned = async (name: string, leak: Leak, minutes: number, officers = 10): Promise<string> => {
  const strategy = STRATEGIES.find(one => one.name === name)!;
  const { knowledge } = await hunt({
    strategy,
    leak,
    seed: SEED,
    officers,
    hypotheses: 1,
    minutes,
    knowledge: null,
  });
  const found = knowledge!.found.join('\n');
  console.log(`seed ${SEED}, ${name}, leak ${leak}:\n${found}`);
  return found;
};

it('lists, periods and bytes say the area and no more', async () => {
  expect(await learned('watch', 'none', 60, MANY)).not.toMatch(/coarse cell|distance/);
}, 60_000);

it('answers to heys say the area and no more', async () => {
  const found = await learned('hey', 'none', 20);
  expect(found).toMatch(/hey: /);
  expect(found).not.toMatch(/hey: (coarse cell|distance)/);
}, 60_000);

it('a distance that is rounded to 100 m is found', async () => {
  expect(await learned('watch', 'distance', 20)).toMatch(/leak: .*misses the distance by [1-5]\d m/);
}, 60_000);

it('lists of coarse cells are found', async () => {
  expect(await learned('watch', 'prompt', 30)).toMatch(/leak: (coarse cell|distance)/);
}, 60_000);
