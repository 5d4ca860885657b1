/** Corrections: what an entry brought goes back, once, by the actor of the account, as an entry of its own. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { ERROR, type Result } from '../protocol/errors.ts';
import { MINT_ACCOUNT } from './durable.ts';
import type { Given } from './messages/user.ts';

const S = 1_000;

let town: SmallTown;
let ana: TownPhone;
let officer: TownPhone;

beforeEach(async () => {
  town = new SmallTown();
  ana = await town.phone('civilian');
  officer = await town.phone('officer');
});
afterEach(() => {
  town.stop();
  expect(town.problems).toEqual([]);
});

/** A meeting, 20 points for each; its entry. */
async function met(): Promise<string> {
  const shown = await officer.command('qr.show', {});
  if (!shown.ok) throw new Error(shown.message);
  const scanned = await ana.command('qr.scan', { token: shown.value.token });
  if (!scanned.ok) throw new Error(scanned.message);
  await town.time.advance(S);
  return scanned.value.encounterId;
}

const give = async (from: TownPhone, to: TownPhone, points: number) =>
  (await from.ask({ type: 'give', to: to.id, points, key: town.key(), requestHash: 'h' })) as Result<Given>;

test('points of a meeting go back to the mint, of each side for itself, once', async () => {
  const transferId = await met();
  const first = await ana.ask({ type: 'reverse', transferId });
  expect(first).toMatchObject({ ok: true, value: { points: -20, balance: 0 } });
  expect(await ana.ask({ type: 'reverse', transferId })).toEqual(first);
  await town.time.advance(S);
  expect(ana.events('points.changed')).toMatchObject([{ delta: -20, balance: 0, reason: 'reversal' }]);
  expect([town.balance(ana.id), town.balance(officer.id), town.balance(MINT_ACCOUNT)]).toEqual([0, 20, -20]);
  expect(await officer.ask({ type: 'reverse', transferId })).toMatchObject({ ok: true });
  expect(town.balance(MINT_ACCOUNT)).toBe(0);
});

test('points of a gift go back to who gave it, and he hears of them', async () => {
  await met();
  const given = await give(ana, officer, 5);
  if (!given.ok) throw new Error(given.message);
  const { transferId } = given.value;
  expect(await officer.ask({ type: 'reverse', transferId })).toMatchObject({
    value: { points: -5, balance: 20 },
  });
  await town.time.advance(S);
  expect(ana.events('points.changed').at(-1)).toMatchObject({ delta: 5, balance: 20, reason: 'reversal' });
});

test('asked for again after the actor died it is the same one, whatever is left by then', async () => {
  const transferId = await met();
  const first = await ana.ask({ type: 'reverse', transferId });
  town.kill();
  await ana.connect();
  expect(await ana.ask({ type: 'reverse', transferId })).toEqual(first);
  expect(town.balance(ana.id)).toBe(0);
});

test('nothing moves that is not there, and it may be asked for again when it is', async () => {
  const transferId = await met();
  expect(await give(ana, officer, 15)).toMatchObject({ ok: true });
  expect(await ana.ask({ type: 'reverse', transferId })).toMatchObject({ code: ERROR.conflict });
  expect(town.balance(ana.id)).toBe(5);
  expect(await give(officer, ana, 15)).toMatchObject({ ok: true });
  await town.time.advance(S);
  expect(await ana.ask({ type: 'reverse', transferId })).toMatchObject({ ok: true });
});

test.each([
  ['an entry that does not exist', async () => town.key(), ERROR.notFound],
  [
    'an entry that took points from the account',
    async () => {
      await met();
      const given = await give(ana, officer, 5);
      return given.ok ? given.value.transferId : '';
    },
    ERROR.conflict,
  ],
])('%s is refused', async (_what, entry, code) => {
  expect(await ana.ask({ type: 'reverse', transferId: await entry() })).toMatchObject({ ok: false, code });
});
