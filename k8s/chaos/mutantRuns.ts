/** Each safety switched off in a run of its own: the run must end with `fail`, by a checker that looks at that safety. */
import { join } from 'node:path';
import { FAULTS } from './faults/index.ts';
import { type ChaosMutant, MUTANT_HOOK, MUTANTS, mutantEnv } from './mutants.ts';
import { type RunPlan, runChaos } from './run.ts';

export interface MutantResult {
  readonly mutant: string;
  readonly removes: string;
  readonly seed: number;
  readonly verdict: 'pass' | 'fail';
  /** Checkers that found something, and those of them that were to. */
  readonly failed: readonly string[];
  readonly noticed: readonly string[];
  readonly first: string;
  readonly killed: boolean;
}

const runMutant = async (
  mutant: ChaosMutant,
  plan: Omit<RunPlan, 'faults' | 'minutes'>,
): Promise<MutantResult> => {
  const faults = FAULTS.filter(fault => mutant.faults.includes(fault.name));
  const { verdict } = await runChaos({
    ...plan,
    faults,
    minutes: mutant.minutes,
    env: { ...plan.env, ...mutantEnv(mutant) },
    imports: [MUTANT_HOOK],
    out: join(plan.out, mutant.name.replaceAll(' ', '-')),
  });
  const noticed = mutant.noticed.filter(name => verdict.failed.includes(name));
  return {
    mutant: mutant.name,
    removes: mutant.removes,
    seed: plan.seed,
    verdict: verdict.verdict,
    failed: verdict.failed,
    noticed,
    first: verdict.problems[0] ?? '',
    killed: verdict.verdict === 'fail' && noticed.length > 0,
  };
};

/** @param only names of mutants; empty: all */
export const runMutants = async (
  plan: Omit<RunPlan, 'faults' | 'minutes'>,
  only: readonly string[] = [],
): Promise<MutantResult[]> => {
  const results: MutantResult[] = [];
  for (const mutant of MUTANTS) {
    if (only.length > 0 && !only.includes(mutant.name)) continue;
    if (plan.abort?.aborted) break;
    plan.log(`without ${mutant.name}: ${mutant.removes}`);
    const result = await runMutant(mutant, plan).catch(
      (error: unknown): MutantResult => ({
        mutant: mutant.name,
        removes: mutant.removes,
        seed: plan.seed,
        verdict: 'fail',
        failed: [],
        noticed: [],
        first: error instanceof Error ? error.message : String(error),
        // a run that did not come about proves nothing
        killed: false,
      }),
    );
    const words = result.killed
      ? `noticed by ${result.noticed.join(' and ')}: ${result.first}`
      : `NOT noticed: ${result.verdict}${result.failed.length > 0 ? `, by ${result.failed.join(' and ')} only` : ''} ${result.first}`;
    plan.log(words);
    results.push(result);
  }
  return results;
};
