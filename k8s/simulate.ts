/**
 * `npm run simulate`: many seeds of simulated clusters on a few threads, or every mutant until it is caught. The last line
 * is one JSON object.
 */
import { PROFILES } from '../nodes/simulation/profiles.ts';
import { commitOf } from './commit.ts';
import { HELP, parseArguments, type SimulateOptions } from './simulate/arguments.ts';
import type { Job, Outcome } from './simulate/jobs.ts';
import { MUTANTS } from './simulate/mutants.ts';
import { type Crash, Pool } from './simulate/pool.ts';
import { aligned, Tally } from './simulate/tally.ts';

const PROGRESS_MS = 5_000;
/** Failing seeds that are told of in words; more are only counted. */
const FAILURES_TOLD = 3;

function* jobsOf(options: SimulateOptions): Generator<Job> {
  const { first, seeds, nodes, profile, tell } = options;
  for (let seed = first; seed < first + seeds; seed++) {
    const its = profile ?? PROFILES[seed % PROFILES.length]!;
    yield { seed, nodes, profile: its, tell, always: seeds === 1 };
  }
}

const repeat = ({ seed, nodes, profile }: Job): string =>
  `npm run simulate -- --seeds 1 --first ${seed} --nodes ${nodes} --profile ${profile}`;

function tellFailure(job: Job, outcome: Outcome | Crash): void {
  console.log(`\nSeed ${job.seed} (${job.profile}, ${job.nodes} nodes, commit ${commitOf()}):`);
  if ('crash' in outcome) console.log(`  ${outcome.crash}`);
  else {
    for (const line of outcome.events) console.log(`  ${line}`);
    for (const { checker, words, atMs } of outcome.violations.slice(0, 5)) {
      console.log(`  BROKEN at ${(atMs / 1_000).toFixed(3)} s: ${checker}: ${words}`);
    }
  }
  console.log(`  Again, byte for byte: ${repeat(job)}`);
}

async function seeds(options: SimulateOptions): Promise<number> {
  const startedMs = performance.now();
  const pool = new Pool(Math.min(options.workers, options.seeds), { mutant: null });
  const tally = new Tally();
  const failing: number[] = [];
  let done = 0;
  let saidMs = startedMs;
  let digest = '';
  await pool.run(jobsOf(options), (job, outcome) => {
    done++;
    const broken = 'crash' in outcome || outcome.violations.length > 0;
    if (!('crash' in outcome)) {
      tally.add(outcome);
      digest = outcome.report.digest;
    }
    if (broken) {
      failing.push(job.seed);
      if (failing.length <= FAILURES_TOLD) tellFailure(job, outcome);
    } else if (job.always) for (const line of (outcome as Outcome).events) console.log(line);
    const nowMs = performance.now();
    if (done < options.seeds && nowMs - saidMs > PROGRESS_MS) {
      saidMs = nowMs;
      const perS = done / ((nowMs - startedMs) / 1_000);
      console.log(
        `${done} of ${options.seeds} seeds, ${perS.toFixed(1)} a second, ${failing.length} failing`,
      );
    }
    return true;
  });
  await pool.close();
  const seconds = (performance.now() - startedMs) / 1_000;
  console.log('');
  for (const line of tally.table()) console.log(line);
  const missing = tally.neverFired();
  for (const { profile, fault } of missing) {
    console.log(`The profile ${profile} never had "${fault}": it proves nothing about it.`);
  }
  if (options.seeds === 1) console.log(`\ndigest ${digest}`);
  const figures = {
    simulate: 'seeds',
    commit: commitOf(),
    seeds: done,
    first: options.first,
    nodes: options.nodes,
    seconds: Number(seconds.toFixed(1)),
    seeds_per_s: Number((done / seconds).toFixed(2)),
    failing: failing.slice(0, 100),
    never_fired: missing,
    ...(options.seeds === 1 && { digest }),
    ...tally.json(),
  };
  console.log(`\n${JSON.stringify(figures)}`);
  return failing.length === 0 && missing.length === 0 ? 0 : 1;
}

interface Verdict {
  readonly mutant: string;
  readonly caught: boolean;
  readonly seed: number | null;
  readonly seeds: number;
  readonly checker: string;
}

async function mutants(options: SimulateOptions): Promise<number> {
  const startedMs = performance.now();
  const chosen = MUTANTS.filter(mutant => mutant.name.includes(options.only));
  if (chosen.length === 0) {
    console.error(`No mutant has "${options.only}" in its name.`);
    return 2;
  }
  const verdicts: Verdict[] = [];
  const waiting = [...chosen];
  const hunt = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const pool = new Pool(1, { mutant: mutant.name });
      const profile = options.profile ?? mutant.profile;
      let verdict: Verdict | null = null;
      let lived = 0;
      await pool.run(jobsOf({ ...options, profile }), (job, outcome) => {
        lived++;
        if ('crash' in outcome && outcome.unopened) {
          verdict = { mutant: mutant!.name, caught: false, seed: null, seeds: 0, checker: outcome.crash };
          return false;
        }
        const broken = 'crash' in outcome ? outcome.crash.split('\n')[0]! : outcome.violations[0]?.checker;
        if (broken === undefined) return true;
        const checker = 'crash' in outcome ? `nothing throws (${broken})` : broken;
        verdict = { mutant: mutant!.name, caught: true, seed: job.seed, seeds: lived, checker };
        return false;
      });
      await pool.close();
      verdict ??= { mutant: mutant.name, caught: false, seed: null, seeds: lived, checker: '' };
      verdicts.push(verdict);
      console.log(
        verdict.caught
          ? `${mutant.name}: caught by "${verdict.checker}" at seed ${verdict.seed}, the ${ordinal(verdict.seeds)} (${mutant.removes})`
          : `${mutant.name}: LIVES after ${verdict.seeds} seeds (${mutant.removes}) ${verdict.checker}`,
      );
    }
  };
  await Promise.all(Array.from({ length: options.workers }, hunt));
  const alive = verdicts.filter(verdict => !verdict.caught);
  console.log('');
  const rows = verdicts.map(one => [one.mutant, one.caught ? String(one.seeds) : 'lives', one.checker]);
  for (const line of aligned([['mutant', 'seeds', 'caught by'], ...rows])) console.log(line);
  const seconds = Number(((performance.now() - startedMs) / 1_000).toFixed(1));
  const figures = {
    simulate: 'mutants',
    commit: commitOf(),
    mutants: verdicts.length,
    alive: alive.length,
    seconds,
    verdicts,
  };
  console.log(`\n${JSON.stringify(figures)}`);
  return alive.length === 0 ? 0 : 1;
}

const ordinal = (count: number): string =>
  `${count}${count % 10 === 1 && count % 100 !== 11 ? 'st' : count % 10 === 2 && count % 100 !== 12 ? 'nd' : count % 10 === 3 && count % 100 !== 13 ? 'rd' : 'th'} seed`;

const parsed = parseArguments(process.argv.slice(2));
switch (parsed.k) {
  case 'help':
    console.log(HELP);
    break;
  case 'wrong':
    console.error(parsed.sentence);
    process.exitCode = 2;
    break;
  case 'run':
    process.exitCode = await (parsed.options.mutants ? mutants : seeds)(parsed.options);
}
