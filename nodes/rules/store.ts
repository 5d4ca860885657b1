/**
 * Where rules are kept for every node (`infra/rules/dynamoRules.ts`, in memory `nodes/memory/memoryRules.ts`; one contract
 * suite). Versions and evaluations are written once and never change; the pointer of a rule is the one thing that moves,
 * and only from the revision that the mover saw. Rejects when the store cannot be reached, or its answer was lost.
 */
import type { RulePointer, RuleVersion } from './envelope.ts';
import type { Evaluated } from './ruleBook.ts';

export interface RuleStore {
  /** Of every rule, by id; never an older state than a `point` that has returned. */
  pointers(): Promise<readonly RulePointer[]>;
  /** Null when there is no such rule. */
  pointer(id: string): Promise<RulePointer | null>;
  /** False, and nothing changed, when the stored revision is not `from`. 0: the rule must not exist. */
  point(pointer: RulePointer, from: number): Promise<boolean>;
  version(id: string, version: number): Promise<RuleVersion | null>;
  /** All of one rule, oldest first. */
  versions(id: string): Promise<readonly RuleVersion[]>;
  /** False, and nothing changed, when the rule has this version. */
  add(version: RuleVersion): Promise<boolean>;
  /** Keeps what an evaluation was given and said, under its trace; a repeat changes nothing. */
  keep(evaluated: Evaluated): Promise<void>;
  /** Null when none is kept under this trace. */
  evaluated(trace: string): Promise<Evaluated | null>;
}

/** Where the world is told which versions count (`infra/postgres/ruleTeller.ts`). */
export interface RuleTeller {
  /**
   * Tells of each rule whether another version counts than was told last, or none any more; of an older pointer than that
   * nothing. Durable when it resolves, rejects when that is not known.
   */
  tell(pointers: readonly RulePointer[]): Promise<void>;
}
