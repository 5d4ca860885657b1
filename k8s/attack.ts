/**
 * `npm run attack`: an attacker with many accounts hunts officers in towns of real actors on virtual time, by every
 * strategy, against the product and against towns with a planted leak; prints by how much he errs. Exit 1 when he comes
 * closer to the product's officers than the coarse cell, and when he does not find what is planted.
 */
import { parseArgs } from 'node:util';
import { COARSE_M } from './attack/ground.ts';
import { FOUND_M, LEAKS, type Leak } from './attack/leaks.ts';
import { type Score, score } from './attack/score.ts';
import { STRATEGIES } from './attack/strategies.ts';

const HELP = `npm run attack -- [options]

Hunts officers with the accounts of an attacker, on virtual time, and prints the median error of each strategy.

  --seeds N       towns for each strategy (4)
  --first N       the first seed (1)
  --officers N    officers in each town (12)
  --strategy S    only this one: ${STRATEGIES.map(one => one.name).join(', ')}
  --leak L        only this variant: ${LEAKS.join(', ')} (all: the product with every strategy, leaks with watch,
                  trilaterate and everything)
  --hypotheses N  of the attacker, for each officer (1500)

Columns: median error over all officers and minutes; at the moment of which the attacker is most sure; the same among those
who were seen to change areas. Exit 1 when one of the first two is below ${COARSE_M} m against the product, or when the best of
a planted leak is not: "distance" within ${FOUND_M.distance} m, "prompt" within ${FOUND_M.prompt} m.`;

const LEAKY_STRATEGIES = ['watch', 'trilaterate', 'everything'];

async function main(): Promise<number> {
  const text = { type: 'string' } as const;
  const parse = () =>
    parseArgs({
      options: {
        help: { type: 'boolean', short: 'h' },
        seeds: text,
        first: text,
        officers: text,
        strategy: text,
        leak: text,
        hypotheses: text,
      },
    });
  let values: ReturnType<typeof parse>['values'];
  try {
    ({ values } = parse());
  } catch (error) {
    console.error(`${(error as Error).message.split('. ')[0]}. Try --help.`);
    return 2;
  }
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const whole = (given: string | undefined, otherwise: number): number | null => {
    const n = given === undefined ? otherwise : Number(given);
    return Number.isInteger(n) && n > 0 ? n : null;
  };
  const seeds = whole(values.seeds, 4);
  const first = whole(values.first, 1);
  const officers = whole(values.officers, 12);
  const hypotheses = whole(values.hypotheses, 1_500);
  const wanted = STRATEGIES.filter(one => values.strategy === undefined || one.name === values.strategy);
  const leaks = LEAKS.filter(one => values.leak === undefined || one === values.leak);
  if (seeds === null || first === null || officers === null || hypotheses === null) {
    console.error('Numbers are whole and above 0. Try --help.');
    return 2;
  }
  if (wanted.length === 0 || leaks.length === 0) {
    console.error('There is no such strategy or leak. Try --help.');
    return 2;
  }
  const all: Score[] = [];
  let broken = false;
  for (const leak of leaks) {
    console.log(`\n${nameOf(leak)}`);
    console.log(
      row(['strategy', 'median m', 'moment m', 'border m', 'officers', 'crossed', 'seen', 'met', 's']),
    );
    for (const strategy of wanted) {
      if (leak !== 'none' && values.strategy === undefined && !LEAKY_STRATEGIES.includes(strategy.name))
        continue;
      const its = await score({ strategy, leak, seeds, first, officers, hypotheses });
      all.push(its);
      const figures = [its.medianM, its.momentM, its.borderM].map(one => one.toFixed(0));
      const counts = [its.officers, its.crossed, its.sightings, its.met].map(String);
      console.log(row([its.strategy, ...figures, ...counts, its.seconds.toFixed(1)]));
    }
    const ofLeak = all.filter(one => one.leak === leak);
    const best = Math.min(...ofLeak.flatMap(one => [one.medianM, one.momentM]));
    const isFine = leak === 'none' ? best >= COARSE_M : best <= FOUND_M[leak];
    const must = leak === 'none' ? `at least the coarse cell of ${COARSE_M} m` : `within ${FOUND_M[leak]} m`;
    console.log(`best: ${best.toFixed(0)} m, ${isFine ? '' : 'NOT '}${must}`);
    if (!isFine) broken = true;
  }
  console.log(`\n${JSON.stringify({ attack: 'hunt', seeds, first, officers, scores: all })}`);
  return broken ? 1 : 0;
}

const nameOf = (leak: Leak): string =>
  leak === 'none' ? 'the product' : `planted leak "${leak}" (must be broken)`;

const row = (cells: readonly string[]): string =>
  cells.map((cell, i) => (i === 0 ? cell.padEnd(12) : cell.padStart(10))).join('');

process.exitCode = await main();
