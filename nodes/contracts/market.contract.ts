/** Offers, stock and redemptions: what every store must do with them. Run against memory and PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Committed,
  type DurableOp,
  MINT_ACCOUNT,
  type OfferRecord,
  type PendingOp,
} from '../../actors/durable.ts';
import type { OfferView, RedemptionView, SettledLately, UserRecord } from '../../actors/queries.ts';
import { MARKET_LIMITS } from '../limits.ts';
import {
  at,
  move,
  offerOf,
  pending,
  post,
  redemption,
  refund,
  type StoreTown,
  sale,
  stockOf,
  voidOf,
} from './town.ts';

const SHARD = 23;

export function marketContract(name: string, open: () => Promise<StoreTown>): void {
  describe(`market: ${name}`, () => {
    let town: StoreTown;
    let epoch: number;
    let codes = 0;

    beforeAll(async () => {
      town = await open();
      [epoch = 0] = await town.epochStore.mint([SHARD], 'contract');
    });
    afterAll(() => town.close());

    const said = async (...ops: DurableOp[]): Promise<string[]> =>
      (await town.commitStore.commit(ops.map(op => at(SHARD, epoch, op)))).map(one => one.code);
    const noted = async (...ops: DurableOp[]): Promise<string[]> =>
      (await town.noteStore.commit(ops.map(op => at(SHARD, epoch, op)))).map(one => one.code);
    async function person(kind: 'civilian' | 'merchant', points = 0): Promise<string> {
      const user = {
        kind,
        handle: `m-${town.uuid()}`,
        passwordHash: 'x',
        deviceId: 'd',
        zip: null,
        badge: null,
      };
      const made = await town.directory.createUser(user);
      if (!made.ok) throw new Error(made.message);
      if (points > 0) await said(move(town.uuid(), MINT_ACCOUNT, made.value.userId, points));
      return made.value.userId;
    }
    const recordOf = async (id: string): Promise<UserRecord> =>
      (await town.queryStore.query({ type: 'user', id })) as UserRecord;
    const offerView = async (id: string): Promise<OfferView | null> =>
      (await town.queryStore.query({ type: 'offer', id })) as OfferView | null;
    const redemptionView = async (id: string): Promise<RedemptionView | null> =>
      (await town.queryStore.query({ type: 'redemption', id })) as RedemptionView | null;
    /** Units there, and set aside. */
    const stockIs = async (offer: string): Promise<[number, number]> => {
      const view = (await offerView(offer))!;
      return [view.onHand, view.reserved];
    };
    const balances = async (...ids: string[]): Promise<number[]> =>
      Promise.all(ids.map(async id => (await recordOf(id)).balance));

    /** Somebody with points before an offer of which some are there. */
    async function stall(change: Partial<OfferRecord> & { readonly onHand?: number } = {}) {
      const { onHand = 10, ...record } = change;
      const [user, merchant] = [await person('civilian', 60), await person('merchant')];
      const offer = town.uuid();
      const ops = [offerOf(town.uuid(), { id: offer, merchant, ...record })];
      const stock = onHand > 0 ? [stockOf(town.uuid(), offer, onHand, { kind: 'receipt' })] : [];
      await noted(...ops, ...stock);
      const reserve = (
        quantity: number,
        more: { user?: string; code?: string; perUserMax?: number } = {},
      ) => {
        const { user: by = user, ...hold } = more;
        return redemption(town.uuid(), by, merchant, { offer, quantity, code: `C${++codes}`, ...hold });
      };
      return { user, merchant, offer, reserve };
    }

    describe('a timer that comes along', () => {
      let named = 0;
      const timed = (op: PendingOp, dueAtMs: number, change: object = {}): PendingOp => {
        const timer = { kind: 'user', actor: op.payer, name: `along ${++named}`, onlyDueAtMs: null } as const;
        return {
          ...op,
          timer: { type: 'timer', id: town.uuid(), ...timer, dueAtMs, message: {}, ...change },
        };
      };
      const timersOf = async (actor: string): Promise<string[]> => {
        const all = await town.noteStore.due([SHARD], Number.MAX_SAFE_INTEGER, 10_000);
        return all.filter(one => one.actor === actor).map(one => `${one.name}: ${one.dueAtMs}`);
      };

      it('is set with the points, and also when they are refused', async () => {
        const { user, reserve } = await stall();
        const [op, all] = [timed(reserve(2), 7), timed(reserve(11), 8)];
        expect(await said(op, reserve(1), all)).toEqual(['created', 'created', 'out_of_stock']);
        expect(await timersOf(user)).toEqual([`${op.timer!.name}: 7`, `${all.timer!.name}: 8`]);
        expect(await recordOf(user)).toMatchObject({ reserved: 9 });
      });

      it('is no part of the request: another one replaces it, and the points are set aside once', async () => {
        const { user, reserve } = await stall();
        const op = timed(reserve(2), 7);
        const { name } = op.timer!;
        expect(await said(op, timed(op, 9, { name }))).toEqual(['created', 'exists']);
        expect(await timersOf(user)).toEqual([`${name}: 9`]);
        expect(await recordOf(user)).toMatchObject({ reserved: 6 });
        const remove = { ...timed(op, 0, { name, dueAtMs: null, message: null }).timer! };
        expect(await noted(remove)).toEqual(['created']);
        expect(await timersOf(user)).toEqual([]);
      });

      it('is not set by a former owner, nor by what makes no sense', async () => {
        const { user, reserve } = await stall();
        const old = await town.commitStore.commit([at(SHARD, epoch - 1, timed(reserve(1), 7))]);
        expect(old.map(one => one.code)).toEqual(['stale_epoch']);
        const unnamed = timed(reserve(1), 7, { name: '' });
        expect(await said(unnamed, { ...timed(reserve(1), 7), points: 0 })).toEqual(['invalid', 'invalid']);
        expect(await timersOf(user)).toEqual([]);
        expect(await recordOf(user)).toMatchObject({ reserved: 0 });
      });
    });

    describe('a redemption', () => {
      it('sets points and stock aside in one entry, and tells its code to whoever asks', async () => {
        const { user, merchant, offer, reserve } = await stall();
        const op = { ...reserve(2), rule: { id: 'price', version: 4, trace: '00ff00ff00ff00ff' } };
        const [first] = (await town.commitStore.commit([at(SHARD, epoch, op)])) as [Committed];
        expect(first).toMatchObject({ id: op.id, code: 'created', postings: [] });
        expect(await stockIs(offer)).toEqual([10, 2]);
        expect(await recordOf(user)).toMatchObject({ balance: 60, reserved: 6 });
        const view = {
          ...{ id: op.id, user, merchant, offer, offerTitle: 'a ticket', quantity: 2, points: 6 },
          ...{ code: op.stock?.code, state: 'reserved', atMs: first.atMs, expiresAtMs: first.atMs + 600_000 },
          ...{ sold: { quantity: 0, points: 0 }, refunded: { quantity: 0, points: 0 }, transferId: null },
          rule: op.rule,
        };
        expect(await redemptionView(op.id)).toEqual(view);
        expect(await town.queryStore.query({ type: 'openRedemptions', merchant })).toEqual([view]);
        expect(await town.queryStore.query({ type: 'myRedemptions', user })).toEqual([view]);
        // drawn anew, the code is another: the first one stands
        const again = { ...op, stock: { ...op.stock!, code: 'OTHER', perUserMax: 1 } };
        expect(await said(again, { ...op, stock: { ...op.stock!, quantity: 1 } })).toEqual([
          'exists',
          'exists_with_different_payload',
        ]);
        expect((await redemptionView(op.id))?.code).toBe(op.stock?.code);
        expect(await stockIs(offer)).toEqual([10, 2]);
      });

      it('is sold whole: stock and points are gone together', async () => {
        const { user, merchant, offer, reserve } = await stall();
        const op = reserve(3);
        const paid = post(town.uuid(), op);
        expect(await said(op, paid, paid, voidOf(op))).toEqual([
          'created',
          'created',
          'exists',
          'pending_already_posted',
        ]);
        expect(await stockIs(offer)).toEqual([7, 0]);
        expect(await balances(user, merchant)).toEqual([51, 9]);
        expect(await redemptionView(op.id)).toMatchObject({
          state: 'confirmed',
          sold: { quantity: 3, points: 9 },
          transferId: paid.id,
        });
        expect(await town.queryStore.query({ type: 'openRedemptions', merchant })).toEqual([]);
        expect(await town.queryStore.query({ type: 'myRedemptions', user })).toEqual([]);
      });

      it('is sold in part: the rest of both is free again', async () => {
        const { user, merchant, offer, reserve } = await stall();
        const op = reserve(5);
        expect(await said(op, sale(town.uuid(), op, 6), sale(town.uuid(), op, 2))).toEqual([
          'created',
          'exceeds_pending',
          'created',
        ]);
        expect(await stockIs(offer)).toEqual([8, 0]);
        expect([...(await balances(user, merchant)), await town.reservedOf(user)]).toEqual([54, 6, 0]);
      });

      it('is found among the last payments and refunds of its merchant, oldest first', async () => {
        const { merchant, reserve } = await stall();
        const lastSales = (limit: number) => town.queryStore.query({ type: 'lastSales', merchant, limit });
        const [first, second, open] = [reserve(3), reserve(1), reserve(1)];
        const sold = sale(town.uuid(), first, 2);
        const soldToo = post(town.uuid(), second);
        const back = refund(town.uuid(), first, 1);
        for (const op of [first, second, open, sold, soldToo, back])
          expect(await said(op)).toEqual(['created']);
        const [one, other] = [await redemptionView(first.id), await redemptionView(second.id)];
        const sales = [
          { redemption: one, state: 'confirmed', transferId: sold.id, quantity: 2, points: 6 },
          { redemption: other, state: 'confirmed', transferId: soldToo.id, quantity: 1, points: 3 },
          { redemption: one, state: 'refunded', transferId: back.id, quantity: 1, points: 3 },
        ];
        expect(await lastSales(9)).toEqual(sales);
        expect(await lastSales(2)).toHaveLength(2);
        const lately = { type: 'settledLately', shards: [SHARD], withinMs: 600_000, limit: 1_000 } as const;
        const settled = (await town.queryStore.query(lately)) as SettledLately[];
        const refunded = { redemption: one, quantity: 1, points: 3 };
        expect(settled.find(({ id }) => id === back.id)).toMatchObject({ reason: 'refund', refunded });
        expect(settled.find(({ id }) => id === sold.id)).not.toHaveProperty('refunded');
        const elsewhere = { type: 'lastSales', merchant: (await stall()).merchant, limit: 9 } as const;
        expect(await town.queryStore.query(elsewhere)).toEqual([]);
      });

      it('is paid at its price and at no other', async () => {
        const { user, offer, reserve } = await stall();
        const [op, plain] = [reserve(4), pending(town.uuid(), user, (await stall()).merchant, 6)];
        await said(op, plain);
        const wrong = [
          { ...sale(town.uuid(), op, 2), points: 5 },
          { ...sale(town.uuid(), op, 2), points: 7 },
          post(town.uuid(), op, 9),
          // nothing of it is stock
          { ...post(town.uuid(), plain), quantity: 1 },
        ];
        expect(await said(...wrong)).toEqual(wrong.map(() => 'invalid'));
        expect(await said({ ...sale(town.uuid(), op, 2), points: 13 })).toEqual(['exceeds_pending']);
        expect(await stockIs(offer)).toEqual([10, 4]);
      });

      it.each([
        ['voided', 'cancelled'],
        ['expired', 'expired'],
      ] as const)('is given back once: %s', async (verdict, state) => {
        const { user, offer, reserve } = await stall();
        const op = reserve(4);
        const settled = verdict === 'voided' ? 'pending_already_voided' : 'pending_expired';
        expect(await said(op, voidOf(op, verdict), voidOf(op, verdict), post(town.uuid(), op))).toEqual([
          'created',
          'created',
          'exists',
          settled,
        ]);
        expect([...(await stockIs(offer)), await town.reservedOf(user)]).toEqual([10, 0, 0]);
        expect(await redemptionView(op.id)).toMatchObject({ state, transferId: null });
      });

      it('is not sold when its time is over, and still given back', async () => {
        const { offer, reserve } = await stall();
        const op = reserve(4);
        await said(op);
        await town.endPending(op.id);
        expect(await said(sale(town.uuid(), op, 1))).toEqual(['pending_expired']);
        expect(await stockIs(offer)).toEqual([10, 4]);
        expect(await said(voidOf(op, 'expired'))).toEqual(['created']);
        expect(await stockIs(offer)).toEqual([10, 0]);
      });

      it('never takes more than there is, whoever comes together', async () => {
        const { offer, reserve } = await stall({ onHand: 5 });
        const users = await Promise.all(Array.from({ length: 4 }, () => person('civilian', 30)));
        const ops = users.map(user => reserve(2, { user }));
        const outcomes = (await Promise.all(ops.map(op => said(op)))).flat();
        expect(outcomes.filter(code => code === 'created')).toHaveLength(2);
        expect(outcomes.filter(code => code === 'out_of_stock')).toHaveLength(2);
        const one = reserve(1, { user: users[0]! });
        expect(await said(one, reserve(1, { user: users[1]! }))).toEqual(['created', 'out_of_stock']);
        expect(await stockIs(offer)).toEqual([5, 5]);
      });

      it('that is refused has set nothing aside', async () => {
        const { user, merchant, offer, reserve } = await stall();
        const op = reserve(1);
        await said(op);
        const other = await stall({ state: 'draft' });
        const poor = await person('civilian', 2);
        const [early, late, gone] = [
          await stall({ opensAtMs: MARKET_LIMITS.timeMs }),
          await stall({ closesAtMs: 1 }),
          await stall({ state: 'withdrawn' }),
        ];
        const unknown = redemption(town.uuid(), user, merchant, {
          offer: town.uuid(),
          quantity: 1,
          code: 'U',
        });
        const foreign = redemption(town.uuid(), user, other.merchant, { offer, quantity: 1, code: 'F' });
        const refused: [PendingOp, string][] = [
          [reserve(11), 'out_of_stock'],
          [reserve(1, { user: poor }), 'insufficient_points'],
          [reserve(2, { perUserMax: 2 }), 'offer_limit_exceeded'],
          [reserve(1, { code: op.stock!.code }), 'code_taken'],
          [unknown, 'offer_closed'],
          [foreign, 'offer_closed'],
          [other.reserve(1), 'offer_closed'],
          [early.reserve(1), 'offer_closed'],
          [late.reserve(1), 'offer_closed'],
          [gone.reserve(1), 'offer_closed'],
        ];
        expect(await said(...refused.map(([one]) => one))).toEqual(refused.map(([, code]) => code));
        expect(await town.commitStore.lookup(refused.map(([one]) => one))).toEqual(refused.map(() => null));
        expect([...(await stockIs(offer)), await town.reservedOf(user)]).toEqual([10, 1, 3]);
        for (const [one] of refused) expect(await redemptionView(one.id)).toBeNull();
      });

      it('that was refused for want of stock stays refused; with another code it may come again', async () => {
        const { offer, reserve } = await stall({ onHand: 1 });
        const [many, op] = [reserve(2), reserve(1)];
        const taken = reserve(1, { code: op.stock!.code });
        expect(await said(many)).toEqual(['out_of_stock']);
        await noted(stockOf(town.uuid(), offer, 5));
        expect(await said(many, op, taken)).toEqual(['out_of_stock', 'created', 'code_taken']);
        const anew = { ...taken, stock: { ...taken.stock!, code: `C${++codes}` } };
        expect(await said(anew)).toEqual(['created']);
        // of a merchant's redemptions that are open: what is settled gives its code free, also within a group
        const next = reserve(1, { code: op.stock!.code });
        expect(await said(post(town.uuid(), op), next)).toEqual(['created', 'created']);
      });

      it('counts for the limit of its user, until it is given back', async () => {
        const { user, merchant, offer, reserve } = await stall({ perUserMax: 3 });
        const limited = (quantity: number) => reserve(quantity, { perUserMax: 3 });
        const [a, b, c] = [limited(2), limited(1), limited(1)];
        expect(await said(a, b, c, sale(town.uuid(), a, 1))).toEqual([
          'created',
          'created',
          'offer_limit_exceeded',
          'created',
        ]);
        expect((await offerView(offer))?.perUser).toEqual({ [user]: 2 });
        expect(await said(voidOf(b), limited(2), limited(1))).toEqual([
          'created',
          'created',
          'offer_limit_exceeded',
        ]);
        expect(await said(refund(town.uuid(), a, 1), limited(1), limited(1))).toEqual([
          'created',
          'created',
          'offer_limit_exceeded',
        ]);
        expect((await offerView(offer))?.perUser).toEqual({ [user]: 3 });
        // somebody else has his own
        const other = await person('civilian', 9);
        expect(await said(reserve(3, { user: other, perUserMax: 3 }))).toEqual(['created']);
        // it stays refused under its id, and what his account may spend is another limit
        await town.limitDebits(other, 1, null);
        expect(await said(c, reserve(1, { user: other }))).toEqual([
          'offer_limit_exceeded',
          'limit_exceeded',
        ]);
        expect(await balances(merchant)).toEqual([0]);
      });

      it('nothing of a stale epoch reserves, sells, gives back or refunds', async () => {
        const { offer, reserve } = await stall();
        const [op, paid] = [reserve(2), reserve(1)];
        await said(paid, post(town.uuid(), paid));
        const stale = async (one: DurableOp) =>
          (await town.commitStore.commit([at(SHARD, epoch - 1, one)]))[0]?.code;
        expect(await stale(op)).toBe('stale_epoch');
        await said(op);
        for (const one of [
          post(town.uuid(), op),
          voidOf(op),
          refund(town.uuid(), paid, 1, { restock: true }),
        ])
          expect(await stale(one)).toBe('stale_epoch');
        expect(await stockIs(offer)).toEqual([9, 2]);
      });

      it('is found by a look-up, and so is what became of it', async () => {
        const { reserve } = await stall();
        const [a, b] = [reserve(2), reserve(1)];
        const [paid, back] = [sale(town.uuid(), a, 1), refund(town.uuid(), a, 1)];
        const never = refund(town.uuid(), a, 1);
        await said(a, b, paid, voidOf(b), back);
        const found = await town.commitStore.lookup([
          ...[a, b, paid, voidOf(b), back, never],
          { ...paid, quantity: 2, points: 6 },
          { ...back, restock: true },
        ]);
        expect(found.map(one => one?.code ?? null)).toEqual([
          ...Array.from({ length: 5 }, () => 'exists'),
          null,
          'exists_with_different_payload',
          'exists_with_different_payload',
        ]);
      });

      it('needs whole prices, units and a code', async () => {
        const { user, reserve } = await stall();
        const op = reserve(2);
        const held = (change: object) => ({ ...op, id: town.uuid(), stock: { ...op.stock!, ...change } });
        const wrong = [
          { ...op, points: 7 },
          ...[0, -1, 0.5, MARKET_LIMITS.units + 1].map(quantity => held({ quantity })),
          ...['', 'a\0', 'x'.repeat(MARKET_LIMITS.codeChars + 1)].map(code => held({ code })),
          ...[held({ offer: 'none' }), held({ perUserMax: -1 })],
          ...[0, -1, 1.5].map(quantity => sale(town.uuid(), op, quantity)),
          ...[0, -1, 1.5].map(quantity => refund(town.uuid(), op, quantity)),
          { ...op, rule: { ...op.rule, trace: 'XYZ' } },
        ];
        expect(await said(...wrong)).toEqual(wrong.map(() => 'invalid'));
        expect(await town.reservedOf(user)).toBe(0);
      });
    });

    describe('a refund', () => {
      it('gives back points, part by part, and never more than what was sold', async () => {
        const { user, merchant, offer, reserve } = await stall();
        const op = reserve(5);
        await said(op, sale(town.uuid(), op, 3));
        const first = refund(town.uuid(), op, 1);
        const outcomes = (await town.commitStore.commit(
          [first, refund(town.uuid(), op, 3), first].map(one => at(SHARD, epoch, one)),
        )) as Committed[];
        expect(outcomes.map(one => one.code)).toEqual(['created', 'exceeds_refundable', 'exists']);
        expect(outcomes[0]?.postings).toEqual([
          { account: merchant, delta: -3, balance: 6, version: 2 },
          { account: user, delta: 3, balance: 54, version: 3 },
        ]);
        expect(await said(refund(town.uuid(), op, 2, { restock: true }), refund(town.uuid(), op, 1))).toEqual(
          ['created', 'exceeds_refundable'],
        );
        expect([...(await balances(user, merchant)), ...(await stockIs(offer))]).toEqual([60, 0, 9, 0]);
        expect(await redemptionView(op.id)).toMatchObject({
          state: 'confirmed',
          sold: { quantity: 3, points: 9 },
          refunded: { quantity: 3, points: 9 },
        });
      });

      it('is of a sale between these two, at its price', async () => {
        const { user, merchant, offer, reserve } = await stall();
        const [open, voided, op] = [reserve(1), reserve(1), reserve(2)];
        await said(open, voided, voidOf(voided), op, post(town.uuid(), op));
        const [thief, other] = [await person('civilian'), await stall()];
        expect(
          await said(
            refund(town.uuid(), open, 1),
            refund(town.uuid(), voided, 1),
            { ...refund(town.uuid(), op, 1), payee: thief },
            { ...refund(town.uuid(), op, 1), payer: other.merchant },
            { ...refund(town.uuid(), op, 1), redemption: town.uuid() },
            { ...refund(town.uuid(), op, 1), points: 4 },
          ),
        ).toEqual([
          'exceeds_refundable',
          'exceeds_refundable',
          'pending_not_found',
          'pending_not_found',
          'pending_not_found',
          'invalid',
        ]);
        // the points must be there
        await said(move(town.uuid(), merchant, thief, 5));
        const back = refund(town.uuid(), op, 1, { restock: true });
        expect(await said(back)).toEqual(['insufficient_points']);
        expect([...(await stockIs(offer)), ...(await balances(user))]).toEqual([8, 1, 54]);
        await said(move(town.uuid(), MINT_ACCOUNT, merchant, 50));
        expect(await said(back, refund(town.uuid(), op, 1))).toEqual(['insufficient_points', 'created']);
      });

      it('keeps the key of the command that asked for it', async () => {
        const { merchant, reserve } = await stall();
        const op = reserve(2);
        await said(op, post(town.uuid(), op));
        const idempotency = { userId: merchant, key: 'back', requestHash: 'aa' };
        const back = refund(town.uuid(), op, 1, { idempotency });
        expect(await said(back, back, refund(town.uuid(), op, 1, { idempotency }))).toEqual([
          'created',
          'exists',
          'idempotency_conflict',
        ]);
        const known = { key: 'back', reason: 'refund', encounterId: back.id, points: -3, balance: 3 };
        expect((await recordOf(merchant)).commands).toMatchObject([known]);
      });
    });

    describe('an offer', () => {
      it('is stored as it was said, version by version of one merchant', async () => {
        const [merchant, other] = [await person('merchant'), await person('merchant')];
        const id = town.uuid();
        const first = offerOf(town.uuid(), {
          ...{ id, merchant, title: 'Brot "é😀\\ {x}', description: 'NULL', kind: 'service', points: 7 },
          ...{ perUserMax: 2, opensAtMs: 1_700_000_000_123, closesAtMs: MARKET_LIMITS.timeMs },
          ...{ state: 'draft', lowStock: 4, placeId: 'p/1' },
        });
        expect(await noted(first)).toEqual(['created']);
        expect(await offerView(id)).toEqual({ offer: first.offer, onHand: 0, reserved: 0, perUser: {} });
        const next = (change: Partial<OfferRecord>) => offerOf(town.uuid(), { ...first.offer, ...change });
        const second = next({ version: 2, state: 'published', opensAtMs: 0, closesAtMs: 0 });
        expect(
          await noted(
            first,
            next({ title: 'again' }),
            next({ version: 3 }),
            next({ version: 2, merchant: other }),
            second,
            second,
          ),
        ).toEqual([
          'exists',
          'exists_with_different_payload',
          'exists_with_different_payload',
          'exists_with_different_payload',
          'created',
          'exists',
        ]);
        expect((await offerView(id))?.offer).toEqual(second.offer);
        expect(await noted(next({ id: town.uuid(), version: 2 }))).toEqual(['exists_with_different_payload']);
        expect(await offerView(town.uuid())).toBeNull();
      });

      it('that was removed has no later version, and nobody reserves of it', async () => {
        const { merchant, offer, reserve } = await stall();
        const op = reserve(1);
        await said(op);
        const next = (version: number, state: OfferRecord['state']) =>
          offerOf(town.uuid(), { id: offer, merchant, version, state });
        const removed = next(2, 'removed');
        expect(await noted(removed, removed, next(3, 'published'), next(3, 'withdrawn'))).toEqual([
          'created',
          'exists',
          'exists_with_different_payload',
          'exists_with_different_payload',
        ]);
        expect((await offerView(offer))?.offer).toEqual(removed.offer);
        expect(await said(reserve(1), post(town.uuid(), op))).toEqual(['offer_closed', 'created']);
        expect(await stockIs(offer)).toEqual([9, 0]);
      });

      it('has as much stock as its merchant says, never less than what is reserved, once for each operation', async () => {
        const { offer, reserve } = await stall({ onHand: 0 });
        const came = stockOf(town.uuid(), offer, 6, { kind: 'receipt' });
        expect(await noted(came, came, { ...came, delta: 7 }, stockOf(town.uuid(), offer, -7))).toEqual([
          'created',
          'exists',
          'exists_with_different_payload',
          'out_of_stock',
        ]);
        await said(reserve(4));
        expect(await noted(stockOf(town.uuid(), offer, -3), stockOf(town.uuid(), offer, -2))).toEqual([
          'out_of_stock',
          'created',
        ]);
        expect(await noted(stockOf(town.uuid(), town.uuid(), 1))).toEqual(['offer_closed']);
        expect(await noted(stockOf(town.uuid(), offer, MARKET_LIMITS.onHand))).toEqual(['out_of_stock']);
        expect(await stockIs(offer)).toEqual([4, 4]);
      });

      it('is noted in one transaction with timers, fenced, and found by a look-up', async () => {
        const merchant = await person('merchant');
        const id = town.uuid();
        const timer = {
          ...({
            type: 'timer',
            kind: 'user',
            name: 'sale',
            dueAtMs: 7,
            onlyDueAtMs: null,
            message: {},
          } as const),
          ...{ id: town.uuid(), actor: merchant },
        };
        const [offer, stock] = [offerOf(town.uuid(), { id, merchant }), stockOf(town.uuid(), id, 2)];
        expect(await noted(timer, offer, stock)).toEqual(['created', 'created', 'created']);
        const never = [offerOf(town.uuid(), { id, merchant, version: 2 }), stockOf(town.uuid(), id, 2)];
        const stale = await town.noteStore.commit(never.map(op => at(SHARD, epoch - 1, op)));
        expect(stale.map(one => one.code)).toEqual(['stale_epoch', 'stale_epoch']);
        const found = await town.noteStore.lookup([offer, ...never, stock, timer]);
        expect(found.map(one => one?.code ?? null)).toEqual(['exists', null, null, 'exists', 'exists']);
        expect(await stockIs(id)).toEqual([2, 0]);
      });

      it('must make sense', async () => {
        const merchant = await person('merchant');
        const id = town.uuid();
        const wrong = [
          ...[{ title: '' }, { title: 'x'.repeat(MARKET_LIMITS.titleChars + 1) }, { title: 'half \ud800' }],
          ...[{ points: 0 }, { points: 1.5 }, { version: 0 }, { perUserMax: -1 }, { opensAtMs: -1 }],
          ...[{ description: 'x'.repeat(MARKET_LIMITS.descriptionChars + 1) }, { merchant: 'me' }],
        ].map(change => offerOf(town.uuid(), { id, merchant, ...change }));
        expect(await noted(...wrong)).toEqual(wrong.map(() => 'invalid'));
        await noted(offerOf(town.uuid(), { id, merchant }));
        const changes = [
          ...[0, 0.5, 2 ** 53].map(delta => stockOf(town.uuid(), id, delta)),
          stockOf(town.uuid(), id, -1, { kind: 'receipt' }),
          stockOf(town.uuid(), id, 1, { reason: 'x'.repeat(MARKET_LIMITS.reasonChars + 1) }),
        ];
        expect(await noted(...changes)).toEqual(changes.map(() => 'invalid'));
        expect(await said(stockOf(town.uuid(), id, 1))).toEqual(['invalid']);
        expect(await stockIs(id)).toEqual([0, 0]);
      });
    });
  });
}
