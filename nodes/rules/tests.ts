/** A rule's own tests: the examples that its writer gave with it, and what it says to them. */

import type { RuleKind } from '../../actors/scoring.ts';
import { ERROR, refuse } from '../../protocol/errors.ts';
import { type CompiledRule, discretised } from './compiledRule.ts';
import { canonical, type RuleTest } from './envelope.ts';
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
const OUT_OF_SCOPE = refuse(ERROR.invalid, 'this is out of its scope: it would not be asked');

const whole = ({ points = NOTHING, values = NOTHING, refusal = '' }: Partial<Said>): string =>
  canonical({ points, values, refusal });

export async function differencesOf(compiled: CompiledRule): Promise<readonly Difference[]> {
  const { kind, tests } = compiled.rule;
  const differences: Difference[] = [];
  for (const { name, in: input, out } of tests) {
    const given = discretised(kind, input);
    const evaluation = compiled.isFor(given) ? await compiled.evaluate(given) : OUT_OF_SCOPE;
    const said: Partial<Said> = evaluation.ok ? (evaluation.value?.said ?? NOTHING) : NOTHING;
    // whom a rule is not for, to him it says nothing
    if ((evaluation.ok || evaluation === OUT_OF_SCOPE) && whole(said) === whole(out)) continue;
    differences.push({
      test: name,
      expected: out,
      got: evaluation.ok ? said : { error: evaluation.message },
    });
  }
  return differences;
}

/** Whether an example shows somebody who gets, or pays, a point; or a number, where the rule is for numbers. */
export const showsSomething = (
  kind: RuleKind,
  { out: { points = NOTHING, values = NOTHING } }: RuleTest,
): boolean =>
  KINDS[kind].pays ? Object.values<number>(points).some(count => count > 0) : Object.keys(values).length > 0;
