/**
 * A business rule as operators write it: an envelope around a graph. The envelope says for what kind of movement, for whom,
 * where and when it counts; the graph (GoRules JDM) says how many points.
 *
 * The life of a version: written (draft), its own tests run (tested), pointed to (active), pointed to no more (retired). A
 * version never changes once it is written; to change a rule is to write its next version and to move the pointer.
 */
import { createHash } from 'node:crypto';
import type { AwardLimits, RuleKind } from '../../actors/scoring.ts';
import type { AccountKind } from '../../protocol/catalogue.ts';
import type { Graph } from './graph.ts';
import type { Said } from './said.ts';
import type { Given } from './trace.ts';

/** Absent: everywhere, everybody. Several of one list: any of them; several lists: all of them. */
export interface RuleScope {
  /** Two letters each: where people meet, else the officer's home; the merchant's; the home of who earns or gives. */
  readonly states?: readonly string[];
  /** Nobody knows cities: refused. */
  readonly cities?: readonly string[];
  /** Accounts. */
  readonly merchants?: readonly string[];
  /** Who earns, pays or gives. */
  readonly userKinds?: readonly AccountKind[];
}

/** One example that the rule must keep: what it is given, and exactly what it then says. */
export interface RuleTest {
  readonly name: string;
  readonly in: Given;
  readonly out: Partial<Said>;
}

export interface RuleDraft {
  readonly kind: RuleKind;
  readonly title: string;
  /** Unix milliseconds; 0: no bound. It counts from the first on, and no more at the second. */
  readonly effectiveFromMs: number;
  readonly effectiveToMs: number;
  readonly scope: RuleScope;
  /** Of several rules for one movement the highest is asked first; the first that has something to say decides. */
  readonly priority: number;
  readonly content: Graph;
  readonly limits: AwardLimits;
  readonly tests: readonly RuleTest[];
}

export interface RuleVersion extends RuleDraft {
  readonly id: string;
  /** From 1, without gaps. */
  readonly version: number;
  /** Hex digest of everything that decides. */
  readonly checksum: string;
  readonly createdBy: string;
  readonly createdAtMs: number;
}

const RULE_STATES = ['draft', 'tested', 'active', 'retired'] as const;
export type RuleState = (typeof RULE_STATES)[number];

/** Which version of a rule counts. */
export interface RulePointer {
  readonly id: string;
  readonly kind: RuleKind;
  /** 0: none. */
  readonly active: number;
  /** Versions that counted once and do no more, newest last. */
  readonly retired: readonly number[];
  /** Versions whose own tests were passed. */
  readonly tested: readonly number[];
  /** Rises with every change of the pointer: who changes it says which one he saw. */
  readonly revision: number;
}

export const stateOf = ({ active, retired, tested }: RulePointer, version: number): RuleState => {
  if (active === version) return 'active';
  if (retired.includes(version)) return 'retired';
  return tested.includes(version) ? 'tested' : 'draft';
};

/** The same text for the same values, whatever their order. */
export const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`).join(',')}}`;
};

export const checksumOf = (draft: RuleDraft): string => {
  const { kind, effectiveFromMs, effectiveToMs, scope, priority, content, limits, tests, title } = draft;
  const parts = { kind, effectiveFromMs, effectiveToMs, scope, priority, content, limits, tests, title };
  return createHash('sha256').update(canonical(parts)).digest('hex');
};
