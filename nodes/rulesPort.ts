/** What the doors may know of the rules. */
export { RULE_KINDS } from '../actors/scoring.ts';
export type { RuleDraft, RulePointer } from './rules/envelope.ts';
export { type Explainer, type Explanation, type MovementRecord, REPLAYS } from './rules/explainer.ts';
export type { Differing, RuleKeeper } from './rules/keeper.ts';
export { AWARD_LIMITS, RULE_LIMITS } from './rules/limits.ts';
export type { Award, RulesPort, ScoreQuery } from './rules/port.ts';
export { reversedBy } from './rules/reversed.ts';
export type { RuleTeller } from './rules/store.ts';
