/**
 * An attacker in towns with real actors: by how much he errs, and what he learns. Against the product nothing that his
 * accounts see depends on anything finer than the area; what is planted he finds, with the same strategies. Small hunts: those
 * that say something are run by `npm run attack`.
 */
import { expect, it } from 'vitest';
import { areaRules } from '../../actors/geo/areaRules.ts';
import { hunt } from './arena.ts';
import { COARSE_M } from './ground.ts';
import { FOUND_M, type Leak } from './leaks.ts';
import { score } from './score.ts';
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

const errsBy = async (
  leak: Leak,
  minutes: number,
  name = 'watch',
  area = areaRules(),
): Promise<{ medianM: number; momentM: number }> => {
  const strategy = STRATEGIES.find(one => one.name === name)!;
  const its = await score({
    strategy,
    leak,
    seeds: 1,
    first: 1,
    officers: 16,
    hypotheses: 400,
    minutes,
    area,
  });
  const figures = [its.medianM, its.momentM].map(one => one.toFixed(0)).join(' and ');
  console.log(`seed 1, ${name}, leak ${leak}: median error ${figures} m, over all and when he is sure`);
  return its;
};

it('he errs by the coarse cell at least', async () => {
  // of so few officers the one moment of each says little: `npm run attack` looks at that
  expect((await errsBy('none', 60)).medianM).toBeGreaterThanOrEqual(COARSE_M);
}, 180_000);

// three hours of watching are for `npm run attack`
it.each(STRATEGIES.filter(({ name, hours }) => name !== 'watch' && hours === 1).map(({ name }) => name))(
  'nor does he come closer by other ways: %s',
  async name => {
    expect((await errsBy('none', 10, name)).medianM).toBeGreaterThanOrEqual(COARSE_M);
  },
  180_000,
);

it.each(['watch', 'trilaterate'])(
  'nor by the notices, where a rule gives them a radius and sends them all the time: %s',
  async name => {
    const area = areaRules({ nearRadiusM: 3_000, nearAgainMs: 0 });
    const { medianM, momentM } = await errsBy('none', 20, name, area);
    expect(medianM).toBeGreaterThanOrEqual(COARSE_M);
    expect(momentM).toBeGreaterThanOrEqual(COARSE_M);
  },
  180_000,
);

it('with distances, rounded to 100 m, the same attacker finds them', async () => {
  const { medianM, momentM } = await errsBy('distance', 20);
  expect(medianM).toBeLessThanOrEqual(FOUND_M.distance);
  expect(momentM).toBeLessThanOrEqual(FOUND_M.distance);
}, 180_000);

it('lists, periods and bytes say the area and no more', async () => {
  expect(await learned('watch', 'none', 60, MANY)).not.toMatch(/coarse cell|distance/);
}, 180_000);

it('answers to heys say the area and no more', async () => {
  const found = await learned('hey', 'none', 20);
  // as late as the lists, and so no more than they say
  expect(found).toMatch(/hey: area, [1-9]\d* steps late/);
}, 180_000);

it('a distance that is rounded to 100 m is found', async () => {
  expect(await learned('watch', 'distance', 20)).toMatch(/leak: .*misses the distance by [1-5]\d m/);
}, 180_000);

it('lists of coarse cells are found', async () => {
  expect(await learned('watch', 'prompt', 30)).toMatch(/leak: (coarse cell|distance)/);
}, 180_000);
