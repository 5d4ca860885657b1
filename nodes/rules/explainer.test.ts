/** What is said of movements that no graph decided, and of those of which nobody kept what was asked. */
import { describe, expect, test } from 'vitest';
import { EXPIRED_ACCOUNT } from '../../actors/durable.ts';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import { ZenRules } from '../../infra/rules/zenEngine.ts';
import type { AccountKind } from '../../protocol/catalogue.ts';
import { CompiledRule, discretised } from './compiledRule.ts';
import { Explainer, type MovementRecord } from './explainer.ts';
import { seedRules } from './seeds.ts';
import type { Given } from './trace.ts';

const ANA = '01900000-0000-7000-8000-00000000000a';
const movement: MovementRecord = {
  id: '01900000-0000-7000-8000-00000000000b',
  reason: 'expiry',
  rule: { id: 'points.life', version: 365, trace: null },
  atMs: 1_700_000_000_000,
  postings: [
    { account: ANA, kind: 'civilian', delta: -40 },
    { account: EXPIRED_ACCOUNT, kind: null, delta: 40 },
  ],
  encounter: null,
};

test('points that expired: how many, how old, and why these', async () => {
  const nothing = async () => null;
  const store = { version: nothing, evaluated: nothing };
  const explainer = new Explainer({ store, engine: null as never, seeds: [] });
  const mine = await explainer.explain(movement, ANA);
  expect(mine).toMatchObject({ reason: 'expiry', rule: { id: 'points.life', version: 365 }, agrees: null });
  expect(mine.sentences).toEqual([
    '40 points of your account expired: they came more than 365 whole days before and were not spent.',
    'What came first is spent first, so these were the oldest. Points that were set aside at that time were not taken.',
    'The rule points.life says that points live for 365 whole days.',
  ]);
  const { sentences } = await explainer.explain(movement, null);
  expect(sentences[0]).toBe(
    '40 points of the civilian account expired: they came more than 365 whole days before and were not spent.',
  );
});

describe('what a rule was given and nobody kept is found by its trace', () => {
  const engine = new ZenRules();
  const seeds = seedRules(DEFAULT_RULES);
  const nothing = async () => null;
  const explainer = new Explainer({ store: { version: nothing, evaluated: nothing }, engine, seeds });
  const STORE = '01900000-0000-7000-8000-00000000000c';
  const sides = (...deltas: readonly (readonly [string, AccountKind | null, number])[]) =>
    deltas.map(([account, kind, delta]) => ({ account, kind, delta }));

  /** As it was posted after `kind` was asked with this. */
  const moved = async (kind: string, input: Given, reason: string, postings: MovementRecord['postings']) => {
    const seed = seeds.find(one => one.kind === kind)!;
    const compiled = CompiledRule.of(seed, engine);
    const evaluation = compiled.ok ? await compiled.value.evaluate(discretised(seed.kind, input)) : compiled;
    const trace = evaluation.ok ? (evaluation.value?.trace ?? null) : null;
    return { ...movement, reason, rule: { id: seed.id, version: 1, trace }, postings };
  };

  test('a meeting by proximity: operators hear by which version the two stood together', async () => {
    const met = await moved(
      'encounter.points',
      { method: 'proximity' },
      'encounter',
      sides([ANA, 'civilian', 10], [STORE, 'officer', 10]),
    );
    const metOf = (version: number): MovementRecord => {
      const metBy = { id: 'proximity.notify', version };
      return { ...met, encounter: { method: 'proximity', officer: STORE, civilian: ANA, metBy } };
    };
    const told = async (version: number, of: string | null) =>
      (await explainer.explain(metOf(version), of)).sentences.filter(one => one.includes('stood together'));
    expect(await told(1, null)).toEqual([
      `The two stood together by the rule "${seeds.find(one => one.kind === 'proximity.notify')!.title}" (proximity.notify, version 1).`,
    ]);
    expect(await told(2, null)).toEqual([
      'The two stood together by the rule proximity.notify, version 2; no such version is stored.',
    ]);
    expect(await told(1, ANA)).toEqual([]);
  });

  test('three units of a redemption', async () => {
    const input = { price: 7, quantity: 3, offerKind: 'goods', payerKind: 'civilian', merchant: STORE };
    const postings = sides([ANA, 'civilian', -21], [STORE, 'merchant', 21]);
    const sold = await moved('redemption.price', input, 'redemption', postings);
    expect(await explainer.explain(sold, ANA)).toMatchObject({
      replay: 'same',
      given: { price: 7, payerKind: 'civilian' },
      points: { payer: 7 },
      agrees: true,
    });
  });

  test('a fee', async () => {
    const input = { price: 30, quantity: 1, offerKind: 'fee', payerKind: 'civilian', merchant: STORE };
    const postings = sides([ANA, 'civilian', -30], [STORE, 'municipality', 30]);
    const paid = await moved('redemption.price', input, 'fee', postings);
    expect(await explainer.explain(paid, ANA)).toMatchObject({ replay: 'same', given: { price: 30 } });
  });

  test('a donation that was split', async () => {
    const input = { points: 8, payerKind: 'civilian', payeeKind: 'charity' };
    const postings = sides([ANA, 'civilian', -10], [STORE, 'charity', 8], ['other', 'family', 2]);
    const given = await moved('donation', input, 'donation', postings);
    expect(await explainer.explain(given, ANA)).toMatchObject({ replay: 'same', given: input, agrees: true });
  });

  test('a promotion of a rule that does not ask how many points the meeting had', async () => {
    const input = { of: 'encounter.points', points: 20, userKind: 'civilian' };
    const more = await moved(
      'promotion',
      input,
      'promotion',
      sides([ANA, 'civilian', 5], ['mint', null, -5]),
    );
    expect(await explainer.explain(more, ANA)).toMatchObject({ replay: 'same' });
  });

  test('or said not to be known, where nothing that the ledger shows leaves that trace', async () => {
    const input = { points: 50, payerKind: 'civilian', payeeKind: 'charity' };
    const postings = sides([ANA, 'civilian', -5], [STORE, 'charity', 5]);
    const told = await explainer.explain(await moved('donation', input, 'donation', postings), ANA);
    expect(told).toMatchObject({ replay: 'unknown', given: null, agrees: null });
    expect(told.sentences).toContain('What it was asked with is not known.');
  });
});
