/**
 * The safety mechanisms, each with what it looks like when it is missing. A mutant is a patch of real source text, applied
 * while a worker loads it; a simulation that does not notice that a mechanism is gone proves nothing about it.
 */
import type { CheckerName } from '../../nodes/simulation/checkers/judge.ts';
import type { Profile } from '../../nodes/simulation/profiles.ts';

export interface Patch {
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  /** What is removed, in words. */
  readonly removes: string;
  readonly patches: readonly Patch[];
  /** Checkers that may catch it; empty: any. */
  readonly caughtBy: readonly CheckerName[];
  /** The weather in which it shows. */
  readonly profile: Profile;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'fence check',
    removes: 'the store takes a commit of an epoch that is not current any more',
    patches: [
      {
        file: 'nodes/memory/memoryLedger.ts',
        find: "if ((this.#epochs.get(shard) ?? 0) !== epoch) return { id: op.id, code: 'stale_epoch' };",
        replace: '',
      },
    ],
    caughtBy: [],
    profile: 'storm',
  },
  {
    name: 'output gate',
    removes: 'replies, tells and pushes leave before the commit that they promise',
    patches: [],
    caughtBy: [],
    profile: 'storm',
  },
];

export function mutantByName(name: string): Mutant {
  const mutant = MUTANTS.find(one => one.name === name);
  if (!mutant) throw new Error(`there is no mutant "${name}"`);
  return mutant;
}
