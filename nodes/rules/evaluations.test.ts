/** What was evaluated is written down, also when the store is away for a while and when the node stops. */
import { beforeEach, expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import type { ScoreQuery } from '../../actors/scoring.ts';
import { silent } from '../../infra/postgres/testTown.ts';
import { ZenRules } from '../../infra/rules/zenEngine.ts';
import { VirtualTime } from '../simulation/virtualTime.ts';
import { Evaluations } from './evaluations.ts';
import { RULE_LIMITS } from './limits.ts';
import { RuleBook } from './ruleBook.ts';
import { seedRules } from './seeds.ts';

let time: VirtualTime;
let away: boolean;
let lost: number;
const written = new Set<string>();
const metrics = {
  count: (_name: string, _labels?: object, n = 1) => void (lost += n),
  observe() {},
  gauge() {},
};

beforeEach(() => {
  time = new VirtualTime();
  away = false;
  lost = 0;
  written.clear();
});

const evaluations = () =>
  new Evaluations({
    store: {
      async keep({ trace }) {
        if (away) throw new Error('no connection');
        written.add(trace);
      },
    },
    scheduler: time,
    log: silent,
    metrics,
  });
const one = (trace: string) => ({ id: 'x', version: 1, given: {}, said: { points: {}, values: {} }, trace });

test('a node that stops writes what waits', async () => {
  const some = evaluations();
  const all = Array.from({ length: 5 * RULE_LIMITS.writtenAtOnce }, (_, i) => `${i}`);
  for (const trace of all) some.add(one(trace), () => {});
  await some.stop();
  expect([...written].sort()).toEqual(all.sort());
  expect(lost).toBe(0);
});

test('a node that stops while the store is away does not wait, and counts what is lost', async () => {
  away = true;
  const some = evaluations();
  some.add(one('a'), () => {});
  await some.stop();
  expect(lost).toBe(1);
});

test('what made room while the store was away is evaluated again when it is asked for again, and written', async () => {
  const some = evaluations();
  const book = new RuleBook({
    engine: new ZenRules(),
    clock: time,
    log: silent,
    metrics: { count() {}, observe() {}, gauge() {} },
    stateOf: async () => null,
    onEvaluated: (evaluated, forget) => some.add(evaluated, forget),
  });
  book.replace(seedRules(DEFAULT_RULES));
  const gift = (points: number): ScoreQuery => ({
    type: 'score',
    kind: 'donation',
    input: { points, payerKind: 'civilian', payeeKind: 'family' },
  });
  away = true;
  const first = await book.score(gift(1));
  for (let points = 2; points <= RULE_LIMITS.unwritten + 1; points++) await book.score(gift(points));
  expect(lost).toBe(1);
  away = false;
  expect(await book.score(gift(1))).toEqual(first);
  // and makes room for none of the others now
  await some.stop();
  expect(written.has(first.rule.trace!)).toBe(true);
});
