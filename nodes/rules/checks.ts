/** What a rule must be before it is written, in sentences for whoever writes it. */
import type { AwardLimits, RuleKind } from '../../actors/scoring.ts';
import { ERROR, type Refusal, refuse } from '../../protocol/errors.ts';
import { scopedBy } from './compiledRule.ts';
import { canonical, type RuleDraft, type RuleScope } from './envelope.ts';
import { outputsOf, refusedGraph } from './graph.ts';
import { KINDS } from './kinds.ts';
import { RULE_LIMITS } from './limits.ts';

const no = (why: string): Refusal => refuse(ERROR.invalid, why);

/** The graph has a word for points, and for nobody else's. */
function refusedParties({ kind, content }: RuleDraft): Refusal | null {
  const { parties, pays } = KINDS[kind];
  const paid = outputsOf(content).flatMap(name =>
    name.startsWith('points.') ? [name.slice('points.'.length)] : [],
  );
  const stranger = paid.find(party => !parties.includes(party));
  if (stranger !== undefined)
    return no(`points.${stranger}: points of ${kind} are of ${parties.join(', ') || 'nobody'}`);
  if (pays && paid.length === 0)
    return no(
      `the rule gives points to nobody: it sets none of ${parties.map(one => `points.${one}`).join(', ')}`,
    );
  return null;
}

function refusedScope({ kind, scope }: RuleDraft): Refusal | null {
  for (const part of Object.keys(scope) as (keyof RuleScope)[]) {
    if (scopedBy(part, kind) === null) return no(`a rule of ${kind} cannot be for some ${part} only`);
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
  return refusedGraph(content) ?? refusedParties(draft) ?? refusedScope(draft) ?? refusedLimits(draft);
}
