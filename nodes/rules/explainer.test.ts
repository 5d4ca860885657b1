/** What is said of a movement that no graph decided. */
import { expect, test } from 'vitest';
import { EXPIRED_ACCOUNT } from '../../actors/durable.ts';
import { Explainer, type MovementRecord } from './explainer.ts';

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
