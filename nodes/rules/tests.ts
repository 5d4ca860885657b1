/** A rule's own tests: the examples that its writer gave with it, and what it says to them. */

import { type CompiledRule, discretised } from './compiledRule.ts';
import { canonical } from './envelope.ts';
import { KINDS } from './kinds.ts';
import type { Said } from './said.ts';

/** One example that came out otherwise. */
export interface Difference {
  readonly test: string;
  readonly expected: Partial<Said>;
  /** What it said, or why it is no award. */
  readonly got: Partial<Said> | { readonly error: string };
}

const NOTHING = {};

const whole = ({ points = NOTHING, values = NOTHING, refusal = '' }: Partial<Said>): string =>
  canonical({ points, values, refusal });

export async function differencesOf(compiled: CompiledRule): Promise<readonly Difference[]> {
  const { kind, tests } = compiled.rule;
  const differences: Difference[] = [];
  for (const { name, in: input, out } of tests) {
    const evaluation = await compiled.evaluate(discretised(kind, input));
    const said: Partial<Said> = evaluation.ok ? (evaluation.value?.said ?? NOTHING) : NOTHING;
    if (evaluation.ok && whole(said) === whole(out)) continue;
    differences.push({
      test: name,
      expected: out,
      got: evaluation.ok ? said : { error: evaluation.message },
    });
  }
  return differences;
}

/** Whether any of its examples shows somebody who gets, or pays, a point. */
export const paysSomebody = ({ rule: { kind, tests } }: CompiledRule): boolean =>
  !KINDS[kind].pays ||
  tests.some(({ out }) => Object.values<number>(out.points ?? {}).some(points => points > 0));
