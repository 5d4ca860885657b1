/** What may happen to phones and nodes, as lists that can be made by chance, shrunk when one fails, and played again. */
import fc from 'fast-check';

export const STEPS = [
  'nothing',
  'lose',
  'kill node',
  'drain node',
  'cut node',
  'bad weather',
  'move shards',
  'kill app',
  'twin',
  'say again',
  'revoke user',
  'revoke token',
  'stop reading',
  'flood',
  'network changed',
  'background',
  'leave',
  'share',
  'scan',
  'give',
] as const;
export type StepName = (typeof STEPS)[number];

/** Which of them, with which phone or node, with what else, after so long. */
export interface Step {
  readonly what: StepName;
  readonly who: number;
  readonly n: number;
  readonly gapMs: number;
}

export interface Script {
  /** Of latencies, people and everything else that is not a step. */
  readonly seed: number;
  readonly nodes: number;
  readonly steps: readonly Step[];
  /** Nodes that die at the end together with the apps that were connected to them. */
  readonly endsWithKill: boolean;
}

interface Shape {
  readonly nodes: readonly number[];
  readonly steps: { readonly minLength: number; readonly maxLength: number };
  readonly longestGapMs: number;
  /** How often people only live, and how often something common or something rarer goes wrong. */
  readonly weights: { readonly life: number; readonly often: number; readonly seldom: number };
}

const LIFE: readonly StepName[] = ['give', 'share', 'scan'];
const OFTEN: readonly StepName[] = ['lose', 'kill node', 'drain node', 'twin', 'kill app', 'move shards'];
const SELDOM: readonly StepName[] = [
  ...(['say again', 'revoke user', 'revoke token', 'stop reading', 'flood', 'network changed'] as const),
  ...(['background', 'leave', 'nothing', 'cut node', 'bad weather'] as const),
];

const scriptOf = ({ nodes, steps, longestGapMs, weights }: Shape): fc.Arbitrary<Script> => {
  const step: fc.Arbitrary<Step> = fc.record({
    what: fc.oneof(
      { weight: weights.life, arbitrary: fc.constantFrom(...LIFE) },
      { weight: weights.often, arbitrary: fc.constantFrom(...OFTEN) },
      { weight: weights.seldom, arbitrary: fc.constantFrom(...SELDOM) },
    ),
    who: fc.nat(11),
    n: fc.nat(999),
    gapMs: fc.oneof(fc.nat(60), fc.nat(600), fc.integer({ min: 600, max: longestGapMs })),
  });
  return fc.record({
    seed: fc.nat(1_000_000),
    nodes: fc.constantFrom(...nodes),
    steps: fc.array(step, steps),
    endsWithKill: fc.nat(3).map(n => n === 0),
  });
};

/** For virtual time, which costs nothing. */
export const script = scriptOf({
  nodes: [3, 3, 2],
  steps: { minLength: 4, maxLength: 30 },
  longestGapMs: 6_000,
  weights: { life: 6, often: 3, seldom: 3 },
});

/** For real processes: about a quarter of a minute, more of which goes wrong. */
export const shortScript = scriptOf({
  nodes: [3],
  steps: { minLength: 14, maxLength: 20 },
  longestGapMs: 2_000,
  weights: { life: 4, often: 5, seldom: 5 },
});
