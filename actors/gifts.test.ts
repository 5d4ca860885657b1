/** Donations, gifts among officers, fines and fees: who may, what moves, who hears of it, and what a day holds. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import type { AccountKind } from '../protocol/catalogue.ts';
import { ERROR } from '../protocol/errors.ts';
import type { UserMessage } from './messages/user.ts';

const S = 1_000;
const DAY = 24 * 3_600 * S;

let town: SmallTown;
let ana: TownPhone;
let officer: TownPhone;
let colleague: TownPhone;

/** Points out of nothing. */
const rich = (phone: TownPhone, points = 100): Promise<void> => town.grant(phone, points);

async function beneficiary(kind: 'charity' | 'family', verified = true): Promise<TownPhone> {
  const phone = await town.phone(kind);
  const { giving } = town.people;
  const id = town.key();
  const entry = { id, kind, name: 'A name', registration: null, account: phone.id, zip: null };
  await giving.putEntry(entry);
  if (verified) await giving.judgeEntry(kind, id, 'verified');
  return phone;
}

const told = (phone: TownPhone, reason: string) =>
  phone.events('points.changed').filter(body => body.reason === reason);

beforeEach(async () => {
  town = new SmallTown();
  ana = await town.phone('civilian');
  officer = await town.phone('officer');
  colleague = await town.phone('officer');
  await rich(ana);
  await rich(officer);
});
afterEach(() => {
  town.stop();
  expect(town.problems).toEqual([]);
});

describe('a donation', () => {
  test('split over several is one entry: all of them get their part, and each hears of it once', async () => {
    const [soup, school, smiths] = [
      await beneficiary('charity'),
      await beneficiary('charity'),
      await beneficiary('family'),
    ];
    const to = [
      { userId: soup.id, points: 30 },
      { userId: school.id, points: 20 },
      { userId: smiths.id, points: 1 },
    ];
    const key = town.key();
    const first = await ana.command('points.donate', { to }, key);
    expect(first).toMatchObject({ ok: true, value: { points: -51, balance: 49 } });
    expect(await ana.command('points.donate', { to }, key)).toEqual(first);
    await town.time.advance(S);
    expect(told(ana, 'donation')).toMatchObject([{ delta: -51, balance: 49 }]);
    expect([soup, school, smiths].map(phone => told(phone, 'donation'))).toMatchObject([
      [{ delta: 30, balance: 30 }],
      [{ delta: 20, balance: 20 }],
      [{ delta: 1, balance: 1 }],
    ]);
    const { transferId } = first.ok ? first.value : { transferId: '' };
    expect(town.ledger.transfers.get(transferId)?.op).toMatchObject({ reason: 'donation' });
  });

  test('is all or nothing: one who cannot receive, and nobody gets anything', async () => {
    const [soup, unknown] = [await beneficiary('charity'), await beneficiary('family', false)];
    const to = [
      { userId: soup.id, points: 10 },
      { userId: unknown.id, points: 10 },
    ];
    expect(await ana.command('points.donate', { to })).toMatchObject({ ok: false, code: ERROR.conflict });
    expect([ana.id, soup.id, unknown.id].map(id => town.balance(id))).toEqual([100, 0, 0]);
  });

  test('beneficiaries hear of it although the giver dies with the answer', async () => {
    const [soup, smiths] = [await beneficiary('charity'), await beneficiary('family')];
    const to = [
      { userId: soup.id, points: 10 },
      { userId: smiths.id, points: 5 },
    ];
    const key = town.key();
    const answer = ana.command('points.donate', { to }, key);
    expect(await answer).toMatchObject({ ok: true });
    town.kill();
    for (const phone of [ana, soup, smiths]) await phone.connect();
    await town.time.advance(5 * S);
    expect(await ana.command('points.donate', { to }, key)).toEqual(await answer);
    expect([ana, soup, smiths].map(phone => told(phone, 'donation').length)).toEqual([1, 1, 1]);
    expect([ana.id, soup.id, smiths.id].map(id => town.balance(id))).toEqual([85, 10, 5]);
  });

  test('on its way when the actor moves: the repeat finds it, and everybody hears once', async () => {
    const soup = await beneficiary('charity');
    const to = [{ userId: soup.id, points: 10 }];
    const key = town.key();
    await ana.command('points.donate', { to }, key);
    await town.move();
    expect(await ana.command('points.donate', { to }, key)).toMatchObject({
      ok: true,
      value: { balance: 90 },
    });
    await town.time.advance(5 * S);
    expect([told(ana, 'donation').length, told(soup, 'donation').length]).toEqual([1, 1]);
  });

  const give = (from: TownPhone, userId: string, points = 1) =>
    from.command('points.donate', { to: [{ userId, points }] });

  test('goes from civilians and officers to charities and families, and no other way', async () => {
    const kinds = ['civilian', 'officer', 'merchant', 'municipality'] as const;
    const [soup, smiths] = [await beneficiary('charity'), await beneficiary('family')];
    const others = await Promise.all(kinds.map(kind => town.phone(kind as AccountKind)));
    for (const from of [ana, officer]) {
      expect(await give(from, soup.id)).toMatchObject({ ok: true });
      expect(await give(from, smiths.id)).toMatchObject({ ok: true });
      for (const other of others)
        expect(await give(from, other.id)).toMatchObject({ ok: false, code: ERROR.forbidden });
    }
    const school = await beneficiary('charity');
    for (const to of [smiths, school])
      expect(await give(soup, to.id)).toMatchObject({ ok: false, code: ERROR.forbidden });
    for (const from of [smiths, others[2]!, others[3]!])
      expect(await give(from, soup.id)).toMatchObject({ ok: false, code: ERROR.forbidden });
  });

  test.each([
    ['nothing', 0],
    ['less than nothing', -5],
    ['a part of a point', 1.5],
    ['2^53', 2 ** 53],
    ['no number', Number.NaN],
    ['more than a leg may have', 1_000_000_000_001],
  ])('%s is no amount', async (_what, points) => {
    const soup = await beneficiary('charity');
    expect(await give(ana, soup.id, points)).toMatchObject({ ok: false, code: ERROR.invalid });
    expect(town.balance(ana.id)).toBe(100);
  });

  test('to oneself, twice to one, to nobody, to too many, of more than there is: refused', async () => {
    const soup = await beneficiary('charity');
    const many = (n: number) => Array.from({ length: n }, () => ({ userId: town.key(), points: 1 }));
    const refusal = async (to: { userId: string; points: number }[]) => {
      const result = await ana.command('points.donate', { to });
      return result.ok ? 200 : result.code;
    };
    const part = { userId: soup.id, points: 1 };
    expect(await refusal([{ userId: ana.id, points: 1 }])).toBe(ERROR.invalid);
    expect(await refusal([part, part])).toBe(ERROR.invalid);
    expect(await refusal([])).toBe(ERROR.invalid);
    expect(await refusal(many(17))).toBe(ERROR.invalid);
    expect(await refusal(many(1))).toBe(ERROR.notFound);
    expect(await refusal([{ ...part, points: 101 }])).toBe(ERROR.conflict);
    await town.people.giving.closeAccount(soup.id, true);
    expect(await refusal([part])).toBe(ERROR.gone);
    expect(town.balance(ana.id)).toBe(100);
  });

  test('one key for two different gifts is a conflict', async () => {
    const soup = await beneficiary('charity');
    const key = town.key();
    const to = (points: number) => ({ to: [{ userId: soup.id, points }] });
    await ana.command('points.donate', to(1), key);
    expect(await ana.command('points.donate', to(2), key)).toMatchObject({ code: ERROR.conflict });
    expect(town.balance(soup.id)).toBe(1);
  });

  test('two at once cannot spend the same points; a limit of the account holds', async () => {
    const soup = await beneficiary('charity');
    const both = await Promise.all([give(ana, soup.id, 60), give(ana, soup.id, 60)]);
    expect(both.map(one => one.ok)).toEqual([true, false]);
    await town.people.giving.limitAccount(ana.id, 5, null);
    expect(await give(ana, soup.id, 6)).toMatchObject({ ok: false, code: ERROR.conflict });
    expect(town.balance(ana.id)).toBe(40);
  });

  test('a door without a socket says the same, and may ask what would be', async () => {
    const soup = await beneficiary('charity');
    const body = { to: [{ userId: soup.id, points: 10 }] };
    const asked = { type: 'spend', name: 'points.donate', body, key: town.key(), requestHash: 'h' } as const;
    expect(await ana.ask({ ...asked, dry: true })).toMatchObject({
      ok: true,
      value: { points: -10, balance: 90, to: body.to, rule: { id: 'donation' } },
    });
    expect(town.balance(ana.id)).toBe(100);
    const first = await ana.ask(asked);
    expect(first).toMatchObject({ ok: true, value: { points: -10, balance: 90 } });
    expect(await ana.ask(asked)).toEqual(first);
    expect(await ana.ask({ ...asked, requestHash: 'other' })).toMatchObject({ code: ERROR.conflict });
    const rest = { ...body.to[0]!, points: 91 };
    expect(await ana.ask({ ...asked, body: { to: [rest] }, dry: true })).toMatchObject({
      code: ERROR.conflict,
    });
  });
});

describe('a gift among officers', () => {
  const give = (points: number, userId = colleague.id, from = officer) =>
    from.command('points.give', { userId, points });

  test('moves points to the colleague, and to nobody else', async () => {
    expect(await give(30)).toMatchObject({ ok: true, value: { points: -30, balance: 70 } });
    await town.time.advance(S);
    expect(told(colleague, 'giveaway')).toMatchObject([{ delta: 30, balance: 30 }]);
    expect(await give(1, officer.id)).toMatchObject({ ok: false, code: ERROR.invalid });
    expect(await give(1, ana.id)).toMatchObject({ ok: false, code: ERROR.forbidden });
    expect(await give(1, town.key())).toMatchObject({ ok: false, code: ERROR.notFound });
    expect(await give(1, officer.id, ana)).toMatchObject({ ok: false, code: ERROR.forbidden });
  });

  test('has a cap in 24 hours, which a kill does not reset and gifts at once cannot pass', async () => {
    await rich(officer, 1_000);
    town.kill();
    await officer.connect();
    expect(await give(60)).toMatchObject({ ok: true });
    town.kill();
    await officer.connect();
    expect(await give(41)).toMatchObject({ ok: false, code: ERROR.conflict });
    const both = await Promise.all([give(30), give(30), give(10)]);
    expect(both.map(one => one.ok)).toEqual([true, false, true]);
    expect(await give(1)).toMatchObject({ ok: false, code: ERROR.conflict });
    expect(town.balance(colleague.id)).toBe(100);
    await town.time.advance(DAY);
    expect(await give(100)).toMatchObject({ ok: true });
  });

  test('asked for again after a kill, at the cap, is the first one', async () => {
    const key = town.key();
    const body = { userId: colleague.id, points: 100 };
    const first = await officer.command('points.give', body, key);
    expect(first).toMatchObject({ ok: true });
    town.kill();
    await officer.connect();
    expect(await officer.command('points.give', body, key)).toEqual(first);
  });
});

describe('fines and fees', () => {
  let city: TownPhone;
  let ben: TownPhone;
  beforeEach(async () => {
    city = await town.phone('municipality');
    ben = await town.phone('civilian');
    await rich(ben);
  });

  const publish = async (kind: 'fine' | 'fee', points = 40): Promise<string> => {
    const id = town.key();
    const handle = kind === 'fine' ? (await town.people.profile(ana.id))!.handle : null;
    const fee = { id, kind, municipality: city.id, title: 'Parking', points, handle };
    expect(await town.people.giving.publishFee(fee)).toMatchObject({ ok: true });
    return id;
  };
  const pay = (from: TownPhone, feeId: string, key = town.key()) => from.command('fee.pay', { feeId }, key);

  test('a fine is paid once, by whom it is for', async () => {
    const fine = await publish('fine');
    expect(await pay(ben, fine)).toMatchObject({ ok: false, code: ERROR.notFound });
    const key = town.key();
    const first = await pay(ana, fine, key);
    expect(first).toMatchObject({ ok: true, value: { points: -40, balance: 60 } });
    expect(await pay(ana, fine, key)).toEqual(first);
    expect(await pay(ana, fine)).toMatchObject({ ok: false, code: ERROR.conflict });
    town.kill();
    await ana.connect();
    expect(await pay(ana, fine, key)).toEqual(first);
    expect(await pay(ana, fine)).toMatchObject({ ok: false, code: ERROR.conflict });
    await city.connect();
    await town.time.advance(S);
    expect(told(city, 'fee').length).toBe(1);
    expect([town.balance(ana.id), town.balance(city.id)]).toEqual([60, 40]);
  });

  test('tapped twice at the same moment it is paid once', async () => {
    const fine = await publish('fine');
    const both = await Promise.all([pay(ana, fine), pay(ana, fine)]);
    expect(both.filter(one => one.ok).length).toBeGreaterThanOrEqual(1);
    expect([town.balance(ana.id), town.balance(city.id)]).toEqual([60, 40]);
  });

  test('a fee is paid by everybody once', async () => {
    const fee = await publish('fee');
    for (const from of [ana, ben]) {
      expect(await pay(from, fee)).toMatchObject({ ok: true, value: { balance: 60 } });
      expect(await pay(from, fee)).toMatchObject({ ok: false, code: ERROR.conflict });
    }
    expect(town.balance(city.id)).toBe(80);
  });

  test('one that is withdrawn, dearer than what is there, or of nobody is not paid', async () => {
    const [withdrawn, dear] = [await publish('fee'), await publish('fee', 101)];
    await town.people.giving.withdrawFee(withdrawn, city.id);
    expect(await pay(ana, withdrawn)).toMatchObject({ ok: false, code: ERROR.gone });
    expect(await pay(ana, dear)).toMatchObject({ ok: false, code: ERROR.conflict });
    expect(await pay(ana, town.key())).toMatchObject({ ok: false, code: ERROR.notFound });
    expect(await pay(officer, dear)).toMatchObject({ ok: false, code: ERROR.forbidden });
    const message: UserMessage = { type: 'balance' };
    expect(await ana.ask(message)).toMatchObject({ ok: true, value: { balance: 100 } });
  });

  test('a limit that refuses it today does not close it for tomorrow', async () => {
    const fine = await publish('fine');
    await town.people.giving.limitAccount(ana.id, null, 39);
    expect(await pay(ana, fine)).toMatchObject({ ok: false, code: ERROR.conflict });
    await town.people.giving.limitAccount(ana.id, null, null);
    expect(await pay(ana, fine)).toMatchObject({ ok: true });
  });
});
