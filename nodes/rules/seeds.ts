/**
 * Version 1 of every rule as operators see it: the envelopes and graphs that a town starts with, with the numbers of
 * DOMAIN and of the configuration. They are built in, so a node that reaches no store has them too.
 */
import { ENCOUNTER_POINTS, FIRST_VERSION } from '../../actors/ruleNumbers.ts';
import { RULE_KINDS, type RuleKind } from '../../actors/scoring.ts';
import { DONORS, type FirstNumbers, firstLimits, NEEDY, REFUSALS, SPENDERS } from './builtIn.ts';
import { checksumOf, type RuleDraft, type RuleTest, type RuleVersion } from './envelope.ts';
import type { Graph, GraphNode } from './graph.ts';
import { meetingValues } from './meetingValues.ts';

/** Input, one node that decides, output. */
const through = (node: Omit<GraphNode, 'id'>): Graph => ({
  nodes: [
    { id: 'in', type: 'inputNode', name: 'input' },
    { id: 'rule', ...node },
    { id: 'out', type: 'outputNode', name: 'output' },
  ],
  edges: [
    { id: 'first', sourceId: 'in', targetId: 'rule' },
    { id: 'last', sourceId: 'rule', targetId: 'out' },
  ],
});

/** Cells by field, row by row; the first row that applies decides. An input that is empty applies to everything. */
const table = (
  name: string,
  inputs: readonly string[],
  outputs: readonly string[],
  rows: readonly Readonly<Record<string, string>>[],
): Graph => {
  const column = (field: string) => ({ id: field, name: field, field });
  return through({
    type: 'decisionTableNode',
    name,
    content: {
      hitPolicy: 'first',
      inputs: inputs.map(column),
      outputs: outputs.map(column),
      rules: rows.map((row, i) => ({
        ...Object.fromEntries([...inputs, ...outputs].map(field => [field, row[field] ?? ''])),
        _id: `row ${i + 1}`,
      })),
    },
  });
};

const expressions = (name: string, says: Readonly<Record<string, number>>): Graph =>
  through({
    type: 'expressionNode',
    name,
    content: {
      expressions: Object.entries(says).map(([key, value]) => ({ id: key, key, value: String(value) })),
    },
  });

const quoted = (text: string): string => JSON.stringify(text);
const anyOf = (words: readonly string[]): string => words.map(quoted).join(', ');
const refuses = (sentence: string) => ({ refusal: quoted(sentence) });

interface Seed {
  readonly title: string;
  readonly content: Graph;
  readonly tests: readonly RuleTest[];
}

const encounter: Seed = {
  title: 'Points of a meeting by its proof',
  content: table(
    'points by proof',
    ['method'],
    ['points.officer', 'points.civilian'],
    Object.entries(ENCOUNTER_POINTS).map(([method, { officer, civilian }]) => ({
      method: quoted(method),
      'points.officer': String(officer),
      'points.civilian': String(civilian),
    })),
  ),
  tests: Object.entries(ENCOUNTER_POINTS).map(([method, points]) => ({
    name: method,
    in: { method },
    out: { points },
  })),
};

const price: Seed = {
  title: 'What the offer asks for',
  content: table(
    'price',
    ['payerKind'],
    ['points.payer', 'refusal'],
    [{ payerKind: anyOf(SPENDERS), 'points.payer': 'price' }, refuses(REFUSALS.goods)],
  ),
  tests: [
    { name: 'a civilian', in: { payerKind: 'civilian', price: 30 }, out: { points: { payer: 30 } } },
    { name: 'an officer', in: { payerKind: 'officer', price: 30 }, out: { refusal: REFUSALS.goods } },
  ],
};

const BOTH = { 'points.payer': 'points', 'points.payee': 'points' };

const donation: Seed = {
  title: 'Donations arrive whole',
  content: table(
    'who gives to whom',
    ['payerKind', 'payeeKind'],
    ['points.payer', 'points.payee', 'refusal'],
    [
      { payerKind: anyOf(DONORS), payeeKind: anyOf(NEEDY), ...BOTH },
      { payerKind: anyOf(DONORS), ...refuses(REFUSALS.needy) },
      refuses(REFUSALS.donor),
    ],
  ),
  tests: [
    {
      name: 'to a family',
      in: { points: 5, payerKind: 'civilian', payeeKind: 'family' },
      out: { points: { payer: 5, payee: 5 } },
    },
    {
      name: 'to a merchant',
      in: { points: 5, payerKind: 'civilian', payeeKind: 'merchant' },
      out: { refusal: REFUSALS.needy },
    },
    {
      name: 'of a family',
      in: { points: 5, payerKind: 'family', payeeKind: 'charity' },
      out: { refusal: REFUSALS.donor },
    },
  ],
};

const giveaway: Seed = {
  title: 'Points from officer to officer',
  content: table(
    'who gives to whom',
    ['payerKind', 'payeeKind'],
    ['points.payer', 'points.payee', 'refusal'],
    [{ payerKind: '"officer"', payeeKind: '"officer"', ...BOTH }, refuses(REFUSALS.officers)],
  ),
  tests: [
    {
      name: 'to an officer',
      in: { points: 5, payerKind: 'officer', payeeKind: 'officer' },
      out: { points: { payer: 5, payee: 5 } },
    },
    {
      name: 'to a civilian',
      in: { points: 5, payerKind: 'officer', payeeKind: 'civilian' },
      out: { refusal: REFUSALS.officers },
    },
  ],
};

const seedsOf = (numbers: FirstNumbers): Readonly<Record<RuleKind, Seed>> => {
  const values = meetingValues(numbers);
  const named = Object.fromEntries(Object.entries(values).map(([name, value]) => [`values.${name}`, value]));
  return {
    'encounter.points': encounter,
    'redemption.price': price,
    donation,
    giveaway,
    'proximity.notify': {
      title: 'When two are near each other, and for how long an officer shares',
      content: expressions('distances and times', named),
      tests: [{ name: 'everybody', in: {}, out: { values } }],
    },
    'earning.limit': {
      title: 'Points that one may earn in a day: no limit',
      content: expressions('limits', { 'values.pointsPerDay': 0 }),
      tests: [{ name: 'everybody', in: {}, out: { values: { pointsPerDay: 0 } } }],
    },
    promotion: {
      title: 'No promotion',
      content: expressions('points on top', { 'points.user': 0 }),
      tests: [{ name: 'everybody', in: {}, out: { points: { user: 0 } } }],
    },
  };
};

/** Who wrote what a town starts with; operators have ids. */
export const BUILT_IN = 'heyblue';

/** One rule of each kind; its id is its kind. */
export function seedRules(numbers: FirstNumbers): readonly RuleVersion[] {
  const seeds = seedsOf(numbers);
  const limits = firstLimits(numbers);
  return RULE_KINDS.map(kind => {
    const draft: RuleDraft = {
      kind,
      ...seeds[kind],
      effectiveFromMs: 0,
      effectiveToMs: 0,
      scope: {},
      priority: 0,
      limits: limits[kind],
    };
    return {
      ...draft,
      id: kind,
      version: FIRST_VERSION,
      checksum: checksumOf(draft),
      createdBy: BUILT_IN,
      createdAtMs: 0,
    };
  });
}
