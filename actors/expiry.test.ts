/** Points get old where a town says so: they are gone after their days, once, whoever dies; and otherwise nothing is done at all. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { TownMarket } from '../nodes/testing/market.ts';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { type DurableOp, EXPIRED_ACCOUNT, type TransferOp } from './durable.ts';
import type { PointsLife } from './rules.ts';

const S = 1_000;
/** Days of this town are short, because a simulated one is long. */
const DAY = 1_200 * S;
const LIFE: PointsLife = { expireMs: 3 * DAY, activateMs: 0, stepMs: DAY, graceMs: 0 };
/** Everybody has his own time in the first quarter of a day. */
const QUARTER = DAY / 4;

let town: SmallTown;
afterEach(() => {
  town.stop();
  vi.restoreAllMocks();
});

const open = (life: Partial<PointsLife> = {}): SmallTown => {
  town = new SmallTown({ life: { ...LIFE, ...life } });
  return town;
};

/** Points from the mint, of which the phone hears. */
async function grant(phone: TownPhone, points: number): Promise<void> {
  await town.grant(phone, points);
  await town.time.advance(S);
}

const spend = async (from: TownPhone, to: TownPhone, points: number): Promise<boolean> =>
  (await from.ask({ type: 'give', to: to.id, points, key: town.key(), requestHash: 'h' })).ok;

/** To a moment of a day, counted from the beginning of the first. */
const until = async (day: number, ms = 0): Promise<void> => {
  const today = Math.floor(START / DAY);
  await town.time.advance((today + day) * DAY + ms - town.time.nowMs());
};
const START = new SmallTown().time.nowMs();

const expired = (phone: TownPhone): unknown[] =>
  phone.events('points.changed').flatMap(({ reason, delta }) => (reason === 'expiry' ? [delta] : []));
const timersOf = (phone: TownPhone): string[] => town.stored.of('user', phone.id).map(({ name }) => name);

test('is off by default: nothing is asked of the ledger, and no timer is set', async () => {
  town = new SmallTown();
  const query = vi.spyOn(town.people, 'query');
  const ana = await town.phone('civilian');
  await grant(ana, 50);
  expect(await ana.ask({ type: 'balance' })).toEqual({ ok: true, value: { balance: 50, version: 1 } });
  await town.time.advance(40 * DAY);
  expect(query.mock.calls.filter(([{ type }]) => type === 'unspent')).toEqual([]);
  expect([timersOf(ana), town.balance(ana.id)]).toEqual([[], 50]);
});

describe('points that nobody spends', () => {
  test('are gone when their days are over, and not before; the phone hears of it', async () => {
    open();
    const ana = await town.phone('civilian');
    await grant(ana, 50);
    await until(1);
    await grant(ana, 20);
    expect(timersOf(ana)).toEqual(['expiry']);
    await until(4, -1);
    expect([town.balance(ana.id), expired(ana)]).toEqual([70, []]);
    await until(4, QUARTER);
    expect([town.balance(ana.id), town.balance(EXPIRED_ACCOUNT), expired(ana)]).toEqual([20, 50, [-50]]);
    await until(5, QUARTER);
    expect([town.balance(ana.id), town.balance(EXPIRED_ACCOUNT), expired(ana)]).toEqual([0, 70, [-50, -20]]);
    await town.time.advance(S);
    expect(timersOf(ana)).toEqual([]);
    const entries = [...town.ledger.transfers.values()].filter(({ reason }) => reason === 'expiry');
    expect(entries.map(({ op }) => (op as TransferOp).rule)).toEqual([
      { id: 'points.life', version: 1 },
      { id: 'points.life', version: 1 },
    ]);
    // what comes then has its own days
    await grant(ana, 5);
    await until(9, -1);
    expect(town.balance(ana.id)).toBe(5);
    await until(9, QUARTER);
    expect(town.balance(ana.id)).toBe(0);
  });

  test('what came first was spent first', async () => {
    open();
    const [ana, ben] = [await town.phone('civilian'), await town.phone('officer')];
    await grant(ana, 50);
    await until(2);
    await grant(ana, 20);
    expect(await spend(ana, ben, 45)).toBe(true);
    await until(4, QUARTER);
    expect([town.balance(ana.id), expired(ana)]).toEqual([20, [-5]]);
    // a gift is as new as it is
    expect(town.balance(ben.id)).toBe(45);
    await until(6, QUARTER);
    expect([town.balance(ben.id), expired(ben)]).toEqual([0, [-45]]);
  });

  test('are those of people: who receives gifts or is paid keeps what he has', async () => {
    open();
    const phones = await Promise.all(
      (['charity', 'family', 'merchant', 'municipality'] as const).map(kind => town.phone(kind)),
    );
    for (const phone of phones) await grant(phone, 9);
    await town.time.advance(30 * DAY);
    expect(phones.map(({ id }) => town.balance(id))).toEqual([9, 9, 9, 9]);
  });

  test('the balance says what is gone next, and when', async () => {
    open();
    const [ana, ben] = [await town.phone('civilian'), await town.phone('officer')];
    await grant(ana, 50);
    await until(1);
    await grant(ana, 20);
    const said = async () => ((await ana.ask({ type: 'balance' })) as { value: object }).value;
    const [timer] = town.stored.of('user', ana.id);
    expect(timer!.dueAtMs).toBeGreaterThanOrEqual((Math.floor(START / DAY) + 4) * DAY);
    expect(await said()).toEqual({ balance: 70, version: 2, expiring: { points: 50, atMs: timer!.dueAtMs } });
    await spend(ana, ben, 60);
    const expiring = { points: 10, atMs: timer!.dueAtMs + DAY };
    expect(await said()).toEqual({ balance: 10, version: 3, expiring });
    await spend(ana, ben, 10);
    expect(await said()).toEqual({ balance: 0, version: 4 });
  });
});

describe('points that are set aside', () => {
  const story = async () => {
    open();
    const market = await TownMarket.open(town, 5);
    const ana = await market.customer(30);
    // until the fifth day, which is the one after the points are gone
    const rules = town.rules as { redeemS: number };
    rules.redeemS = (5 * DAY) / S;
    const reserved = await market.reserve(ana, 2);
    if (!reserved.ok) throw new Error(reserved.message);
    return { ana, redemptionId: reserved.value.redemptionId };
  };

  test('are not taken while a till may still sell for them', async () => {
    const { ana, redemptionId } = await story();
    await until(4, QUARTER);
    expect([town.balance(ana.id), expired(ana)]).toEqual([20, [-10]]);
    const sold = await ana.town.phones.get(ana.session.id)!.command('redeem.cancel', { redemptionId });
    expect(sold.ok).toBe(true);
    // they are as old as they were: gone on the day after
    expect(town.balance(ana.id)).toBe(20);
    await until(5, QUARTER);
    expect([town.balance(ana.id), expired(ana)]).toEqual([0, [-10, -20]]);
  });
});

describe('actor and ledger are of one mind, or nothing is taken', () => {
  test('a gift that is on its way comes first', async () => {
    open();
    const [ana, ben] = [await town.phone('civilian'), await town.phone('officer')];
    await grant(ana, 50);
    await until(3, DAY - 60 * S);
    const { dueAtMs } = town.stored.of('user', ana.id)[0]!;
    await grant(ana, 20);
    // the ledger is slow to take the gift: the timer comes while it is under way
    const commit = town.ledger.commit.bind(town.ledger);
    const waiting: (() => void)[] = [];
    town.ledger.commit = async entries => {
      await new Promise<void>(resolve => waiting.push(resolve));
      return commit(entries);
    };
    await town.time.advance(dueAtMs - 100 - town.time.nowMs());
    const message = { type: 'give', to: ben.id, points: 15, key: town.key(), requestHash: 'h' } as const;
    let given: boolean | null = null;
    town.system.ask({ kind: 'user', id: ana.id }, message, result => {
      given = result.ok;
    });
    await town.time.advance(2 * S);
    expect([given, town.balance(ana.id)]).toEqual([null, 70]);
    town.ledger.commit = commit;
    for (const go of waiting) go();
    await town.time.advance(60 * S);
    expect([given, town.balance(ana.id), expired(ana)]).toEqual([true, 20, [-35]]);
  });

  test('what the ledger knows and was not told is read before', async () => {
    open();
    const [ana, ben] = [await town.phone('civilian'), await town.phone('officer')];
    await grant(ana, 50);
    const told = vi.spyOn(ana, 'ask').mockResolvedValue({ ok: true, value: {} });
    await until(3);
    await grant(ana, 20);
    told.mockRestore();
    expect(ana.events('points.changed')).toHaveLength(1);
    await until(4, QUARTER);
    expect([town.balance(ana.id), expired(ana)]).toEqual([20, [-50]]);
    expect(await spend(ana, ben, 20)).toBe(true);
  });

  test('what is being taken cannot be spent', async () => {
    open();
    const [ana, ben] = [await town.phone('civilian'), await town.phone('officer')];
    await grant(ana, 50);
    const { dueAtMs } = town.stored.of('user', ana.id)[0]!;
    await town.time.advance(dueAtMs - 1 - town.time.nowMs());
    const commit = town.ledger.commit.bind(town.ledger);
    const waiting: (() => void)[] = [];
    town.ledger.commit = async entries => {
      await new Promise<void>(resolve => waiting.push(resolve));
      return commit(entries);
    };
    await town.time.advance(2 * S);
    expect(waiting).toHaveLength(1);
    const gift = spend(ana, ben, 1);
    town.ledger.commit = commit;
    for (const go of waiting) go();
    expect(await gift).toBe(false);
    // its own actor said so, and not the ledger, which is the last line
    expect(town.ledger.burned.size).toBe(0);
    expect([town.balance(ana.id), town.balance(EXPIRED_ACCOUNT)]).toEqual([0, 50]);
  });
});

describe('a town that changes its mind', () => {
  test('has just begun: what is too old already leaves time to spend', async () => {
    open({ expireMs: 0 });
    const ana = await town.phone('civilian');
    await grant(ana, 50);
    await until(30);
    const rules = town.rules as { life: PointsLife };
    rules.life = { ...LIFE, graceMs: 7 * DAY };
    town.kill();
    await ana.connect();
    await until(37, -1);
    expect(town.balance(ana.id)).toBe(50);
    await until(38);
    expect([town.balance(ana.id), expired(ana)]).toEqual([0, [-50]]);
  });

  test('lets points live for ever again, or shorter', async () => {
    open({ expireMs: 30 * DAY });
    const [ana, ben] = [await town.phone('civilian'), await town.phone('civilian')];
    for (const phone of [ana, ben]) await grant(phone, 50);
    const rules = town.rules as { life: PointsLife };
    rules.life = { ...LIFE };
    town.kill();
    await ana.connect();
    await until(5);
    expect(town.balance(ana.id)).toBe(0);
    rules.life = { ...LIFE, expireMs: 0 };
    town.kill();
    await ben.connect();
    await until(40);
    expect([town.balance(ben.id), timersOf(ben)]).toEqual([50, []]);
  });
});

test('a timer travels with its actor', async () => {
  open();
  const ana = await town.phone('civilian');
  await grant(ana, 50);
  const query = vi.spyOn(town.people, 'query');
  await town.move();
  await ana.connect();
  expect(query.mock.calls.filter(([{ type }]) => type === 'unspent')).toEqual([]);
  await until(4, QUARTER);
  expect(town.balance(ana.id)).toBe(0);
});

/** What is stored because points get old. */
const isOurs = (op: DurableOp): boolean =>
  op.type === 'timer' ? op.name === 'expiry' : op.type === 'transfer' && op.reason === 'expiry';

describe.each([true, false])('a node that dies at any commit (stored: %s)', stored => {
  test('takes what is gone once, and never more', async () => {
    let [n, isOver] = [0, false];
    while (!isOver) {
      n++;
      open();
      const ana = await town.phone('civilian');
      let commits = 0;
      for (const store of [town.ledger, town.notes]) {
        const commit = store.commit.bind(store);
        store.commit = async entries => {
          if (!entries.some(({ op }) => isOurs(op)) || ++commits !== n) return commit(entries);
          if (stored) await commit(entries);
          town.kill();
          return new Promise(() => {});
        };
      }
      await grant(ana, 50).catch(() => {});
      await until(1);
      await ana.connect();
      await until(7);
      expect([n, town.balance(ana.id), town.balance(EXPIRED_ACCOUNT)]).toEqual([n, 0, 50]);
      await ana.connect();
      expect(await ana.snapshot()).toMatchObject({ balance: 0 });
      expect([n, timersOf(ana)]).toEqual([n, []]);
      isOver = commits < n;
      town.stop();
    }
    // the timer, what is gone, and that the timer was heard
    expect(n).toBe(4);
  });
});
