/** The rules are told where each movement happens, so that one may be for a state only. */
import { afterEach, expect, test } from 'vitest';
import { TownMarket } from '../nodes/testing/market.ts';
import { SmallTown } from '../nodes/testing/smallTown.ts';
import type { RuleKind, ScorePlace } from './scoring.ts';

let town: SmallTown;
afterEach(() => {
  town.stop();
  expect(town.problems).toEqual([]);
});

test('a meeting, what comes on top of it, a gift and a redemption: each has its place', async () => {
  const places = new Map<RuleKind, Set<ScorePlace | undefined>>();
  town = new SmallTown(
    {},
    {
      seed: 5,
      published: ({ kind, place }) => {
        places.set(kind, (places.get(kind) ?? new Set()).add(place));
        return null;
      },
    },
  );
  const told = (kind: RuleKind) => [...(places.get(kind) ?? [])];
  const [officer, other] = [await town.phone('officer'), await town.phone('officer')];
  const ana = await town.phone('civilian');

  const shown = await officer.command('qr.show', {});
  if (!shown.ok) throw new Error(shown.message);
  expect(await ana.command('qr.scan', { token: shown.value.token })).toMatchObject({ ok: true });
  expect(told('encounter.points')).toEqual([{ cell: '', account: officer.id }]);
  await town.time.advance(1_000);
  for (const kind of ['earning.limit', 'promotion'] as const) {
    expect(told(kind)).toContainEqual({ account: ana.id });
    expect(told(kind)).toContainEqual({ account: officer.id });
  }

  expect(await officer.command('points.give', { userId: other.id, points: 3 })).toMatchObject({ ok: true });
  expect(told('giveaway')).toEqual([{ account: officer.id }]);

  const market = await TownMarket.open(town, 1);
  expect(await market.reserve(await market.customer(100), 1)).toMatchObject({ ok: true });
  expect(told('redemption.price')).toEqual([{ account: market.merchant.id }]);
});
