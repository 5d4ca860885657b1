/**
 * Each safety switched off in a run of its own: the run must end with `fail`, by a checker that looks at that safety. Before them
 * the honest product goes through the same faults and must pass: whoever is always told "fail" learns nothing from it.
 */
import { join } from 'node:path';
import { FAULTS } from './faults/index.ts';
import { type ChaosMutant, MUTANT_HOOK, MUTANTS, mutantEnv } from './mutants.ts';
import { type RunPlan, type RunVerdict, runChaos } from './run.ts';

export interface MutantResult {
  readonly mutant: string;
  readonly removes: string;
  readonly verdict: 'pass' | 'fail';
  /** Checkers that found something, and those of them that were to. */
  readonly failed: readonly string[];
  readonly noticed: readonly string[];
  readonly first: string;
  readonly killed: boolean;
}

/** The product as it is. */
export interface ControlResult {
  readonly faults: Readonly<Record<string, number>>;
  readonly verdict: 'pass' | 'fail';
  readonly failed: readonly string[];
  readonly first: string;
}

export interface MutantsVerdict {
  readonly seed: number;
  readonly control: ControlResult;
  readonly mutants: readonly MutantResult[];
  /** Mutants that nobody noticed. */
  readonly alive: readonly string[];
  /** `pass`: every mutant was noticed, and nothing was found in the product itself. */
  readonly verdict: 'pass' | 'fail';
}

type MutantsPlan = Omit<RunPlan, 'faults' | 'minutes'>;

const faultsOf = (mutants: readonly ChaosMutant[]) =>
  FAULTS.filter(fault => mutants.some(one => one.faults.includes(fault.name)));

/** The control meets each fault once or twice. */
const CONTROL_MINUTES_MAX = 3;

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const runControl = async (mutants: readonly ChaosMutant[], plan: MutantsPlan): Promise<ControlResult> => {
  const minutes = Math.min(
    CONTROL_MINUTES_MAX,
    mutants.reduce((sum, one) => sum + one.minutes, 0),
  );
  const faults = faultsOf(mutants);
  const run = runChaos({ ...plan, faults, minutes, out: join(plan.out, 'control') });
  return run.then(
    ({ verdict }) => ({
      faults: verdict.faults,
      verdict: verdict.verdict,
      failed: verdict.failed,
      first: verdict.problems[0] ?? '',
    }),
    error => ({ faults: {}, verdict: 'fail', failed: [], first: wordsOf(error) }),
  );
};

const runMutant = async (mutant: ChaosMutant, plan: MutantsPlan): Promise<MutantResult> => {
  const { name, removes } = mutant;
  const run = runChaos({
    ...plan,
    faults: faultsOf([mutant]),
    minutes: mutant.minutes,
    env: { ...plan.env, ...mutantEnv(mutant) },
    imports: [MUTANT_HOOK],
    out: join(plan.out, name),
  });
  return run.then(
    ({ verdict }) => resultOf(mutant, verdict),
    // a run that did not come about proves nothing
    error => ({
      ...{ mutant: name, removes, verdict: 'fail' as const },
      ...{ failed: [], noticed: [], first: wordsOf(error), killed: false },
    }),
  );
};

/** @param verdict of the run without this safety */
export const resultOf = (
  { name, removes, noticed }: ChaosMutant,
  { verdict, failed, problems, found }: Pick<RunVerdict, 'verdict' | 'failed' | 'problems' | 'found'>,
): MutantResult => {
  const seen = noticed.filter(one => failed.includes(one));
  return {
    ...{ mutant: name, removes, verdict, failed, noticed: seen },
    first: (seen[0] === undefined ? problems[0] : found[seen[0]]) ?? '',
    killed: verdict === 'fail' && seen.length > 0,
  };
};

/** @param only names of mutants; empty: all */
export const runMutants = async (
  plan: MutantsPlan,
  only: readonly string[] = [],
): Promise<MutantsVerdict> => {
  const chosen = MUTANTS.filter(one => only.length === 0 || only.includes(one.name));
  plan.log('the product as it is');
  const control = await runControl(chosen, plan);
  plan.log(`control: ${control.verdict} ${control.first}`);
  const mutants: MutantResult[] = [];
  for (const mutant of chosen) {
    plan.log(`without ${mutant.name}: ${mutant.removes}`);
    const result = await runMutant(mutant, plan);
    const { killed, noticed, verdict, failed, first } = result;
    const others = failed.length > 0 ? ` by ${failed.join(' and ')} only` : '';
    plan.log(
      `mutant ${mutant.name}: ${killed ? `noticed by ${noticed.join(' and ')}` : `NOT noticed, ${verdict}${others}`}: ${first}`,
    );
    mutants.push(result);
  }
  const alive = chosen.filter(one => !mutants.some(({ mutant, killed }) => killed && mutant === one.name));
  return {
    seed: plan.seed,
    control,
    mutants,
    alive: alive.map(one => one.name),
    verdict: alive.length === 0 && control.verdict === 'pass' ? 'pass' : 'fail',
  };
};
