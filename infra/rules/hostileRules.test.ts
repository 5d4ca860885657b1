/**
 * What an operator may write, by mistake or not: rules that would end the process, fill its memory or say another thing than
 * they seem to. Whatever is let through is computed here by the real engine, which ends this process where it fails.
 */
import { evaluateExpressionSync } from '@gorules/zen-engine';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundOf } from '../../nodes/rules/bounds.ts';
import { CompiledRule } from '../../nodes/rules/compiledRule.ts';
import type { RuleVersion } from '../../nodes/rules/envelope.ts';
import { type GraphNode, refusedGraph } from '../../nodes/rules/graph.ts';
import { RULE_LIMITS } from '../../nodes/rules/limits.ts';
import { Unbounded } from '../../nodes/rules/tokens.ts';
import { graph } from './testGraphs.ts';
import { ZenRules } from './zenEngine.ts';

type Node = Omit<GraphNode, 'id'>;
const sums = (...says: readonly (readonly [string, string])[]): Node => ({
  type: 'expressionNode',
  name: 'sums',
  content: { expressions: says.map(([key, value]) => ({ id: key, key, value })) },
});
const says = (value: string): Node => sums(['points.officer', value]);
/** A row of {@link rows}: what the proof must be, and the officer's points. */
type Row = readonly [method: string, points: string];
const rows = (hitPolicy: unknown, ...all: readonly Row[]): Node => ({
  type: 'decisionTableNode',
  name: 'rows',
  content: {
    hitPolicy,
    inputs: [{ id: 'a', name: 'a', field: 'method' }],
    outputs: [{ id: 'b', name: 'b', field: 'points.officer' }],
    rules: all.map(([a, b], i) => ({ _id: `row ${i + 1}`, a, b })),
  },
});
const whyNot = (...nodes: Node[]): string => refusedGraph(graph(...nodes))?.message ?? 'nothing';

describe('an expression is refused that', () => {
  test.each([
    ['divides by nothing for its rest', '5 % 0', 'the rest of a division'],
    ['may divide by nothing for its rest', 'points % price', 'the rest of a division'],
    ['may divide by next to nothing', 'points / (price - 0.5)', 'divides by'],
    ['is larger than leaves the engine', '1e20', 'above'],
    ['may be larger than leaves the engine', 'points * points', 'above'],
    ['may be larger than the engine bears', 'points * points * points > 5 ? 1 : 2', 'above'],
    ['adds up to more than that', `sum([${RULE_LIMITS.numberMax}, 1, 1])`, 'above'],
    ['raises to a power', '2 ^ 95', 'power'],
    ['reads a number out of a text', 'number("9" + "9")', 'number()'],
    [
      'makes a text longer and longer',
      'upper(upper(upper(upper(upper(upper(upper(method)))))))',
      'characters',
    ],
    ['looks at everything', '[$root, $root]', 'everything'],
    ['hides what it computes behind a backslash', "'a\\' + (1 % 0) + '", 'backslash'],
    ['is no expression', 'points +', 'mistake'],
    ['is more than one', 'a = 1; a', 'mistake'],
  ])('%s', (_what, text, words) => {
    expect(whyNot(says(text))).toContain(words);
    // as a condition of a table, and as a word that it says
    expect(whyNot(rows('first', ['"hey"', text]))).toContain(words);
    expect(whyNot(rows('first', [`"hey", ${text}`, '1']))).toContain(words);
  });

  test('grows from step to step', () => {
    const steps = (value: (before: string) => string) =>
      sums(['a0', '"x"'], ...Array.from({ length: 40 }, (_, i) => [`a${i + 1}`, value(`$.a${i}`)] as const));
    expect(whyNot(steps(one => `${one} + ${one}`))).toContain('characters');
    expect(whyNot(steps(one => `[${one}, ${one}]`))).toContain('characters');
    expect(whyNot(steps(one => `${one} * 9`))).toBe('nothing');
    expect(whyNot(sums(['a', '9e17'], ['b', '$.a * 9']), says('1'))).toContain('above');
    expect(whyNot(says('price'), sums(['price', 'price * 1000000']), says('price * 10'))).toContain('above');
  });

  test('is given, or says, something elsewhere', () => {
    for (const name of ['inputField', 'outputPath']) {
      const node = says('1');
      const elsewhere = { ...node, content: { ...(node.content as object), [name]: '1 % 0' } };
      expect(whyNot(elsewhere)).toContain(name);
      const empty = { ...node, content: { ...(node.content as object), [name]: null } };
      expect(whyNot(empty)).toBe('nothing');
    }
  });
});

test.each([
  'points',
  'floor(points * 15 / 100)',
  'points > 100 and method == "hey" ? points * 2 + 5 : min(points, 10)',
  'price * quantity > 1000 ? price - 1 : price',
  'points / quantity',
  'points % 10',
  'not (method in ["hey", "qr"]) or userKind != "officer" ? 1 : 2',
  'points in [10..20) ? 1 : 0',
  'round(avg([points, price]))',
  'state ?? "NY"',
  '-points + max([1, 2])',
  'contains(lower(state), "n") ? 1 : 0',
])('an expression is let through: %s', text => {
  expect(whyNot(says(text))).toBe('nothing');
});

test.each([
  '> 5',
  '>= 1 and < 10',
  '"hey", "qr"',
  '[1..5]',
  '(1..5]',
  'not in ["hey"]',
  '$ > 5',
  'null',
  '!= 3',
])('a cell that tests is let through: %s', text => {
  expect(whyNot(rows('first', [text, '1']))).toBe('nothing');
});

test('whatever is let through, the engine bears', () => {
  const { expression } = fc.letrec(tie => ({
    expression: fc.oneof(
      { depthSize: 'medium', withCrossShrink: true },
      fc.constantFrom(
        'points',
        'price',
        'method',
        'nobody',
        '0',
        '1',
        '7.5',
        '1e12',
        '1e-9',
        '"x"',
        '[points]',
        'null',
      ),
      fc
        .tuple(
          tie('expression'),
          fc.constantFrom('+', '-', '*', '/', '%', '^', '==', '<', 'and', '??', 'in'),
          tie('expression'),
        )
        .map(([a, sign, b]) => `(${a} ${sign} ${b})`),
      fc
        .tuple(
          fc.constantFrom('abs', 'floor', 'round', 'sum', 'len', 'string', 'min', 'upper'),
          tie('expression'),
        )
        .map(([name, a]) => `${name}(${a})`),
      fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `[${a}, ${b}]`),
      fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${a} ? ${b} : -${a})`),
    ),
  }));
  let borne = 0;
  const check = (text: unknown): void => {
    try {
      boundOf(String(text), new Map());
    } catch (error) {
      expect(error).toBeInstanceOf(Unbounded);
      return;
    }
    for (const amount of [0, 1, RULE_LIMITS.inputMax]) {
      let said: unknown;
      try {
        said = evaluateExpressionSync(String(text), { points: amount, price: amount, method: 'hey' });
      } catch {
        continue;
      }
      borne++;
      if (typeof said === 'number') expect(Math.abs(said)).toBeLessThanOrEqual(RULE_LIMITS.numberMax);
      expect(JSON.stringify(said ?? null).length).toBeLessThanOrEqual(RULE_LIMITS.valueChars);
    }
  };
  fc.assert(fc.property(expression, check), { numRuns: 3_000 });
  expect(borne).toBeGreaterThan(500);
});

describe('the hit policy of a table', () => {
  const both: readonly Row[] = [
    ['"hey"', '1'],
    ['"qr"', '2'],
    ['', '4'],
  ];
  const compiled = (hitPolicy: string): CompiledRule => {
    const content = graph(rows(hitPolicy, ...both));
    expect(refusedGraph(content)).toBeNull();
    const rule = {
      id: 'mine',
      version: 2,
      kind: 'encounter.points',
      content,
      scope: {},
    } as unknown as RuleVersion;
    const read = CompiledRule.of(rule, new ZenRules());
    if (!read.ok) throw new Error(read.message);
    return read.value;
  };
  const said = async (hitPolicy: string, method: string) => {
    const explained = await compiled(hitPolicy).explain({ method });
    if (!explained.ok) throw new Error(explained.message);
    const { said: award, steps = [] } = explained.value ?? {};
    return [award?.points.officer, ...steps.flatMap(({ row }) => row ?? [])];
  };

  test('first: the first row that applies decides', async () => {
    expect(await said('first', 'hey')).toEqual([1, 1]);
    expect(await said('first', 'qr')).toEqual([2, 2]);
    expect(await said('first', 'proximity')).toEqual([4, 3]);
  });

  test('collect: all rows that apply are added up, and each is named', async () => {
    expect(await said('collect', 'hey')).toEqual([5, 1, 3]);
    expect(await said('collect', 'qr')).toEqual([6, 2, 3]);
    expect(await said('collect', 'proximity')).toEqual([4, 3]);
  });

  test.each(['unique', 'all', 'COLLECT', '', null, undefined, 5])('%s is none', hitPolicy => {
    expect(whyNot(rows(hitPolicy, ['', '1']))).toContain('first or collect');
  });

  test('of branches is one of the same', () => {
    const branch = (hitPolicy?: string): Node => ({
      type: 'switchNode',
      name: 'branch',
      content: {
        ...(hitPolicy !== undefined && { hitPolicy }),
        statements: [{ id: 'x', condition: 'points > 5' }],
      },
    });
    expect(whyNot(branch(), says('1'))).toBe('nothing');
    expect(whyNot(branch('collect'), says('1'))).toBe('nothing');
    expect(whyNot(branch('any'), says('1'))).toContain('first or collect');
  });

  test('collect is refused where its rows would be lost', () => {
    expect(whyNot(rows('collect', ...both), says('1'))).toContain('leads to the output');
    const beside = graph(rows('collect', ...both), says('1'));
    const edges = [
      { sourceId: '0', targetId: '1' },
      { sourceId: '0', targetId: '2' },
      { sourceId: '1', targetId: 'out' },
      { sourceId: '2', targetId: 'out' },
    ];
    expect(refusedGraph({ ...beside, edges })?.message).toContain('leads to the output');
    const two = { ...beside, nodes: [...beside.nodes, { id: 'more', type: 'outputNode' }] };
    expect(refusedGraph(two)?.message).toContain('one output');
  });
});
