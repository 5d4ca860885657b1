/**
 * Dividing and merging regions changes no result: random crowds, random splits and merges at random moments, on nodes that
 * learn of them early or late, with regions and people that move between nodes meanwhile. More: `k8s/divided.ts`.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COURSES, type DividedCourse, divided, killed, type Verdict } from './dividedCourse.ts';

const SEED = 20_261_121;

/** Draws courses until one has a fault; how much there was to do in all of them. */
function run(judge: (course: DividedCourse) => Verdict, numRuns: number): Verdict['work'] {
  const work = { changes: 0, handedOver: 0, passedOn: 0, batches: 0, expected: 0 };
  fc.assert(
    fc.property(COURSES, course => {
      const verdict = judge(course);
      expect(verdict.faults).toEqual([]);
      for (const key of ['changes', 'handedOver', 'passedOn', 'batches', 'expected'] as const)
        work[key] += verdict.work[key];
    }),
    { seed: SEED, numRuns, endOnFailure: true },
  );
  return work;
}

describe('a crowd in a town whose cells are divided and merged', () => {
  it('has the meetings, enters, exits and nears of brute force', () => {
    const work = run(divided, 10);
    expect(Math.min(...Object.values(work))).toBeGreaterThan(50);
  });

  it('has the meetings of those who begin anew, and no others, when a node dies in the middle of it', () => {
    expect(run(killed, 10).expected).toBeGreaterThan(20);
  });
});
