/**
 * What a graph of a rule may be: a decision model in GoRules' JSON of which every evaluation ends.
 *
 * The engine can do more than rules of points need, and an operator's mistake must not stop a node. So a graph has no
 * free code, calls no other graph, asks nobody outside and repeats nothing: it is one way from its input through tables,
 * expressions and switches to its output, without a circle, and its expressions use functions that look at one value.
 * What is left takes as long as it is large, and how large it may be is bounded.
 */
import { ERROR, type Refusal, refuse } from '../../protocol/errors.ts';
import { type Bound, boundOf, either } from './bounds.ts';
import { RULE_LIMITS } from './limits.ts';
import { Unbounded } from './tokens.ts';

export interface GraphNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  readonly content?: unknown;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly {
    readonly sourceId: string;
    readonly targetId: string;
    readonly [more: string]: unknown;
  }[];
}

/** A part of a graph that the engine computes. A test stands in a cell of a table, and is about the column's field. */
export interface Expression {
  readonly node: string;
  readonly text: string;
  readonly isTest: boolean;
}

const NODE_TYPES = ['inputNode', 'outputNode', 'decisionTableNode', 'expressionNode', 'switchNode'];
/** Why the others are refused. */
const REFUSED: Readonly<Record<string, string>> = {
  functionNode: 'is a function with free code; use tables and expressions',
  decisionNode: 'calls another graph; a rule is one graph, or it might never end',
  customNode: 'asks for code outside of the rule',
  httpRequestNode: 'asks somebody outside; a rule is pure',
};

/** Of the rows that apply the first decides, or all are added up (`said.ts`); of branches one is gone, or each. */
const HIT_POLICIES = ['first', 'collect'];

const WORDS = ['and', 'or', 'not', 'in'];
/** Functions of one value each, or of a few: none repeats anything, asks for the time or throws dice. */
export const FUNCTIONS = [
  ...['abs', 'floor', 'ceil', 'round', 'min', 'max', 'sum', 'avg'],
  ...['len', 'contains', 'startsWith', 'endsWith', 'upper', 'lower', 'trim', 'string', 'bool'],
];

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const no = (why: string): Refusal => refuse(ERROR.invalid, why);
const nameOf = ({ name, id }: GraphNode): string => `"${name ?? id}"`;
const list = (value: unknown): readonly Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter(isRecord) : [];
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** What is computed by a node, in its order. */
function computedBy({ id, name, type, content }: GraphNode): (Expression & { readonly says: string })[] {
  if (!isRecord(content)) return [];
  const node = name ?? id;
  /** @param says name of what comes out; of what nobody can name, a sign */
  const plain = (one: unknown, says = '$') => ({ node, text: text(one), isTest: false, says });
  if (type === 'expressionNode') return list(content.expressions).map(one => plain(one.value, text(one.key)));
  if (type === 'switchNode') return list(content.statements).map(one => plain(one.condition));
  if (type !== 'decisionTableNode') return [];
  const [inputs, outputs] = [list(content.inputs), list(content.outputs)];
  return [
    ...inputs.map(one => plain(one.field)),
    ...list(content.rules).flatMap(row => [
      ...inputs.map(one => ({ ...plain(row[text(one.id)]), isTest: text(one.field) !== '' })),
      ...outputs.map(one => plain(row[text(one.id)], text(one.field))),
    ]),
  ];
}

/** Everything of the graph that is computed. */
export const expressionsOf = ({ nodes }: Graph): Expression[] => nodes.flatMap(computedBy);

/** Names under which the graph says something: `points.officer` for example. */
export function outputsOf({ nodes }: Graph): string[] {
  return nodes.flatMap(({ type, content }) => {
    if (!isRecord(content)) return [];
    if (type === 'expressionNode') return list(content.expressions).map(one => text(one.key));
    return type === 'decisionTableNode' ? list(content.outputs).map(one => text(one.field)) : [];
  });
}

/** Texts are data: what stands in quotes is not looked at. */
const withoutTexts = (expression: string): string =>
  expression.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""');

/** Whether an expression looks at this input. */
export const reads = ({ text: expression }: Expression, input: string): boolean =>
  new RegExp(`(?<![\\w.])${input}(?![\\w])`).test(withoutTexts(expression));

function refusedExpression({ node, text: expression }: Expression): Refusal | null {
  if (expression.length > RULE_LIMITS.expressionChars)
    return no(`an expression of "${node}" is longer than ${RULE_LIMITS.expressionChars} characters`);
  const code = withoutTexts(expression);
  if (code.includes('`') || code.includes('=>'))
    return no(`"${node}" has a template or function in an expression`);
  for (const [, called = ''] of code.matchAll(/([A-Za-z_]\w*)\s*\(/g)) {
    if (!WORDS.includes(called) && !FUNCTIONS.includes(called))
      return no(`"${node}" calls ${called}(): an expression may use ${FUNCTIONS.join(', ')}`);
  }
  return null;
}

function refusedNode(node: GraphNode): Refusal | null {
  if (!NODE_TYPES.includes(node.type)) {
    return no(`the node ${nameOf(node)} ${REFUSED[node.type] ?? `is of the unknown type ${node.type}`}`);
  }
  const { content } = node;
  if (!isRecord(content)) return null;
  const elsewhere = ['inputField', 'outputPath'].find(name => text(content[name]) !== '');
  if (elsewhere !== undefined)
    return no(`the node ${nameOf(node)} has an ${elsewhere}: it is given everything and says it as it is`);
  if (content.executionMode === 'loop') return no(`the node ${nameOf(node)} repeats itself over a list`);
  const { hitPolicy } = content;
  const isBranch = node.type === 'switchNode' && hitPolicy === undefined;
  if (node.type !== 'expressionNode' && !isBranch && !HIT_POLICIES.includes(hitPolicy as string))
    return no(
      `the hit policy of ${nameOf(node)} is ${String(hitPolicy)}: it is ${HIT_POLICIES.join(' or ')}`,
    );
  if (node.type !== 'decisionTableNode') return null;
  if (list(content.rules).length > RULE_LIMITS.tableRows)
    return no(`the table ${nameOf(node)} has more than ${RULE_LIMITS.tableRows} rows`);
  if (list(content.inputs).length + list(content.outputs).length > RULE_LIMITS.tableColumns)
    return no(`the table ${nameOf(node)} has more than ${RULE_LIMITS.tableColumns} columns`);
  return null;
}

/** The nodes so that each stands behind all that lead to it; null when there is a circle. */
function inOrder({ nodes, edges }: Graph): GraphNode[] | null {
  const incoming = new Map(nodes.map(({ id }) => [id, 0]));
  for (const { targetId } of edges) incoming.set(targetId, incoming.get(targetId)! + 1);
  const free = nodes.filter(({ id }) => incoming.get(id) === 0).map(({ id }) => id);
  const order: GraphNode[] = [];
  for (let id = free.pop(); id !== undefined; id = free.pop()) {
    order.push(nodes.find(one => one.id === id)!);
    for (const edge of edges) {
      if (edge.sourceId !== id) continue;
      const left = incoming.get(edge.targetId)! - 1;
      incoming.set(edge.targetId, left);
      if (left === 0) free.push(edge.targetId);
    }
  }
  return order.length < nodes.length ? null : order;
}

/** Whether the input's way leads to the output. */
function leadsOut({ nodes, edges }: Graph): boolean {
  const reached = new Set(nodes.flatMap(({ id, type }) => (type === 'inputNode' ? [id] : [])));
  for (const id of reached) for (const edge of edges) if (edge.sourceId === id) reached.add(edge.targetId);
  return nodes.some(({ id, type }) => type === 'outputNode' && reached.has(id));
}

/**
 * What all rows of a table say is a list, and a list is added up where the graph ends: on the way another node, or what
 * reaches the output beside it, would take its place.
 */
function refusedCollecting({ nodes, edges }: Graph): Refusal | null {
  const out = nodes.find(({ type }) => type === 'outputNode')?.id;
  for (const node of nodes) {
    const { id, type, content } = node;
    if (type !== 'decisionTableNode' || !isRecord(content) || content.hitPolicy !== 'collect') continue;
    const isLast = edges.every(edge => edge.sourceId !== id || edge.targetId === out);
    const isAlone = edges.every(edge => edge.targetId !== out || edge.sourceId === id);
    if (!isLast || !isAlone)
      return no(`the table ${nameOf(node)} collects: it leads to the output, and nothing else does`);
  }
  return null;
}

/** Nothing that is computed may grow beyond what the engine bears. @param nodes in their order */
function refusedGrowth(nodes: readonly GraphNode[]): Refusal | null {
  const known = new Map<string, Bound>();
  const add = (name: string, bound: Bound) => known.set(name, either(known.get(name) ?? bound, bound));
  for (const node of nodes) {
    for (const { text: expression, isTest, says } of computedBy(node)) {
      if (expression.trim() === '') continue;
      try {
        const bound = boundOf(expression, known, isTest);
        if (!isTest) add(says, bound);
      } catch (error) {
        if (!(error instanceof Unbounded)) throw error;
        return no(`${nameOf(node)} ${error.message}`);
      }
    }
  }
  return null;
}

const isGraph = (content: unknown): content is Graph =>
  isRecord(content) &&
  Array.isArray(content.nodes) &&
  Array.isArray(content.edges) &&
  content.nodes.every(one => isRecord(one) && typeof one.id === 'string' && typeof one.type === 'string') &&
  content.edges.every(
    one => isRecord(one) && typeof one.sourceId === 'string' && typeof one.targetId === 'string',
  );

/** Why this is no graph of a rule, in a sentence for whoever wrote it; null when it is one. */
export function refusedGraph(content: unknown): Refusal | null {
  if (!isGraph(content)) return no('the content is no graph: { nodes: [...], edges: [...] } of GoRules JDM');
  const { nodes, edges } = content;
  if (nodes.length > RULE_LIMITS.graphNodes)
    return no(`the graph has more than ${RULE_LIMITS.graphNodes} nodes`);
  const ids = new Set(nodes.map(({ id }) => id));
  if (ids.size < nodes.length) return no('two nodes of the graph have one id');
  if (edges.some(({ sourceId, targetId }) => !ids.has(sourceId) || !ids.has(targetId)))
    return no('an edge of the graph leads to a node that is not there');
  for (const node of nodes) {
    const refusal = refusedNode(node);
    if (refusal) return refusal;
  }
  if (nodes.filter(({ type }) => type === 'inputNode').length !== 1)
    return no('a graph has exactly one input node');
  if (nodes.filter(({ type }) => type === 'outputNode').length > 1)
    return no('a graph has one output node: of several only one would be heard');
  const order = inOrder(content);
  if (order === null) return no('the graph is cyclic: a rule that comes back to itself never ends');
  if (!leadsOut(content)) return no('no way through the graph leads from its input to its output');
  for (const expression of expressionsOf(content)) {
    const refusal = refusedExpression(expression);
    if (refusal) return refusal;
  }
  return refusedCollecting(content) ?? refusedGrowth(order);
}
