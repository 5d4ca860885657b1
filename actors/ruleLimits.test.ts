/** What operators may limit by a rule: how often and how much in a day, between two, and all that there is to give. */
import { afterEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../nodes/limits.ts';
import { seededRandom } from '../nodes/simulation/virtualTime.ts';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { Retelling } from '../nodes/timers/retelling.ts';
import { ERROR } from '../protocol/errors.ts';
import { MINT_ACCOUNT } from './durable.ts';
import type { Award, ScoreQuery } from './scoring.ts';

const S = 1_000;
const DAY = 24 * 3_600 * S;
const QR = 20;

let town: SmallTown;
afterEach(() => {
  town.stop();
  expect(town.problems).toEqual([]);
});

const publish = (published: (query: ScoreQuery) => Partial<Award> | null, seed = 5): SmallTown => {
  town = new SmallTown({}, { published, seed });
  return town;
};

/** Face to face: the officer shows a code, the civilian scans it. */
const meet = async (officer: TownPhone, civilian: TownPhone, key = town.key()) => {
  const shown = await officer.command('qr.show', {});
  if (!shown.ok) throw new Error(shown.message);
  return civilian.command('qr.scan', { token: shown.value.token }, key);
};
const met = (points: number) => ({ ok: true, value: { points } });
/** As whoever takes over shards does. */
const retell = (): void => {
  const retelling = new Retelling({
    queries: town.people,
    door: { ask: (...args) => town.system.ask(...args) },
    coordinator: { serving: () => true },
    clock: town.time,
    scheduler: town.time,
    random: seededRandom(1),
    log: { debug() {}, info() {}, warn() {}, error() {} },
    metrics: { count() {} },
  });
  for (let shard = 0; shard < LIMITS.shards; shard++) retelling.opened(shard);
};
/** The ledger takes its time to write, and says what somebody earned a second after it has looked: the second time. */
const lateRead = (account: string): void => {
  const commit = town.ledger.commit.bind(town.ledger);
  const read = town.people.query.bind(town.people);
  const after = (delayMs: number) => new Promise<void>(done => town.time.after(delayMs, done));
  town.ledger.commit = async group => {
    await after(S / 10);
    return commit(group);
  };
  let reads = 0;
  town.people.query = async query => {
    const answer = await read(query);
    if (query.type === 'earned' && query.account === account && ++reads === 2) await after(S);
    return answer;
  };
};
/** Everything that the mint gave. */
const given = (): number => -town.ledger.accounts.get(MINT_ACCOUNT)!.balance;
const people = async (officers: number, civilians: number) => ({
  officers: await Promise.all(Array.from({ length: officers }, () => town.phone('officer'))),
  civilians: await Promise.all(Array.from({ length: civilians }, () => town.phone('civilian'))),
});

describe('a cap on encounters of a person in 24 h', () => {
  const limited = (query: ScoreQuery) =>
    query.kind === 'encounter.points' ? { limits: { timesPerUserDay: 1 } } : null;

  test('refuses the next one, over kills and moves, and lets the day after through', async () => {
    publish(limited);
    const { officers, civilians } = await people(3, 2);
    const [ana, ben] = civilians as [TownPhone, TownPhone];
    expect(await meet(officers[0]!, ana)).toMatchObject(met(QR));
    expect(await meet(officers[1]!, ana)).toMatchObject({ ok: false, code: ERROR.conflict });
    town.kill();
    for (const phone of [...officers, ana, ben]) await phone.connect();
    expect(await meet(officers[1]!, ana)).toMatchObject({ ok: false, code: ERROR.conflict });
    // who was refused is not in debt, and neither is the other
    expect(await meet(officers[1]!, ben)).toMatchObject(met(QR));
    await town.time.advance(DAY);
    expect(await meet(officers[2]!, ana)).toMatchObject(met(QR));
  });

  test('lets one of many at once through, and its repeat gets the first answer', async () => {
    publish(limited);
    const { officers, civilians } = await people(4, 1);
    const ana = civilians[0]!;
    const keys = officers.map(() => town.key());
    const all = await Promise.all(officers.map((officer, i) => meet(officer, ana, keys[i])));
    expect(all.filter(one => one.ok)).toHaveLength(1);
    const winner = all.findIndex(one => one.ok);
    town.kill();
    await ana.connect();
    await officers[winner]!.connect();
    expect(await meet(officers[winner]!, ana, keys[winner])).toMatchObject({ ok: false });
    expect(town.balance(ana.id)).toBe(QR);
  });

  test('counts what the ledger got while it was read', async () => {
    publish(limited);
    const { officers, civilians } = await people(3, 1);
    const ana = civilians[0]!;
    lateRead(ana.id);
    const both = await Promise.all(officers.slice(0, 2).map(officer => meet(officer, ana)));
    expect(both.filter(one => one.ok)).toHaveLength(1);
    expect(town.balance(ana.id)).toBe(QR);
    // and only that
    await town.time.advance(DAY);
    expect(await meet(officers[2]!, ana)).toMatchObject(met(QR));
  });
});

describe('points that a person may earn in a day', () => {
  test('cut what comes, for that person only, down to nothing', async () => {
    publish(query =>
      query.kind === 'earning.limit' && query.input.userKind === 'civilian'
        ? { values: { pointsPerDay: QR + 5 } }
        : null,
    );
    const { officers, civilians } = await people(3, 1);
    const ana = civilians[0]!;
    for (const [i, points] of [QR, 5, 0].entries()) {
      expect(await meet(officers[i]!, ana)).toMatchObject(met(points));
      expect(town.balance(officers[i]!.id)).toBe(QR);
    }
    expect(town.balance(ana.id)).toBe(QR + 5);
  });
});

describe('the budget of a rule', () => {
  const POINTS = 6 * 2 * QR + 5;
  const budget = { id: 'campaign', points: POINTS };

  test.each([1, 2, 3])('is spent and never exceeded, with kills in between (seed %i)', async seed => {
    publish(query => (query.kind === 'encounter.points' ? { limits: { budget } } : null), seed);
    const { officers, civilians } = await people(4, 3);
    let refused = 0;
    for (const [i, officer] of officers.entries()) {
      const answers = await Promise.all(civilians.map(civilian => meet(officer, civilian)));
      refused += answers.filter(one => !one.ok && one.code === ERROR.conflict).length;
      expect(given()).toBeLessThanOrEqual(POINTS);
      if (i === 0) await town.move();
    }
    expect([given(), refused]).toEqual([6 * 2 * QR, 6]);
    town.kill();
    for (const phone of [...officers, ...civilians]) await phone.connect();
    const late = await town.phone('officer');
    expect(await meet(late, civilians[0]!)).toMatchObject({ ok: false, code: ERROR.conflict });
  });

  test('is not spent by what came to nothing', async () => {
    publish(query => (query.kind === 'encounter.points' ? { limits: { budget } } : null));
    const { officers, civilians } = await people(4, 1);
    const ana = civilians[0]!;
    expect(await meet(officers[0]!, ana)).toMatchObject(met(QR));
    for (let i = 0; i < 20; i++) expect(await meet(officers[0]!, ana)).toMatchObject({ ok: false });
    await town.time.advance(30 * S);
    expect(town.stored.of('budget', 'campaign')[0]!.message).toEqual({ points: 2 * QR });
  });

  test('of a donation is what the mint adds', async () => {
    publish(query =>
      query.kind === 'donation'
        ? {
            points: { payer: query.input.points, payee: 2 * query.input.points },
            limits: { budget: { id: 'match', points: 15 } },
          }
        : null,
    );
    const { officers, civilians } = await people(1, 1);
    const charity = await town.phone('charity');
    const entry = { id: town.key(), kind: 'charity', name: 'Soup', registration: null, zip: null } as const;
    await town.people.giving.putEntry({ ...entry, account: charity.id });
    await town.people.giving.judgeEntry('charity', entry.id, 'verified');
    expect(await meet(officers[0]!, civilians[0]!)).toMatchObject(met(QR));
    const donate = (points: number) =>
      civilians[0]!.command('points.donate', { to: [{ userId: charity.id, points }] });
    expect(await donate(10)).toMatchObject({ ok: true });
    expect(await donate(10)).toMatchObject({ ok: false, code: ERROR.conflict });
    expect(await donate(5)).toMatchObject({ ok: true });
    expect([town.balance(charity.id), town.balance(civilians[0]!.id)]).toEqual([30, 5]);
  });
});

describe('a cooldown of gifts', () => {
  test('is between two, over kills, and not of others', async () => {
    publish(query => (query.kind === 'giveaway' ? { limits: { cooldownS: 2 * 24 * 3_600 } } : null));
    const { officers, civilians } = await people(3, 1);
    const [bo, cy, dee] = officers as [TownPhone, TownPhone, TownPhone];
    expect(await meet(bo, civilians[0]!)).toMatchObject(met(QR));
    const give = (to: TownPhone, key = town.key()) =>
      bo.command('points.give', { userId: to.id, points: 1 }, key);
    const key = town.key();
    const first = await give(cy, key);
    expect(first).toMatchObject({ ok: true });
    expect(await give(cy, key)).toEqual(first);
    expect(await give(cy)).toMatchObject({ ok: false, code: ERROR.conflict });
    town.kill();
    await bo.connect();
    await town.time.advance(DAY);
    expect(await give(cy)).toMatchObject({ ok: false, code: ERROR.conflict });
    const both = await Promise.all([give(dee), give(dee)]);
    expect(both.filter(one => one.ok)).toHaveLength(1);
    await town.time.advance(DAY);
    expect(await give(cy)).toMatchObject({ ok: true });
  });
});

describe('a promotion', () => {
  const rule = { id: 'spring', version: 2 };
  const promoted = (query: ScoreQuery) =>
    query.kind === 'promotion' && query.input.userKind === 'civilian'
      ? { points: { user: query.input.points / 2 }, rule, limits: { budget: { id: 'spring', points: 25 } } }
      : null;

  test('comes on top of a meeting as an entry of its own, once, as long as there is a budget', async () => {
    publish(promoted);
    const { officers, civilians } = await people(3, 1);
    const ana = civilians[0]!;
    for (const officer of officers) expect(await meet(officer, ana)).toMatchObject(met(QR));
    await town.time.advance(S);
    expect(town.balance(ana.id)).toBe(3 * QR + 2 * 10);
    const told = ana.events('points.changed').filter(body => body.reason === 'promotion');
    expect(told).toMatchObject([{ delta: 10 }, { delta: 10 }]);
    const entries = [...town.ledger.transfers.values()].filter(one => one.reason === 'promotion');
    expect(entries.map(one => one.op.rule)).toEqual([rule, rule]);
    expect(officers.map(one => town.balance(one.id))).toEqual([QR, QR, QR]);
  });

  test.each([0, 5, 10, 15, 20, 30, 60])('is given after a kill %i ms behind the scan', async afterMs => {
    publish(promoted);
    const { officers, civilians } = await people(1, 1);
    const [officer, ana] = [officers[0]!, civilians[0]!];
    const shown = await officer.command('qr.show', {});
    if (!shown.ok) throw new Error(shown.message);
    const key = town.key();
    const { token } = shown.value;
    void ana.command('qr.scan', { token }, key).catch(() => {});
    await town.time.advance(afterMs);
    const isDurable = given() >= 2 * QR;
    town.kill();
    for (const phone of [officer, ana]) await phone.connect();
    retell();
    if (!isDurable) await ana.command('qr.scan', { token }, key);
    await town.time.advance(10 * S);
    expect([town.balance(ana.id), town.balance(officer.id)]).toEqual([QR + 10, QR]);
  });

  test('counts, while the ledger is read, what came on top of another meeting', async () => {
    publish(query =>
      query.kind === 'promotion' && query.input.userKind === 'civilian'
        ? { points: { user: 10 }, rule, limits: { pointsPerUserDay: 15 } }
        : null,
    );
    const { officers, civilians } = await people(2, 1);
    const ana = civilians[0]!;
    lateRead(ana.id);
    await Promise.all(officers.map(officer => meet(officer, ana)));
    await town.time.advance(2 * S);
    expect(town.balance(ana.id)).toBe(2 * QR + 15);
  });
});
