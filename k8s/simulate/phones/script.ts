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

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom<StepName>('give', 'share', 'scan') },
    {
      weight: 3,
      arbitrary: fc.constantFrom<StepName>(
        ...(['lose', 'kill node', 'drain node', 'twin', 'kill app', 'move shards'] as const),
      ),
    },
    {
      weight: 3,
      arbitrary: fc.constantFrom<StepName>(
        ...([
          'say again',
          'revoke user',
          'revoke token',
          'stop reading',
          'flood',
          'network changed',
        ] as const),
        ...(['background', 'leave', 'nothing', 'cut node', 'bad weather'] as const),
      ),
    },
  ),
  who: fc.nat(11),
  n: fc.nat(999),
  gapMs: fc.oneof(fc.nat(60), fc.nat(600), fc.integer({ min: 600, max: 6_000 })),
});

export const script: fc.Arbitrary<Script> = fc.record({
  seed: fc.nat(1_000_000),
  nodes: fc.constantFrom(3, 3, 2),
  steps: fc.array(step, { minLength: 4, maxLength: 30 }),
  endsWithKill: fc.nat(3).map(n => n === 0),
});
