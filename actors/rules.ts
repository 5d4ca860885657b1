/**
 * The business rules of meeting, as one versioned value (DOMAIN: all numbers are configuration). Every movement of
 * points names the rule and the version that decided it.
 */
import type { Method } from '../protocol/catalogue.ts';
import type { RuleRef } from './durable.ts';
import { type FraudRules, fraudRules } from './fraud/rules.ts';
import { type AreaRules, areaRules } from './geo/areaRules.ts';
import { type ProximityRules, proximityRules } from './geo/rules.ts';
import { COOLDOWN_S, ENCOUNTER_POINTS, FIRST_VERSION, SHARE_S } from './ruleNumbers.ts';

export interface MeetRules {
  readonly encounter: RuleRef;
  /** Points for each side by kind of proof; a face-to-face proof is worth more. */
  readonly points: Readonly<Record<Method, { readonly officer: number; readonly civilian: number }>>;
  /** One encounter per pair in so many seconds, sliding (DOMAIN rule 1). */
  readonly cooldownS: number;
  readonly proximity: ProximityRules;
  /** What civilians are told of officers around. */
  readonly area: AreaRules;
  /** What is not believed, and so held for review (DOMAIN rule 13). */
  readonly fraud: FraudRules;
  /** An officer's sharing ends by itself (DOMAIN rule 5). */
  readonly shareS: number;
  /** And so does his stay at a hub. */
  readonly hubS: number;
  /** A hey waits so long for the officer. */
  readonly heyS: number;
  /** For a hey both positions must be this fresh ... */
  readonly heyFixAgeS: number;
  /** ... and agree within this distance plus both accuracies, of which no more counts than what keeps a dwell. */
  readonly heyReachM: number;
  /** A scanned code was sent on by photograph when both share a position of so many last seconds ... */
  readonly relayFixAgeS: number;
  /** ... and the two are further apart than this plus both accuracies. */
  readonly relayReachM: number;
  /** Whether an officer is asked to confirm a scan of his code that no two positions vouch for. */
  readonly confirmScans: boolean;
  /** A scan made without network is taken so long after it; then its points wait so long for the presenter's phone. */
  readonly uploadS: number;
  readonly scanSettleS: number;
  /** Points and stock are set aside for so long, until the till confirms. */
  readonly redeemS: number;
  /** How long points live. */
  readonly life: PointsLife;
}

/** Points that get old: off unless a town says otherwise. */
export interface PointsLife {
  /** Points that nobody has spent for so long expire; 0: they never do. */
  readonly expireMs: number;
  /** Points that were earned may be spent after so long; 0: at once. Less than they live. */
  readonly activateMs: number;
  /** They are counted in steps of so long, and expire together at the beginning of one: days, UTC. */
  readonly stepMs: number;
  /** Where nothing has led to their end yet, it is at least so far away. */
  readonly graceMs: number;
}

export const DEFAULT_RULES: MeetRules = {
  encounter: { id: 'encounter.points', version: FIRST_VERSION },
  points: ENCOUNTER_POINTS,
  cooldownS: COOLDOWN_S,
  proximity: proximityRules(),
  area: areaRules(),
  fraud: fraudRules(),
  shareS: SHARE_S,
  // A shift (study 4.7); who forgets to leave does not keep the hub open over night.
  hubS: 8 * 3_600,
  // By judgement: long enough to take the phone out and look up, and the two are still in sight of each other.
  heyS: 60,
  // One report period of a civilian in the area (60 s) and a margin.
  heyFixAgeS: 90,
  // As for a scanned code.
  heyReachM: 100,
  // Study 4.6 (7): fixes within 100 m and both accuracies, at most 60 s old.
  relayFixAgeS: 60,
  relayReachM: 100,
  // A tap for each civilian: towns that see codes sent on by photograph ask for it.
  confirmScans: false,
  // Study 4.10.
  uploadS: 24 * 3_600,
  scanSettleS: 72 * 3_600,
  // Domain study 5.3.
  redeemS: 10 * 60,
  life: { expireMs: 0, activateMs: 0, stepMs: 86_400_000, graceMs: 14 * 86_400_000 },
};
