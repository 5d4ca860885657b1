/** What a checker gets to see, and what it says. */
import type { History } from './history.ts';
import type { FinalState } from './stores.ts';
import type { Timeline } from './target.ts';

/** Promises of the system, as README.md numbers them. */
export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9' | 'I10' | 'I11' | 'I12';

/** What went wrong; each is counted by itself in the verdict. */
export type Wrong =
  | 'lost'
  | 'doubled'
  | 'disagree'
  | 'stale'
  | 'not resumed'
  | 'untold'
  | 'not handed over'
  | 'order'
  | 'ghost'
  | 'missing'
  | 'illegal'
  | 'unbounded'
  | 'not isolated'
  | 'not live'
  | 'not stopped'
  | 'stream';

export interface Finding {
  readonly invariant: Invariant;
  readonly wrong: Wrong;
  readonly words: string;
}

export interface Evidence {
  readonly history: History;
  readonly timeline: Timeline;
  readonly state: FinalState;
  /** Nodes that ended by themselves, in words. */
  readonly crashes: readonly string[];
}

/** Pure: the same evidence, the same findings; nothing is asked of anybody. */
export type Checker = (evidence: Evidence) => readonly Finding[];

/** The account from which points come; written here again, because the checkers take nothing from the product. */
export const MINT = '00000000-0000-7000-8000-000000000001';

export const findings = (invariant: Invariant) => {
  const found: Finding[] = [];
  return { found, fail: (wrong: Wrong, words: string) => void found.push({ invariant, wrong, words }) };
};

/** The value below which this share of all lies; null of nothing. */
export const quantile = (values: readonly number[], share: number): number | null => {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? sorted[0]!;
};

/** A fault from its hit to its healing; one that was never healed lasts until the quiet phase. */
export interface Spell {
  readonly n: number;
  readonly fault: string;
  readonly row: string;
  readonly targets: readonly string[];
  readonly what: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export const spellsOf = ({ faults, quietFromMs }: Timeline): Spell[] =>
  faults
    .filter(one => one.phase === 'hit')
    .map(({ n, fault, row, targets, what, t_ms }) => {
      const healed = faults.find(one => one.n === n && one.phase === 'healed');
      return { n, fault, row, targets, what, fromMs: t_ms, toMs: healed?.t_ms ?? quietFromMs };
    });
