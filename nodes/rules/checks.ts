/** What a rule must be before it is written, in sentences for whoever writes it. */
import type { AwardLimits, RuleKind } from '../../actors/scoring.ts';
import { ERROR, type Refusal, refuse } from '../../protocol/errors.ts';
import { scopedBy } from './compiledRule.ts';
import { canonical, type RuleDraft, type RuleScope } from './envelope.ts';
import { outputsOf, refusedGraph } from './graph.ts';
import { KINDS } from './kinds.ts';
import { RULE_LIMITS } from './limits.ts';
import { showsSomething } from './tests.ts';

const no = (why: string): Refusal => refuse(ERROR.invalid, why);

/** The graph has a word for points, and for nobody else's; and sets no number that nobody reads. */
function refusedOutputs({ kind, content }: RuleDraft): Refusal | null {
  const { parties, pays, values } = KINDS[kind];
  const outputs = outputsOf(content);
  const namesOf = (prefix: string): string[] =>
    outputs.flatMap(name => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []));
  const unread = namesOf('values.').find(name => !values.includes(name));
  if (unread !== undefined)
    return no(`values.${unread}: nobody reads it; of ${kind} is read ${values.join(', ') || 'none'}`);
  const paid = namesOf('points.');
  const stranger = paid.find(party => !parties.includes(party));
  if (stranger !== undefined)
    return no(`points.${stranger}: points of ${kind} are of ${parties.join(', ') || 'nobody'}`);
  if (pays && paid.length === 0)
    return no(
      `the rule gives points to nobody: it sets none of ${parties.map(one => `points.${one}`).join(', ')}`,
    );
  return null;
}

/** Of a word that an input never is; null for others. */
function neverAsked(kind: RuleKind, field: string, word: unknown): string | null {
  const type = KINDS[kind].inputs[field];
  if (type?.is !== 'word' || type.of === undefined || type.of.includes(String(word))) return null;
  return `${field} ${String(word)} is never asked of ${kind}, only ${type.of.join(', ')}`;
}

function refusedScope({ kind, scope }: RuleDraft): Refusal | null {
  for (const [part, words] of Object.entries(scope) as [keyof RuleScope, readonly string[]][]) {
    const field = scopedBy(part, kind);
    if (field === null)
      return no(`a rule of ${kind} cannot be for some ${part} only: they are not known when it is asked`);
    const never = words.map(word => neverAsked(kind, field, word)).find(why => why !== null);
    if (never) return no(`the scope is for nobody: ${never}`);
  }
  return null;
}

/** Whoever gets points, or a number, in an example is somebody who can ask. */
function refusedTests({ kind, tests }: RuleDraft): Refusal | null {
  for (const test of tests.filter(one => showsSomething(kind, one))) {
    const never = Object.entries(test.in).map(([field, word]) => neverAsked(kind, field, word));
    const why = never.find(one => one !== null);
    if (why) return no(`the test "${test.name}" is of what never happens: ${why}`);
  }
  return null;
}

/** What actors keep count of, by kind: a limit that nobody would keep is no limit. */
const KEPT: Partial<Record<RuleKind, readonly (keyof AwardLimits)[]>> = {
  'encounter.points': ['cooldownS', 'pointsPerUserDay', 'timesPerUserDay', 'budget'],
  donation: ['cooldownS', 'pointsPerUserDay', 'timesPerUserDay', 'budget'],
  giveaway: ['cooldownS', 'pointsPerUserDay', 'timesPerUserDay', 'budget'],
  promotion: ['pointsPerUserDay', 'timesPerUserDay', 'budget'],
};

function refusedLimits({ kind, limits }: RuleDraft): Refusal | null {
  const kept = KEPT[kind] ?? [];
  const other = Object.keys(limits).find(name => !kept.includes(name as keyof AwardLimits));
  return other === undefined ? null : no(`nobody keeps the limit ${other} for ${kind}`);
}

/** Null: it may be written. Whether its own tests pass is asked when it is published. */
export function refusedDraft(draft: RuleDraft): Refusal | null {
  const { effectiveFromMs, effectiveToMs, content } = draft;
  if (effectiveToMs !== 0 && effectiveToMs <= effectiveFromMs) return no('the rule ends before it begins');
  if (Buffer.byteLength(canonical(draft)) > RULE_LIMITS.versionBytes)
    return no(`the rule is larger than ${RULE_LIMITS.versionBytes} bytes`);
  return (
    refusedGraph(content) ??
    refusedOutputs(draft) ??
    refusedScope(draft) ??
    refusedLimits(draft) ??
    refusedTests(draft)
  );
}
