/**
 * One version, read once: what of an input it looks at, for whom it is, and its graph ready to be evaluated. The same
 * for an actor's question, an operator's test and an explanation years later.
 */
import type { RuleKind } from '../../actors/scoring.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import type { Compiled, RuleEngine, Step } from './engine.ts';
import type { RuleScope, RuleVersion } from './envelope.ts';
import { expressionsOf, reads, refusedGraph } from './graph.ts';
import { KINDS } from './kinds.ts';
import { RULE_LIMITS } from './limits.ts';
import { type Said, saidOf } from './said.ts';
import { BUILT_IN } from './seeds.ts';
import { type Given, traceOf } from './trace.ts';

/** What an input is asked for by a scope. */
const SCOPED: readonly (readonly [keyof RuleScope, readonly string[]])[] = [
  ['states', ['state']],
  ['merchants', ['merchant']],
  ['userKinds', ['userKind', 'payerKind']],
];

/** Inputs of this kind that a part of a scope is about; none: such a scope means nothing there. */
export const scopedBy = (part: keyof RuleScope, kind: RuleKind): string | null =>
  SCOPED.find(([name]) => name === part)?.[1].find(field => field in KINDS[kind].inputs) ?? null;

/** Versions never change, and nodes look at theirs each second. */
const REFUSALS = new WeakMap<RuleVersion, Refusal | null>();

/**
 * Why the engine must not see this version: it may have been written when more was allowed, and the engine ends the process
 * where it cannot compute. Null: it may. Version 1 is how a town began.
 */
export function refusedVersion(rule: RuleVersion): Refusal | null {
  let refusal = REFUSALS.get(rule);
  if (refusal === undefined) {
    refusal = rule.createdBy === BUILT_IN ? null : refusedGraph(rule.content);
    REFUSALS.set(rule, refusal);
  }
  return refusal;
}

/** An input as every evaluation gets it: words of bounded length, numbers rounded down to their step, nothing else. */
export function discretised(kind: RuleKind, input: Readonly<Record<string, unknown>>): Given {
  const given: Record<string, string | number> = {};
  for (const [name, type] of Object.entries(KINDS[kind].inputs)) {
    const value = input[name];
    if (type.is === 'word' && typeof value === 'string') given[name] = value.slice(0, RULE_LIMITS.wordChars);
    // larger ones than anybody asks with are more than the engine bears
    if (type.is === 'number' && typeof value === 'number' && Math.abs(value) <= RULE_LIMITS.inputMax)
      given[name] = Math.floor(value / type.step) * type.step;
  }
  return given;
}

export interface Evaluation {
  readonly given: Given;
  readonly said: Said;
  readonly trace: string;
}

export class CompiledRule {
  readonly rule: RuleVersion;
  /** Inputs that its graph looks at: nothing else stands in its traces. */
  readonly inputs: readonly string[];
  /** Inputs that its scope asks for, with what they may be. */
  readonly #scope: readonly (readonly [field: string, allowed: ReadonlySet<string>])[];
  readonly #graph: Compiled;

  private constructor(rule: RuleVersion, graph: Compiled) {
    this.rule = rule;
    this.#graph = graph;
    const expressions = expressionsOf(rule.content);
    this.inputs = Object.keys(KINDS[rule.kind].inputs).filter(name =>
      expressions.some(one => reads(one, name)),
    );
    const parts = Object.entries(rule.scope) as [keyof RuleScope, readonly string[]][];
    this.#scope = parts.flatMap(([part, allowed]) => {
      // of what nobody knows here nothing is ever allowed
      const field = scopedBy(part, rule.kind) ?? part;
      return allowed.length > 0 ? [[field, new Set<string>(allowed)] as const] : [];
    });
  }

  static of(rule: RuleVersion, engine: RuleEngine): Result<CompiledRule> {
    const refusal = refusedVersion(rule);
    if (refusal) return refusal;
    const graph = engine.compile(rule.content, expressionsOf(rule.content));
    return graph.ok ? ok(new CompiledRule(rule, graph.value)) : graph;
  }

  /** Everything of an input that decides what comes out, or whether it is asked at all. */
  get decisive(): readonly string[] {
    return [...this.inputs, ...this.#scope.map(([field]) => field)];
  }

  isFor(given: Given): boolean {
    return this.#scope.every(([field, allowed]) => allowed.has(String(given[field] ?? '')));
  }

  isEffective(atMs: number): boolean {
    const { effectiveFromMs, effectiveToMs } = this.rule;
    return atMs >= effectiveFromMs && (effectiveToMs === 0 || atMs < effectiveToMs);
  }

  /** Null: it has nothing to say to this. A refusal: what it says is no award. */
  async evaluate(given: Given): Promise<Result<Evaluation | null>> {
    const seen = this.#seen(given);
    return this.#read(seen, () => this.#graph.evaluate(seen));
  }

  async explain(given: Given): Promise<Result<(Evaluation & { readonly steps: readonly Step[] }) | null>> {
    const seen = this.#seen(given);
    let steps: readonly Step[] = [];
    const evaluation = await this.#read(seen, async () => {
      const explained = await this.#graph.explain(seen);
      steps = explained.steps;
      return explained.result;
    });
    return evaluation.ok ? ok(evaluation.value && { ...evaluation.value, steps }) : evaluation;
  }

  #seen(given: Given): Given {
    return Object.fromEntries(Object.entries(given).filter(([name]) => this.inputs.includes(name)));
  }

  async #read(given: Given, evaluate: () => Promise<unknown>): Promise<Result<Evaluation | null>> {
    const { id, version, kind } = this.rule;
    let result: unknown;
    try {
      result = await evaluate();
    } catch (error) {
      return refuse(ERROR.invalid, `the graph cannot be evaluated: ${String(error).split('\n')[0]}`);
    }
    const said = saidOf(result, KINDS[kind].parties);
    if (!said.ok) return said;
    return ok(said.value && { given, said: said.value, trace: traceOf(id, version, given, said.value) });
  }
}
