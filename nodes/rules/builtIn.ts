/**
 * Version 1 of every rule in plain TypeScript: what worlds without a rule engine run on (simulation, tests of actors), and
 * what the graphs of the seeds are compared with (`nodes/contracts/rules.contract.ts`).
 */
import { ENCOUNTER_POINTS, FIRST_VERSION, GIVEAWAY_DAY_POINTS } from '../../actors/ruleNumbers.ts';
import type { MeetRules } from '../../actors/rules.ts';
import type { Award, AwardLimits, RuleKind, ScoreInputs, ScoreQuery } from '../../actors/scoring.ts';
import { type MeetingNumbers, meetingValues } from './meetingValues.ts';
import type { RulesPort } from './port.ts';
import type { Said } from './said.ts';
import { type Given, traceOf } from './trace.ts';

/** What of the configuration stands in version 1. */
export type FirstNumbers = Pick<MeetRules, 'cooldownS'> & MeetingNumbers;

const NO: Readonly<Record<string, never>> = {};
const no = (refusal: string): Said => ({ points: NO, values: NO, refusal });

export const SPENDERS: readonly string[] = ['civilian', 'family', 'charity'];
export const DONORS: readonly string[] = ['civilian', 'officer'];
export const NEEDY: readonly string[] = ['charity', 'family'];

export const REFUSALS = {
  goods: 'points of this kind of account do not pay for goods, services or fees',
  donor: 'this kind of account does not donate',
  needy: 'donations go to charities and to families in need',
  officers: 'points are given away between officers only',
} as const;

type Says = { readonly [K in RuleKind]: (input: ScoreInputs[K]) => Said };

const saysOf = (numbers: FirstNumbers): Says => ({
  'encounter.points': ({ method }) => ({ points: { ...ENCOUNTER_POINTS[method] }, values: NO }),
  'redemption.price': ({ price, payerKind }) =>
    SPENDERS.includes(payerKind) ? { points: { payer: price }, values: NO } : no(REFUSALS.goods),
  donation({ points, payerKind, payeeKind }) {
    if (!DONORS.includes(payerKind)) return no(REFUSALS.donor);
    if (!NEEDY.includes(payeeKind)) return no(REFUSALS.needy);
    return { points: { payer: points, payee: points }, values: NO };
  },
  giveaway: ({ points, payerKind, payeeKind }) =>
    payerKind === 'officer' && payeeKind === 'officer'
      ? { points: { payer: points, payee: points }, values: NO }
      : no(REFUSALS.officers),
  'proximity.notify': () => ({ points: NO, values: meetingValues(numbers) }),
  'earning.limit': () => ({ points: NO, values: { pointsPerDay: 0 } }),
  promotion: () => ({ points: { user: 0 }, values: NO }),
});

export const firstLimits = ({ cooldownS }: FirstNumbers): Readonly<Record<RuleKind, AwardLimits>> => ({
  'encounter.points': { cooldownS },
  'redemption.price': NO,
  donation: NO,
  giveaway: { pointsPerUserDay: GIVEAWAY_DAY_POINTS },
  'proximity.notify': NO,
  'earning.limit': NO,
  promotion: NO,
});

/** Different inputs that are remembered. */
const REMEMBERED = 1_024;

export function builtInRules(numbers: FirstNumbers): RulesPort {
  const says = saysOf(numbers);
  const limits = firstLimits(numbers);
  const known = new Map<string, Promise<Award>>();
  const award = ({ kind, input }: ScoreQuery): Award => {
    const said = (says[kind] as (input: unknown) => Said)(input);
    const trace = traceOf(kind, FIRST_VERSION, input as unknown as Given, said);
    return { ...said, rule: { id: kind, version: FIRST_VERSION, trace }, limits: limits[kind] };
  };
  return {
    score(query) {
      const key = JSON.stringify([query.kind, query.input]);
      const before = known.get(key);
      if (before !== undefined) return before;
      const fresh = Promise.resolve(award(query));
      if (known.size >= REMEMBERED) known.clear();
      known.set(key, fresh);
      return fresh;
    },
  };
}
