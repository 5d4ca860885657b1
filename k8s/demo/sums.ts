/**
 * Do the sums add up? What the phones were told, what the balances say, and what stands in the ledger are three
 * accounts of the same minute; this compares them and knows nothing of how they came about.
 */
import type { Stroller } from './people.ts';

export interface Sums {
  readonly encounters: number;
  readonly points: number;
  readonly byMethod: ReadonlyMap<string, number>;
  /** One sentence for each thing that does not add up. */
  readonly problems: string[];
}

/** `earned`: by handle, how much the balance of each person rose during the demo. */
export const checkSums = (people: readonly Stroller[], earned: ReadonlyMap<string, number>): Sums => {
  const problems: string[] = [];
  const sides = new Map<string, { people: Stroller[]; methods: Set<string>; points: number }>();
  let told = 0;
  for (const one of people) {
    let heard = 0;
    for (const [id, meeting] of one.meetings) {
      heard += meeting.points;
      const side = sides.get(id) ?? { people: [], methods: new Set(), points: 0 };
      side.people.push(one);
      side.methods.add(meeting.method);
      side.points += meeting.points;
      sides.set(id, side);
    }
    told += heard;
    const rose = earned.get(one.handle);
    if (rose !== heard) {
      problems.push(`${one.handle} heard of ${heard} points, the balance rose by ${rose ?? 'nothing'}`);
    }
  }
  const byMethod = new Map<string, number>();
  let points = 0;
  for (const [id, side] of sides) {
    const officers = side.people.filter(one => one.isOfficer).length;
    if (side.people.length !== 2 || officers !== 1) {
      problems.push(
        `encounter ${id} was shown on ${side.people.length} phones, ${officers} of them an officer's`,
      );
    }
    if (side.methods.size !== 1) problems.push(`encounter ${id} has two kinds of proof`);
    const method = [...side.methods][0]!;
    byMethod.set(method, (byMethod.get(method) ?? 0) + 1);
    points += side.points;
  }
  const held = [...earned.values()].reduce((a, b) => a + b, 0);
  if (points !== held || points !== told) {
    problems.push(
      `the encounters are worth ${points} points, the phones heard of ${told}, the balances rose by ${held}`,
    );
  }
  return { encounters: sides.size, points, byMethod, problems };
};
