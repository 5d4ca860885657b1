/** What was earned a moment ago may have to wait before it is spent, where a town says so. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TownMarket } from '../nodes/testing/market.ts';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { DEFAULT_RULES } from './rules.ts';

const S = 1_000;
const H = 3_600 * S;
const DELAY = 6 * H;

let town: SmallTown;
let ana: TownPhone;
let officer: TownPhone;
beforeEach(async () => {
  town = new SmallTown({ life: { ...DEFAULT_RULES.life, activateMs: DELAY } });
  ana = await town.phone('civilian');
  officer = await town.phone('officer');
});
afterEach(() => {
  town.stop();
  expect(town.problems).toEqual([]);
});

/** A meeting, 20 points for each; its entry. */
async function met(other = officer): Promise<string> {
  const shown = await other.command('qr.show', {});
  if (!shown.ok) throw new Error(shown.message);
  const scanned = await ana.command('qr.scan', { token: shown.value.token });
  if (!scanned.ok) throw new Error(scanned.message);
  await town.time.advance(S);
  return scanned.value.encounterId;
}
const give = async (from: TownPhone, to: TownPhone, points: number): Promise<boolean> =>
  (await from.ask({ type: 'give', to: to.id, points, key: town.key(), requestHash: 'h' })).ok;
const balance = async (): Promise<unknown> =>
  ((await ana.ask({ type: 'balance' })) as { value: object }).value;

test('what a meeting gave waits; each on its own, over kills and moves', async () => {
  await met();
  expect(await balance()).toEqual({ balance: 20, version: 1, inactive: 20 });
  await town.time.advance(DELAY / 2);
  await met(await town.phone('officer'));
  expect(await give(ana, officer, 1)).toBe(false);
  town.kill();
  await ana.connect();
  expect(await give(ana, officer, 1)).toBe(false);
  await town.move();
  await ana.connect();
  expect(await give(ana, officer, 1)).toBe(false);
  await town.time.advance(DELAY / 2);
  expect(await balance()).toEqual({ balance: 40, version: 2, inactive: 20 });
  expect(await give(ana, officer, 21)).toBe(false);
  expect(await give(ana, officer, 20)).toBe(true);
  expect(await give(ana, officer, 1)).toBe(false);
  await town.time.advance(DELAY / 2);
  expect(await give(ana, officer, 20)).toBe(true);
});

test('what others gave, or what comes back, may be spent at once; so may all of it where nothing waits', async () => {
  const market = await TownMarket.open(town, 5);
  const ben = await market.customer(30);
  expect(await give(ben, ana, 10)).toBe(true);
  await town.time.advance(S);
  await met();
  const reserved = await market.reserve(ana, 1);
  if (!reserved.ok) throw new Error(reserved.message);
  expect((await market.reserve(ana, 1)).ok).toBe(false);
  const { redemptionId } = reserved.value;
  expect((await market.confirm(redemptionId)).ok).toBe(true);
  const back = { redemptionId, quantity: 1, restock: true };
  expect((await market.merchant.command('till.refund', back)).ok).toBe(true);
  await town.time.advance(S);
  expect(await balance()).toMatchObject({ balance: 30, inactive: 20 });
  expect(await give(ana, ben, 10)).toBe(true);
});

test('an operator takes back what waits, and what is left may be spent', async () => {
  const wrong = await met();
  const market = await TownMarket.open(town, 5);
  expect(await give(await market.customer(30), ana, 10)).toBe(true);
  expect(await ana.ask({ type: 'reverse', transferId: wrong })).toMatchObject({ ok: true });
  await town.time.advance(S);
  expect(await balance()).toMatchObject({ balance: 10, inactive: 0 });
  town.kill();
  await ana.connect();
  expect(await give(ana, officer, 10)).toBe(true);
});

test('what the ledger knows and was not told counts as earned just now', async () => {
  // the first movement is on its way to the actor, the second was told
  const credit = { transferId: town.key(), points: 5, balance: 25, balanceVersion: 2, reason: 'give' };
  town.tell(ana.id, { type: 'credited', credit });
  await town.time.advance(10);
  expect(await balance()).toMatchObject({ balance: 25, inactive: 20 });
});

test('is off by default: nothing more is read', async () => {
  town.stop();
  town = new SmallTown();
  const query = vi.spyOn(town.people, 'query');
  [ana, officer] = [await town.phone('civilian'), await town.phone('officer')];
  await met();
  expect(await give(ana, officer, 20)).toBe(true);
  expect(query.mock.calls.filter(([one]) => one.type === 'user' && 'freshMs' in one)).toEqual([]);
  expect(await balance()).toEqual({ balance: 0, version: 2 });
});
