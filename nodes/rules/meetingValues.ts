/**
 * The numbers of meeting as a rule of the kind `proximity.notify` names them: those of `actors/geo/rules.ts`, and how long an
 * officer shares; and when a civilian is notified of an officer (`actors/user/near.ts`). What is not here no rule sets:
 * `reachM`, because phones and regions already go by it; `nearM`, because nobody is told of anybody by a distance
 * (`actors/area.ts`), the radius of the notice being one between fixed cells; and what else keeps officers from being found.
 */
import { type AreaRules, areaRules } from '../../actors/geo/areaRules.ts';
import { type ProximityRules, proximityRules } from '../../actors/geo/rules.ts';
import type { MeetRules } from '../../actors/rules.ts';
import type { Award } from '../../actors/scoring.ts';

/** What of the configuration such a rule sets. */
export type MeetingNumbers = Pick<MeetRules, 'shareS' | 'proximity' | 'area'>;

/** By name of the value: the number that it sets, and how many of its units one is. Times are told in seconds. */
const NUMBERS = {
  enterM: ['enterM', 1],
  enterMaxM: ['enterMaxM', 1],
  enterPerAccuracy: ['enterPerAccuracy', 1],
  sharpAccuracyM: ['sharpAccuracyM', 1],
  keepAccuracyM: ['keepAccuracyM', 1],
  silenceS: ['silenceMs', 1_000],
  dwellS: ['dwellMs', 1_000],
  dwellFixes: ['dwellFixes', 1],
  freshS: ['freshMs', 1_000],
  gapS: ['gapMs', 1_000],
  walkMps: ['walkMps', 1],
  vehicleMps: ['vehicleMps', 1],
  relativeMps: ['relativeMps', 1],
  capMatches: ['capMatches', 1],
  capS: ['capMs', 1_000],
  crowdCivilians: ['crowdCivilians', 1],
  crowdS: ['crowdMs', 1_000],
} as const satisfies Readonly<Record<string, readonly [keyof ProximityRules, number]>>;

/** As {@link NUMBERS}, of the notice. */
const NOTICE = {
  nearAgainS: ['nearAgainMs', 1_000],
  nearRadiusM: ['nearRadiusM', 1],
  nearSpeedMps: ['nearSpeedMps', 1],
} as const satisfies Readonly<Record<string, readonly [keyof AreaRules, number]>>;

/** All that such a rule may set. */
export const MEETING_VALUES: readonly string[] = [
  ...Object.keys(NUMBERS),
  ...Object.keys(NOTICE),
  'exitM',
  'shareS',
];

/** Longer than a shift nobody shares. */
const SHARE_S_MAX = 24 * 3_600;

export function meetingValues({ shareS, proximity, area }: MeetingNumbers): Readonly<Record<string, number>> {
  const numbers = Object.entries(NUMBERS).map(([name, [field, unit]]) => [name, proximity[field] / unit]);
  const notice = Object.entries(NOTICE).map(([name, [field, unit]]) => [name, area[field] / unit]);
  const exitM = proximity.enterM + proximity.exitMarginM;
  return { ...Object.fromEntries([...numbers, ...notice]), exitM, shareS };
}

/** What a rule says, under the names of the rules that it changes. */
const changesOf = (
  table: Readonly<Record<string, readonly [string, number]>>,
  values: Award['values'],
): Record<string, number> =>
  Object.fromEntries(
    Object.entries(table).flatMap(([name, [field, unit]]) => {
      const value = values[name];
      return value === undefined ? [] : [[field, unit === 1 ? value : Math.round(value * unit)]];
    }),
  );

/** The configured rules with what this rule says in them; or why not. Values that are none of meeting are passed over. */
export function meetingOf(
  first: MeetRules,
  { values, rule: { id, version } }: Pick<Award, 'values' | 'rule'>,
): MeetRules | string {
  const { proximity } = first;
  const { enterM = proximity.enterM, shareS = first.shareS } = values;
  const { exitM = enterM + proximity.exitMarginM, enterMaxM = Math.max(enterM, proximity.enterMaxM) } =
    values;
  if (!(shareS >= 1 && shareS <= SHARE_S_MAX)) return `shareS must be in [1, ${SHARE_S_MAX}]`;
  const changes = { ...changesOf(NUMBERS, values), enterMaxM, exitMarginM: exitM - enterM };
  try {
    const next = proximityRules({ ...proximity, ...changes, rule: { id, version } });
    const area = areaRules({ ...first.area, ...changesOf(NOTICE, values) });
    return { ...first, shareS: Math.round(shareS), proximity: next, area };
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}
