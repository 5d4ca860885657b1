/**
 * Redeeming at a merchant, as people see it: phones, tills, an offer. Whatever dies in the middle, points and stock are
 * where they belong in the end, and a command that is said again gets its first answer.
 */
import { describe, expect, test, vi } from 'vitest';
import { LIMITS } from '../nodes/limits.ts';
import { TownMarket } from '../nodes/testing/market.ts';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { ERROR } from '../protocol/index.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { RedemptionView, StoreQuery } from './queries.ts';
import { redemptionOf } from './user/redemption.ts';

type Answer = Awaited<ReturnType<TownMarket['reserve']>>;

const SHARDS = Array.from({ length: LIMITS.shards }, (_, shard) => shard);

const PRICE = { id: 'redemption.price', version: 1 };

const idOf = (answer: Answer): string => {
  if (!answer.ok) throw new Error(answer.message);
  return answer.value.redemptionId;
};
const states = (phone: TownPhone) => phone.events('redemption.changed').map(one => one.state);
const atTills = (till: TownPhone) => till.events('till.redemption').map(one => one.state);

async function story(terms: Parameters<typeof TownMarket.open>[2] = {}, stock = 5, points = 100) {
  const town = new SmallTown();
  const market = await TownMarket.open(town, stock, terms);
  const phone = await market.customer(points);
  return { town, market, phone, till: market.merchant };
}

/** The store does not answer such a question, until the test says otherwise. */
const unanswered = (town: SmallTown, type: StoreQuery['type']) => {
  const query = town.people.query.bind(town.people);
  return vi.spyOn(town.people, 'query').mockImplementation(async one => {
    if (one.type === type) throw new Error('the store hangs');
    return query(one);
  });
};

describe('a redemption', () => {
  test('is reserved by the phone, seen and confirmed by the till, and both know', async () => {
    const { market, phone, till } = await story();
    const answer = await market.reserve(phone, 2);
    const redemptionId = idOf(answer);
    expect(answer).toMatchObject({
      ok: true,
      value: { points: 20, code: expect.stringMatching(/^[0-9A-Z]{8}$/) },
    });
    const { code, qr } = (answer as { value: { code: string; qr: string } }).value;
    expect(market.stored(phone)).toEqual({ onHand: 5, reserved: 2, points: [0, [100, 20]] });
    expect(await phone.snapshot()).toMatchObject({
      balance: 100,
      reserved: 20,
      redemptions: [{ redemptionId }],
    });
    expect(till.events('till.redemption')).toMatchObject([
      { redemptionId, code, quantity: 2, state: 'reserved' },
    ]);
    for (const text of [qr, code, ` ${code.toLowerCase()} `])
      expect(await till.command('till.look', { code: text })).toMatchObject({
        ok: true,
        value: { redemptionId, title: 'Coffee', quantity: 2, points: 20, state: 'reserved' },
      });
    const paid = await till.command('till.confirm', { redemptionId: null, code: qr, quantity: null });
    expect(paid).toEqual({ ok: true, value: { redemptionId, quantity: 2, points: 20 } });
    expect(market.stored(phone)).toEqual({ onHand: 3, reserved: 0, points: [20, 80] });
    expect(states(phone)).toEqual(['reserved', 'confirmed']);
    expect(phone.events('redemption.changed').at(-1)).toMatchObject({ points: 20, balance: 80, reserved: 0 });
    expect(phone.events('points.changed').at(-1)).toMatchObject({
      delta: -20,
      balance: 80,
      reason: 'redemption',
    });
    expect(till.events('till.redemption').at(-1)).toMatchObject({ state: 'confirmed', till: 'one' });
    expect(till.events('points.changed')).toMatchObject([{ delta: 20, balance: 20 }]);
  });

  /** From now on no note is ever stored; gives whose events have come as far as that. */
  const notesHang = (town: SmallTown): Set<string> => {
    const users = new Set<string>();
    vi.spyOn(town.notes, 'commit').mockImplementation(entries => {
      for (const { op } of entries) if (op.type === 'event') users.add(op.user);
      return new Promise(() => {});
    });
    return users;
  };

  test('is answered and told to the merchant when it is set aside, before any phone is told of it', async () => {
    const { town, market, phone, till } = await story();
    const told = notesHang(town);
    idOf(await market.reserve(phone, 2));
    expect(told).toEqual(new Set([phone.id, till.id]));
    expect([states(phone), atTills(till)]).toEqual([[], []]);
  });

  test('is answered and told to who pays when it is paid, before any phone is told of it', async () => {
    const { town, market, phone, till } = await story();
    const redemptionId = idOf(await market.reserve(phone, 2));
    const told = notesHang(town);
    const body = { redemptionId, code: null, quantity: null };
    expect(await till.command('till.confirm', body)).toMatchObject({ ok: true });
    await town.time.advance(100);
    expect(market.stored(phone)).toEqual({ onHand: 3, reserved: 0, points: [20, 80] });
    expect(told).toEqual(new Set([phone.id, till.id]));
    expect([states(phone), atTills(till)]).toEqual([['reserved'], ['reserved']]);
  });

  test('is tried without being made: everything is checked, and nothing is kept', async () => {
    const { market, phone } = await story({ perUserMax: 3 });
    const body = { offerId: market.offer.id, quantity: 2 };
    const dry = (change: object = {}) =>
      phone.ask({
        type: 'order',
        name: 'redeem.reserve',
        body: { ...body, ...change },
        key: '',
        requestHash: '',
        dry: true,
      });
    const preview = {
      ok: true,
      value: { points: 20, balance: 80, title: 'Coffee', merchant: market.merchant.id, rule: PRICE },
    };
    for (let times = 0; times < 4; times++) expect(await dry()).toEqual(preview);
    expect(await dry({ quantity: 4 })).toMatchObject({ code: ERROR.conflict });
    expect(await dry({ quantity: 0 })).toMatchObject({ code: ERROR.invalid });
    expect(await dry({ offerId: market.town.key() })).toMatchObject({ code: ERROR.notFound });
    expect(market.stored(phone)).toEqual({ onHand: 5, reserved: 0, points: [0, 100] });
    expect(states(phone)).toEqual([]);
    // nothing is held for what was only tried
    idOf(await market.reserve(phone, 3));
    expect(await dry({ quantity: 1 })).toMatchObject({ code: ERROR.conflict });
    const poor = await market.customer(15);
    const asked = {
      type: 'order',
      name: 'redeem.reserve',
      body,
      key: '',
      requestHash: '',
      dry: true,
    } as const;
    expect(await poor.ask(asked)).toMatchObject({ code: ERROR.conflict, message: 'not enough points' });
    idOf(await market.reserve(await market.customer(20), 2));
  });

  test('a code that is typed again when a kill came between the sale and its answer gets the first answer', async () => {
    const { town, market, phone, till } = await story();
    const reserved = await market.reserve(phone, 2);
    if (!reserved.ok) throw new Error(reserved.message);
    const { redemptionId, code } = reserved.value;
    const confirm = (key: string) =>
      till.command('till.confirm', { redemptionId: null, code, quantity: 1 }, key);
    const key = town.key();
    // answers are not stored any more; the sale is
    const stored = vi.spyOn(town.notes, 'commit').mockReturnValue(new Promise(() => {}));
    void confirm(key).catch(() => {});
    await town.time.advance(100);
    const sold = { onHand: 4, reserved: 0, points: [10, 90] };
    expect(market.stored(phone)).toEqual(sold);
    town.kill();
    stored.mockRestore();
    await phone.connect();
    await till.connect();
    await till.command('till.open', { till: 'one' });
    // a try of its own is none of it
    expect(await confirm(town.key())).toMatchObject({ ok: false, code: ERROR.notFound });
    expect(await confirm(key)).toEqual({ ok: true, value: { redemptionId, quantity: 1, points: 10 } });
    expect(market.stored(phone)).toEqual(sold);
    town.stop();
  });

  test('a key that paid for one redemption pays for no other, in any life of the merchant', async () => {
    const { town, market, phone, till } = await story();
    const [first, second] = [idOf(await market.reserve(phone, 1)), idOf(await market.reserve(phone, 2))];
    const key = town.key();
    const confirm = (redemptionId: string, quantity: number | null = null) =>
      till.command('till.confirm', { redemptionId, code: null, quantity }, key);
    const paid = await confirm(first);
    expect(paid).toMatchObject({ ok: true });
    for (const life of ['this one', 'the next one']) {
      expect(await confirm(second), life).toMatchObject({ ok: false, code: ERROR.conflict });
      expect(await confirm(first), life).toEqual(paid);
      expect(market.stored(phone), life).toEqual({ onHand: 4, reserved: 2, points: [10, [90, 20]] });
      town.kill();
      await till.connect();
      await till.command('till.open', { till: 'one' });
    }
    town.stop();
  });

  test('is paid in part, and the rest is free again', async () => {
    const { market, phone, till } = await story();
    const id = idOf(await market.reserve(phone, 3));
    expect(await market.confirm(id, 4)).toMatchObject({ code: ERROR.conflict });
    expect(await market.confirm(id, 0)).toMatchObject({ code: ERROR.invalid });
    expect(await market.confirm(id, 1)).toEqual({
      ok: true,
      value: { redemptionId: id, quantity: 1, points: 10 },
    });
    expect(market.stored(phone)).toEqual({ onHand: 4, reserved: 0, points: [10, 90] });
    expect(await market.confirm(id, 1)).toMatchObject({ code: ERROR.conflict });
    expect(till.events('till.redemption').at(-1)).toMatchObject({ quantity: 1, points: 10 });
  });

  test('comes back whole or in part, never more than was paid', async () => {
    const { market, phone, till } = await story();
    const id = idOf(await market.reserve(phone, 3));
    const refund = (quantity: number | null, restock: boolean, key?: string) =>
      till.command('till.refund', { redemptionId: id, quantity, restock }, key);
    expect(await refund(1, true)).toMatchObject({ code: ERROR.conflict });
    await market.confirm(id);
    expect(await refund(4, true)).toMatchObject({ code: ERROR.conflict });
    const key = market.town.key();
    const first = await refund(1, true, key);
    expect(first).toMatchObject({ ok: true, value: { quantity: 1, points: 10 } });
    expect(await refund(1, true, key)).toEqual(first);
    expect(market.stored(phone)).toEqual({ onHand: 3, reserved: 0, points: [20, 80] });
    expect(await refund(3, false)).toMatchObject({ code: ERROR.conflict });
    expect(await refund(null, false)).toMatchObject({ ok: true, value: { quantity: 2, points: 20 } });
    expect(await refund(null, false)).toMatchObject({ code: ERROR.conflict });
    expect(market.stored(phone)).toEqual({ onHand: 3, reserved: 0, points: [0, 100] });
    // told again by whoever took over from the merchant's node
    const view = (await market.town.people.query({ type: 'redemption', id })) as RedemptionView;
    const { transferId } = (first as { value: { transferId: string } }).value;
    const movement = { transferId, version: 3, delta: 10, balance: 80, reason: 'refund', atMs: 1 };
    const again = {
      type: 'redemptionSettled',
      redemption: redemptionOf(view),
      ending: { state: 'refunded', quantity: 1, points: 10 },
      movement: { ...movement, method: null, otherHandle: '' },
    } as const;
    expect(await phone.ask(again)).toEqual({ ok: true, value: {} });
    expect(states(phone)).toEqual(['reserved', 'confirmed', 'refunded', 'refunded']);
    expect(phone.events('points.changed').slice(-2)).toMatchObject([
      { delta: 10, reason: 'refund' },
      { delta: 20, balance: 100 },
    ]);
    expect(await market.say({ type: 'look' })).toMatchObject({ value: { onHand: 3, reserved: 0 } });
  });

  test('whose time is over while it is read is heard to be over, though the actor dies before it knows', async () => {
    const { town, market, phone } = await story();
    idOf(await market.reserve(phone));
    town.kill();
    const query = town.people.query.bind(town.people);
    let reads = 0;
    const asked = vi.spyOn(town.people, 'query').mockImplementation(async one => {
      if (one.type === 'redemption' && ++reads > 1) throw new Error('the store hangs');
      return query(one);
    });
    await town.time.advance(town.rules.redeemS * 1_000 + ACTOR_LIMITS.redeemLateMs + 500);
    expect(reads).toBeGreaterThan(1);
    town.kill();
    asked.mockRestore();
    await phone.connect();
    await town.time.advance(10_000);
    expect(states(phone)).toEqual(['reserved', 'expired']);
    town.stop();
  });

  describe('that is paid, and who was to tell dies first', () => {
    /** It is done, and nobody hears of that. */
    async function unheard(town: SmallTown, act: () => Promise<unknown>): Promise<void> {
      const commit = town.ledger.commit.bind(town.ledger);
      town.ledger.commit = async entries => {
        await commit(entries);
        return new Promise(() => {});
      };
      void act().catch(() => {});
      await town.time.advance(100);
      town.ledger.commit = commit;
    }

    async function paidUntold(points = 100) {
      const { town, market, phone, till } = await story({}, 5, points);
      const redemptionId = idOf(await market.reserve(phone));
      const [redemption] = (await town.people.query({
        type: 'openRedemptions',
        merchant: till.id,
      })) as RedemptionView[];
      await unheard(town, () => market.confirm(redemptionId));
      expect(market.stored(phone)).toEqual({ onHand: 4, reserved: 0, points: [10, points - 10] });
      expect(states(phone)).toEqual(['reserved']);
      return { town, market, phone, till, redemption: redemptionOf(redemption!) };
    }

    test('with who pays: the phone hears of it at once, and then that it came back', async () => {
      const { town, market, phone, till, redemption } = await paidUntold();
      town.kill();
      await phone.connect();
      await till.connect();
      await till.command('till.open', { till: 'one' });
      const body = { redemptionId: redemption.id, quantity: null, restock: true };
      expect(await till.command('till.refund', body)).toMatchObject({ ok: true });
      await town.time.advance(5_000);
      expect(states(phone)).toEqual(['reserved', 'confirmed', 'refunded']);
      expect(market.stored(phone)).toEqual({ onHand: 5, reserved: 0, points: [0, 100] });
      town.stop();
    });

    test('and he begins again: the tills hear once of what they did not hear, payments and what came back', async () => {
      const { town, till, redemption } = await paidUntold();
      const again = async () => {
        town.kill();
        await till.connect();
        await till.command('till.open', { till: 'one' });
        await town.time.advance(5_000);
        return till.events('till.redemption').map(({ state, quantity, points }) => [state, quantity, points]);
      };
      const paid = [
        ['reserved', 1, 10],
        ['confirmed', 1, 10],
      ];
      const query = town.people.query.bind(town.people);
      let away = 0;
      const asked = vi.spyOn(town.people, 'query').mockImplementation(async one => {
        if (one.type === 'lastSales' && away++ === 0) throw new Error('the store hangs');
        return query(one);
      });
      expect(await again()).toEqual(paid);
      asked.mockRestore();
      expect(away).toBe(2);
      expect(await again()).toEqual(paid);
      const body = { redemptionId: redemption.id, quantity: null, restock: true };
      await unheard(town, () => till.command('till.refund', body));
      expect(await again()).toEqual([...paid, ['refunded', 1, 10]]);
      expect(await again()).toEqual([...paid, ['refunded', 1, 10]]);
      town.stop();
    });

    test('alone: that it came back is heard behind that, when it is told again', async () => {
      const { town, phone, redemption } = await paidUntold();
      const ending = { state: 'refunded', quantity: 1, points: 10 } as const;
      const tell = () => phone.ask({ type: 'redemptionSettled', redemption, ending, movement: null });
      const away = vi.spyOn(town.people, 'query').mockRejectedValue(new Error('the store hangs'));
      expect(await tell()).toMatchObject({ ok: false, retryable: true });
      await town.time.advance(100);
      expect(states(phone)).toEqual(['reserved']);
      away.mockRestore();
      expect(await tell()).toMatchObject({ ok: false, retryable: true });
      await town.time.advance(100);
      expect(await tell()).toEqual({ ok: true, value: {} });
      expect(states(phone)).toEqual(['reserved', 'confirmed', 'refunded']);
      town.stop();
    });

    test('alone, and what was paid cannot be read at once: it is asked for again, and nothing of it is spent', async () => {
      const { town, market, phone, redemption } = await paidUntold(20);
      const away = unanswered(town, 'movements');
      const ending = { state: 'refunded', quantity: 1, points: 10 } as const;
      expect(
        await phone.ask({ type: 'redemptionSettled', redemption, ending, movement: null }),
      ).toMatchObject({ ok: false });
      await town.time.advance(100);
      town.problems.length = 0;
      expect(await market.reserve(phone, 2)).toMatchObject({ ok: false, code: ERROR.conflict });
      expect(town.problems).toEqual([]);
      away.mockRestore();
      await town.time.advance(2_000);
      expect(phone.events('points.changed')).toMatchObject([{ delta: 20 }, { delta: -10, balance: 10 }]);
      expect(states(phone)).toEqual(['reserved', 'confirmed']);
      expect(phone.events('redemption.changed').at(-1)).toMatchObject({ balance: 10, reserved: 0 });
      town.stop();
    });

    test('alone, and who took over tells that points left, while the store hangs: it is asked for again what for', async () => {
      const { town, phone, redemption } = await paidUntold();
      const paid = (await town.people.query({ type: 'redemption', id: redemption.id })) as RedemptionView;
      const away = unanswered(town, 'myRedemptions');
      const left = { points: -10, balance: 90, balanceVersion: 2, reason: 'redemption' };
      await phone.ask({ type: 'credited', credit: { transferId: paid.transferId!, ...left } });
      await town.time.advance(100);
      expect(states(phone)).toEqual(['reserved']);
      away.mockRestore();
      await town.time.advance(2_000);
      expect(states(phone)).toEqual(['reserved', 'confirmed']);
      town.stop();
    });

    test('with who pays, whose next life cannot read it: neither that nor a move lets him hear what comes back first', async () => {
      const { town, phone, redemption } = await paidUntold();
      town.kill();
      const away = unanswered(town, 'redemption');
      await phone.connect();
      await town.move();
      const ending = { state: 'refunded', quantity: 1, points: 10 } as const;
      const tell = () => phone.ask({ type: 'redemptionSettled', redemption, ending, movement: null });
      expect(await tell()).toMatchObject({ ok: false, retryable: true });
      expect(states(phone)).toEqual(['reserved']);
      away.mockRestore();
      await town.time.advance(2_000);
      expect(states(phone)).toEqual(['reserved', 'confirmed']);
      expect(await tell()).toMatchObject({ ok: true });
      expect(states(phone)).toEqual(['reserved', 'confirmed', 'refunded']);
      town.stop();
    });

    test('and his next life gives it back before it has read what was sold, or moves: the tills hear both in order', async () => {
      for (const isMoved of [false, true]) {
        const { town, till, redemption } = await paidUntold();
        town.kill();
        const away = unanswered(town, 'lastSales');
        await till.connect();
        if (isMoved) {
          away.mockRestore();
          await town.move();
        } else {
          await till.command('till.open', { till: 'one' });
          const body = { redemptionId: redemption.id, quantity: null, restock: true };
          expect(await till.command('till.refund', body)).toMatchObject({ ok: true });
        }
        away.mockRestore();
        await town.time.advance(isMoved ? 100 : 5_000);
        expect(atTills(till)).toEqual(['reserved', 'confirmed', ...(isMoved ? [] : ['refunded'])]);
        town.stop();
      }
    });
  });

  test('counts once in the next life of who set it aside, in whatever order that is read', async () => {
    const { town, market, phone } = await story({}, 5, 50);
    idOf(await market.reserve(phone, 2));
    town.kill();
    const away = unanswered(town, 'myRedemptions');
    await phone.connect();
    expect(await phone.snapshot()).toMatchObject({ balance: 50, reserved: 20 });
    idOf(await market.reserve(phone, 2));
    away.mockRestore();
    await town.time.advance(2_000);
    expect(await phone.snapshot()).toMatchObject({ balance: 50, reserved: 40 });
    town.stop();
  });

  test('is given up by the phone, or refused by the till', async () => {
    const { market, phone, till } = await story();
    const given = idOf(await market.reserve(phone));
    const cancel = await phone.command('redeem.cancel', { redemptionId: given });
    expect(cancel).toEqual({ ok: true, value: { points: 10 } });
    expect(await market.confirm(given)).toMatchObject({ code: ERROR.gone });
    const refused = idOf(await market.reserve(phone));
    expect(await till.command('till.refuse', { redemptionId: refused })).toEqual({ ok: true, value: {} });
    // what is cancelled is cancelled, whoever said so
    expect(await phone.command('redeem.cancel', { redemptionId: refused })).toMatchObject({ ok: true });
    expect(states(phone)).toEqual(['reserved', 'cancelled', 'reserved', 'cancelled']);
    expect(atTills(till)).toEqual(['reserved', 'cancelled', 'reserved', 'cancelled']);
    expect(market.stored(phone)).toEqual({ onHand: 5, reserved: 0, points: [0, 100] });
    expect(await market.say({ type: 'look' })).toMatchObject({ value: { onHand: 5, reserved: 0 } });
  });

  test('is over by itself: points and stock are back, and a till that confirms is told so', async () => {
    const { town, market, phone, till } = await story();
    const id = idOf(await market.reserve(phone));
    await town.time.advance(town.rules.redeemS * 1_000);
    expect(await market.confirm(id)).toMatchObject({ code: ERROR.gone });
    await town.time.advance(5_000);
    expect(market.stored(phone)).toEqual({ onHand: 5, reserved: 0, points: [0, 100] });
    expect(await market.confirm(id)).toMatchObject({ code: ERROR.gone });
    expect(await phone.command('redeem.cancel', { redemptionId: id })).toMatchObject({ code: ERROR.gone });
    expect([states(phone), atTills(till)]).toEqual([
      ['reserved', 'expired'],
      ['reserved', 'expired'],
    ]);
    expect(await phone.snapshot()).toMatchObject({ reserved: 0, redemptions: [] });
    expect(await town.stored.due(SHARDS, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
  });
});

describe('points and stock', () => {
  test('that are set aside cannot be spent twice', async () => {
    const { market, phone, till } = await story({}, 50, 25);
    idOf(await market.reserve(phone, 2));
    expect(await market.reserve(phone)).toMatchObject({ code: ERROR.conflict, message: 'not enough points' });
    const key = market.town.key();
    const give = { type: 'give', to: till.id, points: 6, key, requestHash: 'h' } as const;
    expect(await phone.ask(give)).toMatchObject({ code: ERROR.conflict });
    expect(await phone.ask({ ...give, points: 5, key: market.town.key() })).toMatchObject({ ok: true });
    market.town.kill();
    await phone.connect();
    expect(await market.reserve(phone)).toMatchObject({ code: ERROR.conflict, message: 'not enough points' });
    expect(market.stored(phone)).toEqual({ onHand: 50, reserved: 2, points: [5, [20, 20]] });
  });

  test('are not sold beyond what is there, nor to one person beyond the limit', async () => {
    const { market, phone } = await story({ perUserMax: 2 }, 3);
    const other = await market.customer(100);
    expect(await market.reserve(phone, 3)).toMatchObject({ code: ERROR.conflict });
    const first = idOf(await market.reserve(phone, 2));
    expect(await market.reserve(phone)).toMatchObject({ code: ERROR.conflict });
    expect(await market.reserve(other, 2)).toMatchObject({
      code: ERROR.conflict,
      message: expect.stringContaining('sold out'),
    });
    idOf(await market.reserve(other));
    await market.confirm(first, 1);
    // one came back: he may have it
    idOf(await market.reserve(phone));
    expect(market.stored(phone, other)).toEqual({
      onHand: 2,
      reserved: 2,
      points: [10, [90, 10], [100, 10]],
    });
  });

  test('nor for more than the account may spend, and only then is it said so', async () => {
    const { town, market, phone } = await story({ perUserMax: 2 }, 3);
    await town.people.giving.limitAccount(phone.id, null, 15);
    const refusedFor = (why: string) => ({ code: ERROR.conflict, message: expect.stringContaining(why) });
    idOf(await market.reserve(phone));
    expect(await market.reserve(phone)).toMatchObject(refusedFor('this account may spend'));
    await town.people.giving.limitAccount(phone.id, null, null);
    // whom the offer lets through by older numbers the store refuses
    const commit = town.ledger.commit.bind(town.ledger);
    town.ledger.commit = async entries => {
      const raised = entries.map(one =>
        one.op.type === 'pending'
          ? { ...one, op: { ...one.op, stock: { ...one.op.stock!, perUserMax: 1 } } }
          : one,
      );
      return commit(raised);
    };
    expect(await market.reserve(phone)).toMatchObject(refusedFor('one person may have'));
    town.ledger.commit = commit;
    idOf(await market.reserve(phone));
    expect(market.stored(phone)).toMatchObject({ onHand: 3, reserved: 2 });
  });

  test('of a crowd that comes at once: as many are served as there is', async () => {
    const { town, market } = await story({}, 7);
    const crowd = [];
    for (let i = 0; i < 30; i++) crowd.push(await market.customer(50));
    const answers = await Promise.all(crowd.map(phone => market.reserve(phone)));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(7);
    for (const answer of answers) if (answer.ok) await market.confirm(answer.value.redemptionId);
    expect(market.stored()).toEqual({ onHand: 0, reserved: 0, points: [70] });
    expect(town.ledger.burned.size).toBe(0);
  });

  test('are told once when little is left, and again when it was more since', async () => {
    const { market, phone, till } = await story({ lowStock: 2 }, 4);
    idOf(await market.reserve(phone));
    expect(till.events('stock.low')).toEqual([]);
    const second = idOf(await market.reserve(phone));
    idOf(await market.reserve(phone));
    expect(till.events('stock.low')).toMatchObject([{ offerId: market.offer.id, title: 'Coffee', left: 2 }]);
    await market.confirm(second);
    await market.restock(5);
    expect(till.events('stock.low')).toHaveLength(1);
    await market.restock(-5);
    expect(till.events('stock.low')).toHaveLength(2);
  });
});

describe('an offer', () => {
  test('is open from its publication to its end', async () => {
    const { town, market, phone } = await story({ state: 'draft' });
    expect(await market.reserve(phone)).toMatchObject({ code: ERROR.notFound });
    const nowMs = town.time.nowMs();
    await market.change({ state: 'published', opensAtMs: nowMs + 60_000, closesAtMs: nowMs + 120_000 });
    expect(await market.reserve(phone)).toMatchObject({ code: ERROR.gone });
    await town.time.advance(60_000);
    const id = idOf(await market.reserve(phone));
    await market.change({ state: 'withdrawn' });
    expect(await market.reserve(phone)).toMatchObject({ code: ERROR.gone });
    // who has reserved gets what he was promised
    expect(await market.confirm(id)).toMatchObject({ ok: true });
    await market.change({ state: 'published' });
    await town.time.advance(60_000);
    expect(await market.reserve(phone)).toMatchObject({ code: ERROR.gone });
    const unknown = await phone.command('redeem.reserve', { offerId: town.key(), quantity: 1 });
    expect(unknown).toMatchObject({ code: ERROR.notFound });
  });

  test('changes by its merchant, one version after the other, and a version said again is the same', async () => {
    const { town, market, till } = await story();
    const { offer } = market;
    const second = { ...offer, version: 2, points: 12 };
    const saved = await market.say({ type: 'save', offer: second });
    expect(saved).toMatchObject({ ok: true, value: { offer: second, onHand: 5 } });
    expect(await market.say({ type: 'save', offer: second })).toEqual(saved);
    town.kill();
    expect(await market.say({ type: 'save', offer: second })).toEqual(saved);
    for (const version of [0, 1, 2, 4])
      expect(await market.say({ type: 'save', offer: { ...offer, version, title: 'Tea' } })).toMatchObject({
        code: ERROR.conflict,
      });
    const theirs = await town.phone('merchant');
    expect(
      await market.say({ type: 'save', offer: { ...second, version: 3, merchant: theirs.id } }),
    ).toMatchObject({ code: ERROR.notFound });
    expect(till.id).not.toBe(theirs.id);
    for (const bad of [
      { title: ' ' },
      { title: 'x'.repeat(121) },
      { points: 0 },
      { points: 1.5 },
      { opensAtMs: 5, closesAtMs: 5 },
      { perUserMax: -1 },
    ])
      expect(await market.say({ type: 'save', offer: { ...second, version: 3, ...bad } })).toMatchObject({
        code: ERROR.invalid,
      });
  });

  test('that an operator took down stays so: what is reserved is confirmed, nothing more is, and no version follows', async () => {
    const { town, market, phone, till } = await story({ state: 'draft' });
    await market.change({ state: 'published' });
    const id = idOf(await market.reserve(phone));
    // while another version is being stored it is asked for again
    const saving = market.change({ title: 'Tea' });
    expect(await market.say({ type: 'remove' })).toMatchObject({ code: ERROR.unavailable });
    await saving;
    const removed = { ...market.offer, version: 4, state: 'removed' };
    const down = { ok: true, value: { offer: removed, onHand: 5, reserved: 1 } };
    expect(await market.say({ type: 'remove' })).toMatchObject(down);
    const staysDown = async () => {
      expect(await market.say({ type: 'remove' })).toMatchObject(down);
      expect(await market.reserve(phone)).toMatchObject({ code: ERROR.gone });
      const hold = { type: 'hold', redemptionId: town.key(), user: phone.id, quantity: 1 } as const;
      expect(await market.say(hold)).toMatchObject({ code: ERROR.gone });
      // late repeats of what was said before, what a retry makes of it, and a new try
      for (const [version, state] of [
        [2, 'published'],
        [4, 'published'],
        [5, 'published'],
        [5, 'withdrawn'],
        [5, 'removed'],
      ] as const)
        expect(await market.say({ type: 'save', offer: { ...market.offer, version, state } })).toMatchObject({
          code: ERROR.gone,
        });
    };
    await staysDown();
    await town.move();
    await staysDown();
    expect(town.problems).toEqual([]);
    town.kill();
    for (const one of [phone, till]) await one.connect();
    await till.command('till.open', { till: 'one' });
    await staysDown();
    expect(await market.confirm(id)).toMatchObject({ ok: true });
    expect(market.stored(phone)).toMatchObject({ onHand: 4, reserved: 0 });
    expect(await market.say({ type: 'remove' }, town.key())).toMatchObject({ code: ERROR.notFound });
  });

  test('has no less in stock than is reserved, and a change said again is one', async () => {
    const { town, market, phone } = await story();
    idOf(await market.reserve(phone, 3));
    expect(await market.restock(-3)).toMatchObject({ code: ERROR.conflict });
    const id = town.key();
    expect(await market.restock(-2, id)).toEqual({ ok: true, value: { onHand: 3, reserved: 3 } });
    expect(await market.restock(-2, id)).toMatchObject({ ok: true, value: { onHand: 3, reserved: 3 } });
    town.kill();
    expect(await market.restock(-2, id)).toMatchObject({ ok: true, value: { onHand: 3, reserved: 3 } });
    for (const delta of [0, 0.5, Number.NaN, 2 ** 53])
      expect(await market.restock(delta)).toMatchObject({ ok: false });
    expect(market.stored(phone)).toMatchObject({ onHand: 3, reserved: 3 });
  });
});

describe('a till', () => {
  test('has its name for itself while it is connected', async () => {
    const { town, market, phone, till } = await story();
    const id = idOf(await market.reserve(phone));
    const second = town.device(till, 'second');
    await second.connect();
    expect(await second.command('till.look', { code: 'AAAAAAAA' })).toMatchObject({ code: ERROR.conflict });
    expect(await second.command('till.open', { till: 'one' })).toMatchObject({ code: ERROR.conflict });
    const opened = await second.command('till.open', { till: 'two' });
    expect(opened).toMatchObject({ ok: true, value: { waiting: [{ redemptionId: id, state: 'reserved' }] } });
    const [first, other] = await Promise.all([
      market.confirm(id),
      market.confirm(id, null, town.key(), second),
    ]);
    expect([first.ok, other.ok].sort()).toEqual([false, true]);
    expect([first, other].find(({ ok }) => !ok)).toMatchObject({ code: ERROR.conflict });
    for (const one of [till, second])
      expect(atTills(one)).toEqual(['reserved', 'confirmed'].slice(one === till ? 0 : 1));
    till.disconnect();
    await town.time.advance(10);
    expect(await second.command('till.open', { till: 'one' })).toMatchObject({ ok: true });
    expect(await phone.command('till.open', { till: 'mine' })).toMatchObject({ code: ERROR.forbidden });
  });

  test('waits a minute after ten wrong codes in a row', async () => {
    const { town, market, phone, till } = await story();
    const answer = await market.reserve(phone);
    const { code, qr } = (answer as { value: { code: string; qr: string } }).value;
    const look = (text: string) => till.command('till.look', { code: text });
    const wrong = code === 'AAAAAAAA' ? 'BBBBBBBB' : 'AAAAAAAA';
    for (let i = 1; i < ACTOR_LIMITS.wrongCodes; i++)
      expect(await look(wrong)).toMatchObject({ code: ERROR.notFound });
    // a right one begins anew
    expect(await look(code)).toMatchObject({ ok: true });
    for (let i = 1; i < ACTOR_LIMITS.wrongCodes; i++)
      expect(await look('?')).toMatchObject({ code: ERROR.notFound });
    const elsewhere = qr.replace(till.id.toUpperCase(), phone.id.toUpperCase());
    expect(await look(elsewhere)).toMatchObject({ code: ERROR.notFound });
    expect(await look(code)).toMatchObject({ code: ERROR.rateLimited, retryable: true });
    const confirm = await till.command('till.confirm', { redemptionId: null, code, quantity: null });
    expect(confirm).toMatchObject({ code: ERROR.rateLimited });
    await till.command('till.open', { till: 'one' });
    expect(await look(code)).toMatchObject({ code: ERROR.rateLimited });
    await town.time.advance(ACTOR_LIMITS.wrongCodesMs);
    expect(await look(code)).toMatchObject({ ok: true });
  });

  test('has no more wrong codes under another name', async () => {
    const { town, market, phone, till } = await story();
    const answer = await market.reserve(phone);
    const { code } = (answer as { value: { code: string } }).value;
    const look = (text: string) => till.command('till.look', { code: text });
    const open = (name: string) => till.command('till.open', { till: name });
    for (let i = 0; i < ACTOR_LIMITS.wrongCodes; i++) {
      expect(await look('?')).toMatchObject({ code: ERROR.notFound });
      await open(`till ${i}`);
    }
    expect(await look(code)).toMatchObject({ code: ERROR.rateLimited });
    // nor does the next one of this name, once there were so many that some are forgotten
    const second = town.device(till, 'second');
    await second.connect();
    till.disconnect();
    for (let i = 0; i <= ACTOR_LIMITS.tills; i++) await second.command('till.open', { till: `other ${i}` });
    expect(await second.command('till.look', { code })).toMatchObject({ ok: true });
    await second.command('till.open', { till: `till ${ACTOR_LIMITS.wrongCodes - 1}` });
    expect(await second.command('till.look', { code })).toMatchObject({ code: ERROR.rateLimited });
    await town.time.advance(ACTOR_LIMITS.wrongCodesMs);
    expect(await second.command('till.look', { code })).toMatchObject({ ok: true });
  });

  test('waits with all others when they were wrong too often, whoever comes as which', async () => {
    const { town, market, phone, till } = await story();
    const answer = await market.reserve(phone);
    const { code } = (answer as { value: { code: string } }).value;
    const tries = [till];
    let wrong = 0;
    for (let n = 0; wrong < ACTOR_LIMITS.wrongCodesAll; n++) {
      const other = town.device(till, 'other');
      await other.connect();
      await other.command('till.open', { till: `other ${n}` });
      tries[1] = other;
      for (let i = 1; i < ACTOR_LIMITS.wrongCodes && wrong < ACTOR_LIMITS.wrongCodesAll; i++, wrong++)
        expect(await other.command('till.look', { code: '?' })).toMatchObject({ code: ERROR.notFound });
    }
    await town.move();
    for (const one of tries)
      expect(await one.command('till.look', { code })).toMatchObject({ code: ERROR.rateLimited });
    // what is named by its id is no guess
    expect(await market.confirm(idOf(answer))).toMatchObject({ ok: true });
    await town.time.advance(ACTOR_LIMITS.wrongCodesMs);
    expect(await till.command('till.look', { code: '?' })).toMatchObject({ code: ERROR.notFound });
  });

  test('finds what nobody told of: the store knows it', async () => {
    const { town, market, phone, till } = await story();
    const answer = await market.reserve(phone);
    const { code } = (answer as { value: { code: string } }).value;
    town.kill();
    await till.connect();
    await till.command('till.open', { till: 'one' });
    expect(await till.command('till.look', { code })).toMatchObject({ ok: true });
    expect(await market.confirm(idOf(answer))).toMatchObject({ ok: true });
    // and one of somebody else's is nobody's here
    await phone.connect();
    const other = await TownMarket.open(town, 5);
    const theirs = idOf(await other.reserve(phone));
    for (const name of ['till.refuse', 'till.confirm'] as const) {
      const body = { redemptionId: theirs, code: null, quantity: null };
      expect(await till.command(name, body)).toMatchObject({ code: ERROR.notFound });
    }
  });
});

describe('a till that is told late that somebody waits', () => {
  /** Points are set aside, and who did it dies before it tells; it ends; the merchant's actor dies too; then it is told. */
  async function toldLate(end: (market: TownMarket, redemptionId: string, phone: TownPhone) => unknown) {
    const { town, market, phone, till } = await story();
    const back = async () => {
      town.kill();
      await phone.connect();
      await till.connect();
      await till.command('till.open', { till: 'one' });
    };
    const commit = town.ledger.commit.bind(town.ledger);
    town.ledger.commit = async entries => {
      const outcomes = await commit(entries);
      return entries.some(({ op }) => op.type === 'pending') ? new Promise(() => {}) : outcomes;
    };
    void market.reserve(phone).catch(() => {});
    await town.time.advance(100);
    town.ledger.commit = commit;
    const waiting = await town.people.query({ type: 'openRedemptions', merchant: till.id });
    const [redemption] = (waiting as RedemptionView[]).map(redemptionOf);
    await back();
    await end(market, redemption!.id, phone);
    await back();
    await town.time.advance(ACTOR_LIMITS.openedLateMs);
    const tell = () => till.ask({ type: 'redemptionOpened', redemption: redemption! });
    return { town, tell, shown: () => atTills(till).filter(state => state === 'reserved') };
  }

  test('is not shown what was paid, refused or given up meanwhile', async () => {
    const ends: Parameters<typeof toldLate>[0][] = [
      (market, id) => market.confirm(id),
      (market, redemptionId) => market.merchant.command('till.refuse', { redemptionId }),
      (_, redemptionId, phone) => phone.command('redeem.cancel', { redemptionId }),
    ];
    for (const end of ends) {
      const { town, tell, shown } = await toldLate(end);
      expect(await tell()).toEqual({ ok: true, value: {} });
      expect(shown()).toEqual([]);
      // it is known from now on, without asking
      const asked = vi.spyOn(town.people, 'query');
      expect(await tell()).toEqual({ ok: true, value: {} });
      expect(asked).not.toHaveBeenCalled();
    }
  });

  test('is shown what still waits', async () => {
    const { tell, shown } = await toldLate(() => {});
    expect(await tell()).toEqual({ ok: true, value: {} });
    expect(shown()).toEqual(['reserved']);
  });

  test('hears it when the store can be read again, and whoever told is asked to tell again', async () => {
    const { town, tell, shown } = await toldLate(() => {});
    const away = vi.spyOn(town.people, 'query').mockRejectedValue(new Error('the store hangs'));
    expect(await Promise.all([tell(), tell()])).toMatchObject([{ retryable: true }, { retryable: true }]);
    expect(shown()).toEqual([]);
    away.mockRestore();
    expect(await tell()).toEqual({ ok: true, value: {} });
    expect(shown()).toEqual(['reserved']);
  });
});

/** The store takes what is set aside and loses the answer; what it keeps of redemptions cannot be read for a while. */
function answerLost(town: SmallTown): { readable(): void } {
  const commit = town.ledger.commit.bind(town.ledger);
  town.ledger.commit = async entries => {
    const outcomes = await commit(entries);
    if (!entries.some(({ op }) => op.type === 'pending')) return outcomes;
    town.ledger.commit = commit;
    throw new Error('the connection is gone');
  };
  const query = town.people.query.bind(town.people);
  town.people.query = async asked => {
    if (asked.type === 'redemption' || asked.type === 'myRedemptions') throw new Error('the store hangs');
    return query(asked);
  };
  return {
    readable: () => {
      town.people.query = query;
    },
  };
}

describe('points that are set aside while nobody can say so', () => {
  test('cannot be spent meanwhile, and come back by their time when nobody asks again', async () => {
    const { town, market, phone } = await story();
    const { readable } = answerLost(town);
    expect(await market.reserve(phone, 4)).toMatchObject({ code: ERROR.timeout, retryable: true });
    expect(market.stored(phone)).toEqual({ onHand: 5, reserved: 4, points: [0, [100, 40]] });
    expect(await phone.snapshot()).toMatchObject({ balance: 100, reserved: 40 });
    readable();
    await town.time.advance(2_000);
    expect(await phone.snapshot()).toMatchObject({ reserved: 40, redemptions: [{ points: 40 }] });
    await town.time.advance(town.rules.redeemS * 1_000 + 60_000);
    expect(market.stored(phone)).toEqual({ onHand: 5, reserved: 0, points: [0, 100] });
    expect(await phone.snapshot()).toMatchObject({ balance: 100, reserved: 0, redemptions: [] });
    expect(await market.say({ type: 'look' })).toMatchObject({ value: { onHand: 5, reserved: 0 } });
    expect(await town.stored.due(SHARDS, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    town.stop();
  });

  test('are the answer to the same words said again, and end by their time all the same', async () => {
    const { town, market, phone } = await story();
    const { readable } = answerLost(town);
    const key = town.key();
    expect(await market.reserve(phone, 4, key)).toMatchObject({ code: ERROR.timeout });
    readable();
    expect(await market.reserve(phone, 4, key)).toMatchObject({ ok: true, value: { points: 40 } });
    await town.time.advance(town.rules.redeemS * 1_000 + 60_000);
    expect(market.stored(phone)).toEqual({ onHand: 5, reserved: 0, points: [0, 100] });
    expect(await town.stored.due(SHARDS, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    town.stop();
  });
});

/** Stands for the death of the node at its n-th commit, whose answer nobody gets: it was stored, or it was not. */
function dieAt(town: SmallTown, n: number, stored: boolean): { readonly died: () => boolean } {
  let commits = 0;
  for (const store of [town.ledger, town.notes]) {
    const commit = store.commit.bind(store);
    store.commit = async entries => {
      if (++commits !== n) return commit(entries);
      if (stored) await commit(entries);
      town.kill();
      return new Promise(() => {});
    };
  }
  return { died: () => commits >= n };
}

/** Who gets no answer connects and says it again with the same key, as people do. */
async function insistently<T extends Answer | { readonly ok: boolean }>(
  phone: TownPhone,
  isTill: boolean,
  say: () => Promise<T>,
): Promise<T> {
  for (let tries = 0; tries < 30; tries++) {
    try {
      const answer = await say();
      if (answer.ok || !(answer as { retryable: boolean }).retryable) return answer;
    } catch {
      // the node died
    }
    await phone.town.time.advance(300);
    try {
      await phone.connect();
      if (isTill) await phone.command('till.open', { till: 'one' });
    } catch {
      // and again
    }
  }
  throw new Error('never answered');
}

const DEATHS = [true, false].map(stored => ({ stored }));

describe.each(DEATHS)('a node that dies at any commit (stored: $stored)', ({ stored }) => {
  test('a redemption that is paid and given back: every command has one effect and one answer', async () => {
    for (let n = 1; ; n++) {
      const { town, market, phone, till } = await story();
      const { died } = dieAt(town, n, stored);
      const keys = [town.key(), town.key(), town.key()] as const;
      const reserve = () => market.reserve(phone, 2, keys[0]);
      const reserved = await insistently(phone, false, reserve);
      const id = idOf(reserved);
      const confirm = () => market.confirm(id, 1, keys[1]);
      const confirmed = await insistently(till, true, confirm);
      expect([n, confirmed]).toEqual([n, { ok: true, value: { redemptionId: id, quantity: 1, points: 10 } }]);
      expect([n, market.stored(phone)]).toEqual([n, { onHand: 4, reserved: 0, points: [10, 90] }]);
      const refund = () =>
        till.command('till.refund', { redemptionId: id, quantity: 1, restock: true }, keys[2]);
      const refunded = await insistently(till, true, refund);
      expect([n, refunded]).toMatchObject([n, { ok: true, value: { quantity: 1, points: 10 } }]);
      const isOver = !died();
      await town.time.advance(5_000);
      town.kill();
      // in another life, the same words again
      expect(await insistently(phone, false, reserve)).toEqual(reserved);
      expect(await insistently(till, true, confirm)).toEqual(confirmed);
      expect(await insistently(till, true, refund)).toEqual(refunded);
      await town.time.advance(town.rules.redeemS * 1_000 + 5_000);
      expect([n, market.stored(phone)]).toEqual([n, { onHand: 5, reserved: 0, points: [0, 100] }]);
      expect(await phone.snapshot()).toMatchObject({ balance: 100, reserved: 0, redemptions: [] });
      expect(await market.say({ type: 'look' })).toMatchObject({ value: { onHand: 5, reserved: 0 } });
      expect(await town.stored.due(SHARDS, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
      town.stop();
      if (isOver) return;
    }
  });

  test.each(['given up', 'left'] as const)(
    'a redemption that is %s ends with points and stock back',
    async how => {
      for (let n = 1; ; n++) {
        const { town, market, phone } = await story();
        const { died } = dieAt(town, n, stored);
        const key = town.key();
        // who leaves does not even ask again
        const reserved = how === 'left' ? await market.reserve(phone).catch(() => null) : null;
        if (how === 'given up') {
          const redemptionId = idOf(await insistently(phone, false, () => market.reserve(phone)));
          const cancel = () => phone.command('redeem.cancel', { redemptionId }, key);
          expect(await insistently(phone, false, cancel)).toEqual({ ok: true, value: { points: 10 } });
        }
        await town.time.advance(town.rules.redeemS * 1_000 + 60_000);
        const isOver = !died();
        expect([n, reserved?.ok, market.stored(phone)]).toEqual([
          n,
          reserved?.ok,
          { onHand: 5, reserved: 0, points: [0, 100] },
        ]);
        expect(await town.stored.due(SHARDS, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
        expect(await market.say({ type: 'look' })).toMatchObject({ value: { onHand: 5, reserved: 0 } });
        town.stop();
        if (isOver) return;
      }
    },
  );
});

test('actors that move take along what waits, who has which till, and how often it was wrong', async () => {
  const { town, market, phone, till } = await story({ perUserMax: 3 });
  await town.move();
  const answer = await market.reserve(phone, 2);
  const { code } = (answer as { value: { code: string } }).value;
  for (let i = 1; i < ACTOR_LIMITS.wrongCodes; i++) await till.command('till.look', { code: '?' });
  await town.move();
  expect(await market.reserve(phone, 2)).toMatchObject({ code: ERROR.conflict });
  expect(await phone.snapshot()).toMatchObject({ reserved: 20, redemptions: [{ code }] });
  expect(await till.command('till.look', { code })).toMatchObject({ ok: true });
  for (let i = 0; i < ACTOR_LIMITS.wrongCodes; i++) await till.command('till.look', { code: '?' });
  await town.move();
  expect(await till.command('till.look', { code })).toMatchObject({ code: ERROR.rateLimited });
  expect(await market.confirm(idOf(answer))).toMatchObject({ ok: true });
  await town.move();
  expect(await market.say({ type: 'look' })).toMatchObject({ value: { onHand: 3, reserved: 0 } });
  expect([states(phone), atTills(till)]).toEqual([
    ['reserved', 'confirmed'],
    ['reserved', 'confirmed'],
  ]);
});
