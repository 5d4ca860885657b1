/** The four kinds of a soak (reliability study 3), and what a run of one of them is made of. */

export const PROFILE_NAMES = ['smoke', 'standard', 'long', 'ageing'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

export interface SoakPlan {
  readonly profile: ProfileName;
  readonly description: string;
  readonly nodes: number;
  readonly phones: number;
  /** Positions, meetings by code and questions a second, all phones together. */
  readonly positionsPerS: number;
  readonly meetingsPerS: number;
  readonly asksPerS: number;
  /** Share of the phones that loses its connection, or leaves and comes back, each minute. */
  readonly churnPerMinute: number;
  /** Load before the one that is looked at, by other people: what a node only makes once is made then. */
  readonly warmS: number;
  readonly seconds: number;
  /** The load goes from a fifth to all of it and back so often; 0: it is even. */
  readonly days: number;
  /** Times to live a tenth of what they are (ageing.ts). */
  readonly aged: boolean;
  /** Seconds of peace between two faults, at least and at most; null: nothing is broken. */
  readonly peaceS: readonly [least: number, most: number] | null;
  /** Rolling restarts of all nodes, spread over the run. */
  readonly rollings: number;
}

export const PROFILES: Readonly<Record<ProfileName, SoakPlan>> = {
  smoke: {
    profile: 'smoke',
    description:
      '500 phones for 3 minutes: a kill, a pause, a partition; times to live a tenth, so that it ends soon',
    nodes: 3,
    phones: 500,
    positionsPerS: 100,
    meetingsPerS: 8,
    asksPerS: 8,
    churnPerMinute: 0.1,
    warmS: 10,
    seconds: 180,
    days: 0,
    aged: true,
    peaceS: [5, 8],
    rollings: 0,
  },
  standard: {
    profile: 'standard',
    description:
      '2,000 phones for 30 minutes, 400 positions and 20 meetings a second, something is broken each minute or so',
    nodes: 3,
    phones: 2_000,
    positionsPerS: 400,
    meetingsPerS: 20,
    asksPerS: 20,
    churnPerMinute: 0.02,
    warmS: 300,
    seconds: 1_800,
    days: 0,
    aged: false,
    peaceS: [30, 60],
    rollings: 0,
  },
  long: {
    profile: 'long',
    description:
      '3,000 phones for an hour, three days of load in it, the same faults and two rolling restarts',
    nodes: 3,
    phones: 3_000,
    positionsPerS: 600,
    meetingsPerS: 30,
    asksPerS: 30,
    churnPerMinute: 0.02,
    warmS: 300,
    seconds: 3_600,
    days: 3,
    aged: false,
    peaceS: [30, 60],
    rollings: 2,
  },
  ageing: {
    profile: 'ageing',
    description:
      '1,000 phones for 20 minutes with every time to live a tenth of what it is; nothing is broken: leaks only',
    nodes: 3,
    phones: 1_000,
    positionsPerS: 200,
    meetingsPerS: 10,
    asksPerS: 10,
    churnPerMinute: 0.1,
    warmS: 60,
    seconds: 1_200,
    days: 0,
    aged: true,
    peaceS: null,
    rollings: 0,
  },
};

/** The same load with other numbers of phones and seconds: rates follow the phones. */
export const sized = (plan: SoakPlan, phones: number, seconds: number): SoakPlan => {
  const share = phones / plan.phones;
  return {
    ...plan,
    phones,
    seconds,
    positionsPerS: plan.positionsPerS * share,
    meetingsPerS: plan.meetingsPerS * share,
    asksPerS: plan.asksPerS * share,
    warmS: Math.min(plan.warmS, seconds),
  };
};

/** Of the civilians, those who only pass by: they share where they are, leave, and come back after minutes. */
export const VISITOR_SHARE = 0.1;

/**
 * Seconds of full load that were asked for by this moment: a fifth of it at night, all of it at noon, and the integral of
 * the curve, so that work which is due is never skipped, however late somebody looks.
 */
export const loadedS = (plan: Pick<SoakPlan, 'days' | 'seconds'>, elapsedS: number): number => {
  const { days, seconds } = plan;
  if (days === 0) return elapsedS;
  const turns = 2 * Math.PI * days;
  return 0.6 * elapsedS - ((0.4 * seconds) / turns) * Math.sin((turns * elapsedS) / seconds);
};
