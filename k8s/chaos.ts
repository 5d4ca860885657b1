/**
 * `npm run chaos`: a cluster is broken under load by a seeded schedule and mended, and checkers look for what was lost,
 * doubled or told differently to two sides. The last line is one JSON object.
 */
import { HELP, readArguments } from './chaos/arguments.ts';
import { runMutants } from './chaos/mutantRuns.ts';
import { runChaos } from './chaos/run.ts';

const EXIT_USAGE = 2;

const main = async (): Promise<number> => {
  const asked = readArguments(process.argv.slice(2));
  if (asked === null) {
    console.log(HELP);
    return 0;
  }
  if (typeof asked === 'string') {
    console.error(asked);
    return EXIT_USAGE;
  }
  if (asked.target === 'kubernetes') {
    console.error('Chaos in a Kubernetes cluster is not there yet: use --target processes.');
    return EXIT_USAGE;
  }
  console.log(`seed ${asked.seed}`);
  if (asked.mutants) {
    const results = await runMutants({ ...asked, log: line => console.log(line) }, asked.only);
    const alive = results.filter(one => !one.killed).map(one => one.mutant);
    console.log(
      JSON.stringify({
        seed: asked.seed,
        mutants: results,
        alive,
        verdict: alive.length === 0 ? 'pass' : 'fail',
      }),
    );
    return alive.length === 0 ? 0 : 1;
  }
  const { verdict } = await runChaos({ ...asked, log: line => console.log(line) });
  for (const words of verdict.problems) console.log(`wrong: ${words}`);
  console.log(JSON.stringify(verdict));
  return verdict.verdict === 'pass' ? 0 : 1;
};

process.exitCode = await main();
