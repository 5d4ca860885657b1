/** Who computes the graph of a rule (`infra/rules/zenEngine.ts`). */
import type { Result } from '../../protocol/errors.ts';
import type { Expression, Graph } from './graph.ts';
import type { Given } from './trace.ts';

/** One step of an evaluation, for who wants it explained. */
export interface Step {
  readonly node: string;
  /** Row of a table that applied, from 1; null for other nodes. */
  readonly row: number | null;
  /** What that row asks for, in the words of the table. */
  readonly because: Readonly<Record<string, string>>;
}

export interface Compiled {
  /** What the graph says, unread. Rejects when an expression fails. */
  evaluate(given: Given): Promise<unknown>;
  /** The same, with its steps in order. */
  explain(given: Given): Promise<{ readonly result: unknown; readonly steps: readonly Step[] }>;
}

export interface RuleEngine {
  /**
   * Of a graph that `refusedGraph` lets pass. A refusal (422) says what the engine cannot read in it.
   *
   * @param expressions of this graph (`expressionsOf`)
   */
  compile(graph: Graph, expressions: readonly Expression[]): Result<Compiled>;
}
