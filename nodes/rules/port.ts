/** Who answers what actors and doors ask the business rules. */
import type { Award, ScoreQuery } from '../../actors/scoring.ts';

export type { Award, AwardLimits, RuleKind, ScoreInputs, ScoreQuery } from '../../actors/scoring.ts';

export interface RulesPort {
  /**
   * What the active rules say, from memory. The award is shared: nobody changes it. Rejects when a rule is for a state and in
   * which state this is cannot be found out now, or when the engine fails: try again.
   */
  score(query: ScoreQuery): Promise<Award>;
}
