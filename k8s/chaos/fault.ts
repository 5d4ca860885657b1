/** The shape of a fault: each is one file in `faults/`, named, weighted and seeded. */
import type { Random } from '../swarm/random.ts';
import type { ChaosNode, ChaosTarget, Deed, Hit } from './target.ts';

export interface FaultContext {
  readonly target: ChaosTarget;
  readonly random: Random;
  /** A node that is well, as chance has it; it counts as sick until the fault is over. Null: enough are sick already. */
  victim(): ChaosNode | null;
  /** Several of them, as many as may be sick at once beside those that are. */
  victims(): readonly ChaosNode[];
  lasts(ms: number): Promise<void>;
  /** It has begun: stands in the timeline at this moment. */
  hit(hit: Hit): void;
  /** Figures that are known when it is over. */
  counted(counts: Readonly<Record<string, number>>): void;
}

export interface Fault {
  readonly name: string;
  /** Row of the catalogue in README.md. */
  readonly row: string;
  /** How often it comes, beside the others: a whole number. */
  readonly weight: number;
  /** `node`: a minority of nodes is sick meanwhile; `all`: everybody notices, so nothing else is broken at that time. */
  readonly reach: 'node' | 'all';
  /** What the back end must be able to do. */
  readonly needs?: readonly Deed[];
  /** Breaks, waits, mends. One that finds nobody to hit ends without `hit`. */
  run(context: FaultContext): Promise<void>;
}
