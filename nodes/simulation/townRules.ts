/** The rules of a world's town: those of the product, with times that pass within a run; each world has its own mix. */

import { fraudRules } from '../../actors/fraud/rules.ts';
import { openAreas } from '../../actors/geo/areaRules.ts';
import { proximityRules } from '../../actors/geo/rules.ts';
import { DEFAULT_RULES, type MeetRules } from '../../actors/rules.ts';
import type { Dice } from './dice.ts';

/** As a day to three days: a scan waits longer than the cooldown and the time for its upload together. */
const SHORT = { cooldownS: 6, uploadS: 5, scanSettleS: 12 };

export function townRules(dice: Dice): MeetRules {
  const cooldownS = dice.chance(0.6) ? SHORT.cooldownS : DEFAULT_RULES.cooldownS;
  return {
    ...DEFAULT_RULES,
    area: openAreas(),
    ...SHORT,
    cooldownS,
    // days pass in seconds, so whoever meets again is no farmer; in a few worlds the past is looked at all the same
    fraud: fraudRules(dice.chance(0.25) ? {} : { historyH: 0 }),
    proximity: proximityRules({
      dwellMs: 4_000,
      dwellFixes: 2,
      gapMs: 6_000,
      freshMs: 5_000,
      silenceMs: 10_000,
      capMatches: 40,
    }),
  };
}
