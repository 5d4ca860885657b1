/**
 * The GoRules engine behind its port. A graph is read once and evaluated on the engine's own threads, so no turn waits
 * for it. A mistake in a cell of a table is no error to the engine (the row never applies), so every expression is read
 * by itself first.
 */
import {
  evaluateExpressionSync,
  evaluateUnaryExpressionSync,
  ZenEngine,
  type ZenEngineTrace,
} from '@gorules/zen-engine';
import type { Compiled, RuleEngine, Step } from '../../nodes/rules/engine.ts';
import type { Expression, Graph } from '../../nodes/rules/graph.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';

/** Of what the engine throws: the text is wrong. Anything else is about the values, which are not there yet. */
const MISREAD = /"type":"(lexerError|parserError|compilerError)"/;

const isReadable = ({ text, isTest }: Expression): boolean => {
  if (text.trim() === '') return true;
  try {
    if (isTest) evaluateUnaryExpressionSync(text, { $: '' });
    else evaluateExpressionSync(text, {});
    return true;
  } catch (error) {
    return !MISREAD.test(String(error));
  }
};

/** What the engine tells of a row that applied: which, and its cells by `field[id of the column]`. */
interface RowTrace {
  readonly index: number;
  readonly rule?: Readonly<Record<string, string>>;
}

const isRow = (trace: unknown): trace is RowTrace =>
  typeof trace === 'object' && trace !== null && 'index' in trace;

const becauseOf = ({ rule = {} }: RowTrace): Step['because'] => {
  const cells = Object.entries(rule).filter(([field, cell]) => field !== '_id' && cell !== '');
  return Object.fromEntries(cells.map(([field, cell]) => [field.replace(/\[[^\]]*\]$/, ''), cell]));
};

/** A table says one row, or (hit policy `collect`) each that applied. */
const stepsOf = ({ name, traceData }: ZenEngineTrace): readonly Step[] => {
  const rows = (Array.isArray(traceData) ? traceData : [traceData]).filter(isRow);
  if (rows.length === 0) return [{ node: name, row: null, because: {} }];
  return rows.map(row => ({ node: name, row: row.index + 1, because: becauseOf(row) }));
};

export class ZenRules implements RuleEngine {
  readonly #engine = new ZenEngine();

  compile(graph: Graph, expressions: readonly Expression[]): Result<Compiled> {
    const unread = expressions.find(one => !isReadable(one));
    if (unread)
      return refuse(ERROR.invalid, `"${unread.node}" has an expression with a mistake: ${unread.text}`);
    try {
      const decision = this.#engine.createDecision(graph);
      decision.validate();
      return ok({
        evaluate: async given => (await decision.evaluate(given)).result as unknown,
        explain: async given => {
          const { result, trace = {} } = await decision.evaluate(given, { trace: true });
          const steps = Object.values(trace).sort((a, b) => a.order - b.order);
          return { result: result as unknown, steps: steps.flatMap(stepsOf) };
        },
      });
    } catch (error) {
      const [words = ''] = String(error).split('\n');
      return refuse(ERROR.invalid, `the engine cannot read the graph: ${words}`);
    }
  }
}
