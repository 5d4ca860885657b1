/** Who answers what actors and doors ask the business rules. */
import type { Award, ScoreQuery } from '../../actors/scoring.ts';

export type { Award, AwardLimits, RuleKind, ScoreInputs, ScoreQuery } from '../../actors/scoring.ts';

export interface RulesPort {
  /**
   * What the active rules say, from memory. The award is shared: nobody changes it. Rejects only when the engine fails, which
   * is a bug or a machine without memory: try again.
   */
  score(query: ScoreQuery): Promise<Award>;
}
