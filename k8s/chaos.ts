/**
 * `npm run chaos`: a cluster is broken under load by a seeded schedule and mended, and checkers look for what was lost,
 * doubled or told differently to two sides. The last line is one JSON object.
 */
import { join } from 'node:path';
import { type ChaosArguments, HELP, readArguments } from './chaos/arguments.ts';
import { campaignOf } from './chaos/campaign.ts';
import { runOnKubernetes } from './chaos/kubernetes/run.ts';
import { runMutants } from './chaos/mutantRuns.ts';
import { type RunVerdict, runChaos } from './chaos/run.ts';

const EXIT_USAGE = 2;

const run = async (asked: ChaosArguments, seed: number, out: string): Promise<RunVerdict> => {
  const plan = { ...asked, seed, out, log: (line: string) => console.log(line) };
  const verdict =
    asked.target === 'kubernetes' ? await runOnKubernetes(plan) : (await runChaos(plan)).verdict;
  for (const words of verdict.problems) console.log(`wrong: ${words}`);
  return verdict;
};

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
  console.log(`seed ${asked.seed}`);
  if (asked.mutants) {
    const result = await runMutants({ ...asked, log: line => console.log(line) }, asked.only);
    console.log(JSON.stringify(result));
    return result.verdict === 'pass' ? 0 : 1;
  }
  if (asked.runs === 1) {
    const verdict = await run(asked, asked.seed, asked.out);
    console.log(JSON.stringify(verdict));
    return verdict.verdict === 'pass' ? 0 : 1;
  }
  const verdicts: RunVerdict[] = [];
  for (let i = 0; i < asked.runs; i++) {
    const seed = (asked.seed + i) % 2 ** 32;
    console.log(`run ${i + 1} of ${asked.runs}, seed ${seed}`);
    verdicts.push(await run(asked, seed, join(asked.out, String(seed))));
  }
  const campaign = campaignOf(asked.seed, asked.faults, verdicts);
  console.log(JSON.stringify(campaign));
  return campaign.verdict === 'pass' ? 0 : 1;
};

process.exitCode = await main().catch(error => {
  console.error(`chaos: ${error instanceof Error ? error.message : error}`);
  return 1;
});
