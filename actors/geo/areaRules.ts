/**
 * What a civilian may be told of officers around, as one versioned value. Changed with care: each of these numbers is a part
 * of what keeps an officer from being found (`area.ts`).
 */
import { AREA_RENEW_MS, REGION_EDGE_M } from './limits.ts';

export interface AreaRules {
  readonly version: number;
  /** People who share in an area, of either role, before it names anybody. */
  readonly participantsMin: number;
  /** A change is told so long after it came about, drawn once, the same for everybody who looks. */
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  /** A civilian is notified once in so long of the same officer ... */
  readonly nearAgainMs: number;
  /** ... who shares in the civilian's own area, or in one behind a border close by as well ... */
  readonly nearNeighbours: boolean;
  /**
   * ... whose middle is at most so far from the middle of the civilian's own coarse cell: between two fixed points, so the
   * notice says no more of the officer than the list of the area does, whatever the radius ...
   */
  readonly nearRadiusM: number;
  /** ... and only while the civilian's own speed is at most this. */
  readonly nearSpeedMps: number;
}

/** Sources: "study" is the study of proximity, sections 4.4 and 4.7. */
const DEFAULTS: AreaRules = {
  version: 1,
  /** Study 4.7: shown only if at least three participants are in it. */
  participantsMin: 3,
  /** Study 4.7: with 30-120 s of jitter. */
  delayMinMs: 30_000,
  delayMaxMs: 120_000,
  /** Study 4.4: notify once per 30 min, coarse. */
  nearAgainMs: 1_800_000,
  /** Who stands at a border is as close to what is behind it. */
  nearNeighbours: true,
  /** Every area that a phone hears of, at the poles too, where cells are widest. */
  nearRadiusM: 20_000,
  /** Study 4.4: above 7 m/s (25 km/h) people are in vehicles, and cannot stop for a hello. */
  nearSpeedMps: 7,
};

const DELAY_MAX_MS = 3_600_000;

/** The rules with some values replaced. Throws a RangeError when they contradict each other (a bug of configuration). */
export function areaRules(changes: Partial<AreaRules> = {}): AreaRules {
  const rules = { ...DEFAULTS, ...changes };
  const must = (holds: boolean, what: string): void => {
    if (!holds) throw new RangeError(what);
  };
  must(
    Number.isInteger(rules.participantsMin) && rules.participantsMin >= 1,
    'participantsMin counts people',
  );
  must(
    rules.delayMinMs >= 0 && rules.delayMinMs <= rules.delayMaxMs && rules.delayMaxMs <= DELAY_MAX_MS,
    'delayMinMs must be in [0, delayMaxMs], at most an hour',
  );
  must(
    rules.nearAgainMs >= 0 && rules.nearSpeedMps >= 0,
    'nearAgainMs and nearSpeedMps must not be negative',
  );
  must(
    rules.nearRadiusM >= REGION_EDGE_M,
    'nearRadiusM must not be below a coarse cell: nobody is placed more finely',
  );
  return rules;
}

/** From the beginning of an area until everybody had the time to say that he is there, and what they said is told. */
export const settlingMs = ({ delayMaxMs }: AreaRules): number => AREA_RENEW_MS + delayMaxMs;

/** For tests and towns of load that wait for lists: whoever is there is named at once. Never where people are. */
export const openAreas = (): AreaRules => areaRules({ participantsMin: 1, delayMinMs: 0, delayMaxMs: 0 });
