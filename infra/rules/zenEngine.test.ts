/** The engine behind the rules: what its graphs say, what it refuses to read, and what a town makes of both. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import type { ScoreQuery } from '../../actors/scoring.ts';
import { rulesContract } from '../../nodes/contracts/rules.contract.ts';
import { refusedDraft } from '../../nodes/rules/checks.ts';
import { CompiledRule } from '../../nodes/rules/compiledRule.ts';
import { checksumOf, type RuleVersion } from '../../nodes/rules/envelope.ts';
import type { Graph, GraphNode } from '../../nodes/rules/graph.ts';
import { type Evaluated, RuleBook } from '../../nodes/rules/ruleBook.ts';
import { seedRules } from '../../nodes/rules/seeds.ts';
import { STATES, stateOfZip } from '../../nodes/rules/states.ts';
import { differencesOf } from '../../nodes/rules/tests.ts';
import { Whereabouts } from '../../nodes/rules/whereabouts.ts';
import { silent } from '../postgres/testTown.ts';
import { graph } from './testGraphs.ts';
import { ZenRules } from './zenEngine.ts';

const engine = new ZenRules();
const SEEDS = seedRules(DEFAULT_RULES);
const [MEETING] = SEEDS as [RuleVersion];
const metrics = { count() {}, observe() {}, gauge() {} };

let nowMs = 1_000;
/** A cell in New York; an account at home in California, one at home nowhere. */
const homes = new Map([['ana', '94110-1234']]);
const { stateOf } = new Whereabouts({
  zipOf: cell => (cell === 'dr5' ? '10001' : null),
  homeZipOf: async account => homes.get(account) ?? null,
});
const bookOf = (...rules: RuleVersion[]) => {
  const evaluated: Evaluated[] = [];
  const clock = { nowMs: () => nowMs };
  const onEvaluated = (one: Evaluated) => evaluated.push(one);
  const book = new RuleBook({ engine, clock, log: silent, metrics, stateOf, onEvaluated });
  book.replace(rules);
  return { book, evaluated };
};

rulesContract('graphs', () => bookOf(...SEEDS).book);

const expressions = (says: Readonly<Record<string, string>>, name = 'sums'): Omit<GraphNode, 'id'> => ({
  type: 'expressionNode',
  name,
  content: { expressions: Object.entries(says).map(([key, value]) => ({ id: key, key, value })) },
});
const rule = (change: Partial<RuleVersion> = {}): RuleVersion => {
  const one = { ...MEETING, id: 'better', version: 2, priority: 1, tests: [], ...change };
  return { ...one, checksum: checksumOf(one) };
};
const pays = (officer: string, civilian = '1') =>
  graph(expressions({ 'points.officer': officer, 'points.civilian': civilian }));
const HEY: ScoreQuery = { type: 'score', kind: 'encounter.points', input: { method: 'hey' } };
const whyNot = (content: unknown): string =>
  refusedDraft(rule({ content: content as Graph }))?.message ?? 'nothing';

describe('every first rule', () => {
  test.each(SEEDS.map(one => [one.id, one] as const))(
    '%s may be written and keeps its own tests',
    async (_id, one) => {
      expect(refusedDraft(one)).toBeNull();
      const compiled = CompiledRule.of(one, engine);
      expect(compiled.ok && (await differencesOf(compiled.value))).toEqual([]);
    },
  );
});

describe('a graph is refused, in words for its writer, that', () => {
  test.each([
    [
      'has a function with free code',
      { type: 'functionNode', name: 'mine', content: 'for (;;) {}' },
      'free code',
    ],
    ['calls another graph', { type: 'decisionNode', name: 'mine', content: { key: 'better' } }, 'never end'],
    ['asks somebody outside', { type: 'httpRequestNode', name: 'mine' }, 'outside'],
    ['is of a kind that nobody knows', { type: 'spellNode', name: 'mine' }, 'unknown type spellNode'],
    [
      'repeats itself',
      { ...expressions({ 'points.officer': '1' }), content: { executionMode: 'loop' } },
      'repeats',
    ],
    ['goes through a list', expressions({ 'points.officer': 'sum(map([1..999999999], # * 2))' }), 'map()'],
    ['throws dice', expressions({ 'points.officer': 'rand(100)' }), 'rand()'],
    ['asks for the time', expressions({ 'points.officer': "len(d('now'))" }), 'd()'],
    ['pays a stranger', expressions({ 'points.mayor': '1' }), 'points.mayor'],
    ['pays nobody', expressions({ bonus: '1' }), 'points to nobody'],
  ])('%s', (_what, node, words) => {
    expect(whyNot(graph(node as Omit<GraphNode, 'id'>))).toContain(words);
  });

  test('is cyclic, however long the way around', () => {
    const one = graph(
      expressions({ a: '1' }),
      expressions({ b: '1' }),
      expressions({ 'points.officer': '1' }),
    );
    expect(whyNot(one)).toBe('nothing');
    expect(whyNot({ ...one, edges: [...one.edges, { sourceId: '3', targetId: '1' }] })).toContain('cyclic');
    expect(whyNot({ ...one, edges: [...one.edges, { sourceId: '2', targetId: '2' }] })).toContain('cyclic');
  });

  test('leads nowhere, or is none', () => {
    const one = pays('1');
    expect(whyNot({ ...one, edges: one.edges.slice(1) })).toContain('no way');
    expect(whyNot({ ...one, edges: [{ sourceId: '0', targetId: 'gone' }] })).toContain('not there');
    expect(whyNot({ ...one, nodes: [...one.nodes, one.nodes[0]!] })).toContain('one id');
    expect(whyNot({ nodes: 5 })).toContain('no graph');
    expect(whyNot(null)).toContain('no graph');
  });

  test('has a mistake in an expression: where, and which', () => {
    const read = CompiledRule.of(rule({ content: pays('((') }), engine);
    expect(read).toMatchObject({ ok: false, message: '"sums" has an expression with a mistake: ((' });
  });
});

describe('of several rules', () => {
  test('the one of the highest priority that has something to say decides, alone', async () => {
    const silentOne = rule({ id: 'silent', priority: 9, content: pays('null', 'null') });
    const nightly = rule({ content: pays('7') });
    const { book } = bookOf(MEETING, silentOne, nightly);
    expect(await book.score(HEY)).toMatchObject({
      points: { officer: 7, civilian: 1 },
      rule: { id: 'better', version: 2 },
    });
  });

  test('one that says what is no award is passed over', async () => {
    for (const wrong of ['-1', '0.5', '"many"', '9999999999999999']) {
      const { book } = bookOf(MEETING, rule({ content: pays(wrong) }));
      expect(await book.score(HEY)).toMatchObject({ points: { officer: 10 }, rule: { version: 1 } });
    }
  });

  test('one for a place is for that place only', async () => {
    const { book } = bookOf(MEETING, rule({ content: pays('7'), scope: { states: ['NY', 'NJ'] } }));
    const at = (state: string) =>
      book.score({ type: 'score', kind: 'encounter.points', input: { method: 'hey', state } });
    expect((await at('NY')).points.officer).toBe(7);
    expect((await at('CA')).points.officer).toBe(10);
    expect((await book.score(HEY)).points.officer).toBe(10);
  });

  test('one for a state counts where it happens, else where somebody is at home', async () => {
    const { book } = bookOf(MEETING, rule({ content: pays('7'), scope: { states: ['NY'] } }));
    const { book: western } = bookOf(MEETING, rule({ content: pays('7'), scope: { states: ['CA'] } }));
    const points = async (of: RuleBook, place: { cell?: string; account: string }) =>
      (await of.score({ type: 'score', kind: 'encounter.points', input: { method: 'hey' }, place })).points
        .officer;
    expect(await points(book, { cell: 'dr5', account: 'ana' })).toBe(7);
    expect(await points(book, { cell: '', account: 'ana' })).toBe(10);
    expect(await points(western, { cell: 'dr5', account: 'ana' })).toBe(10);
    expect(await points(western, { cell: '', account: 'ana' })).toBe(7);
    expect(await points(western, { account: 'bo' })).toBe(10);
  });

  test('one of which nobody knows whom it is for is for nobody', async () => {
    const { book } = bookOf(MEETING, rule({ content: pays('7'), scope: { cities: ['Albany'] } }));
    expect((await book.score(HEY)).points.officer).toBe(10);
  });

  test('zip codes are of the state that the postal service says', () => {
    const zips = ['10001', '06390', '20001', '33101', '79936', '88510', '99501', '00501', '57701-0001'];
    const states = ['NY', 'CT', 'DC', 'FL', 'TX', 'TX', 'AK', 'NY', 'SD'];
    expect(zips.map(stateOfZip)).toEqual(states);
    expect(['00001', '1000', 'SW1A 1AA', ''].map(stateOfZip)).toEqual([null, null, null, null]);
    // fifty, the district, three territories with numbers of their own, and three for the forces
    expect(STATES).toHaveLength(57);
  });

  test('one counts from its first date to its last, also when it was asked before', async () => {
    const { book } = bookOf(
      MEETING,
      rule({ content: pays('7'), effectiveFromMs: 2_000, effectiveToMs: 3_000 }),
    );
    const points: unknown[] = [];
    for (nowMs of [1_999, 2_000, 2_999, 3_000]) points.push((await book.score(HEY)).points.officer);
    expect(points).toEqual([10, 7, 7, 10]);
  });

  test('none: there are no points', async () => {
    expect(await bookOf().book.score(HEY)).toMatchObject({
      points: {},
      refusal: 'there is no rule for this',
    });
  });
});

describe('what was evaluated', () => {
  test('is evaluated once, and told of with what it looked at', async () => {
    const { book, evaluated } = bookOf(MEETING);
    const asked = {
      type: 'score',
      kind: 'encounter.points',
      input: { method: 'hey', state: 'NY' },
    } as const;
    const first = await book.score(asked);
    expect(await book.score(HEY)).toBe(first);
    expect(evaluated).toEqual([
      {
        id: 'encounter.points',
        version: 1,
        given: { method: 'hey' },
        said: { points: { officer: 10, civilian: 10 }, values: {} },
        trace: first.rule.trace,
      },
    ]);
  });

  test('is another trace for another input, version or answer', async () => {
    const traces = new Set<unknown>();
    const books = [[MEETING], [rule()], [rule({ version: 3 })], [rule({ content: pays('7') })]];
    for (const rules of books) {
      const { book } = bookOf(...rules);
      for (const method of ['hey', 'qr'] as const)
        traces.add(
          (await book.score({ type: 'score', kind: 'encounter.points', input: { method } })).rule.trace,
        );
    }
    // what does not look at the method says the same to both
    expect(traces.size).toBe(7);
  });
});
