/** What every store of the catalogue, of fees and of accounts must do, and what the actor who gives reads of it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Leg, MINT_ACCOUNT } from '../../actors/durable.ts';
import type { FeeView, GivingView } from '../../actors/queries.ts';
import type { AccountKind } from '../../protocol/catalogue.ts';
import { ERROR } from '../../protocol/errors.ts';
import { type CatalogGiven, feePaymentId } from '../givingPort.ts';
import { at, type StoreTown, transfer } from './town.ts';

export function givingContract(name: string, open: () => Promise<StoreTown>): void {
  describe(`giving: ${name}`, () => {
    let town: StoreTown;
    let epoch: number;
    let made = 0;
    beforeAll(async () => {
      town = await open();
      [epoch = 0] = await town.epochStore.mint([1], 'contract');
    });
    afterAll(() => town.close());

    const person = async (kind: AccountKind, handle = `somebody-${++made}`): Promise<string> => {
      const user = { kind, handle, passwordHash: 'x', deviceId: 'd', zip: null, badge: null };
      const result = await town.directory.createUser(user);
      if (!result.ok) throw new Error(result.message);
      return result.value.userId;
    };
    const given = (change: Partial<CatalogGiven> = {}): CatalogGiven => ({
      id: town.uuid(),
      kind: 'charity',
      name: 'Soup Kitchen',
      registration: null,
      account: null,
      zip: '10001',
      ...change,
    });
    const post = async (legs: readonly Leg[], change: object = {}, id = town.uuid()) => {
      const [outcome] = await town.commitStore.commit([at(1, epoch, transfer(id, legs, change))]);
      return outcome!;
    };
    const rich = async (kind: AccountKind): Promise<string> => {
      const id = await person(kind);
      await post([
        { account: MINT_ACCOUNT, delta: -1_000 },
        { account: id, delta: 1_000 },
      ]);
      return id;
    };
    const store = () => town.givingStore;
    const asked = async (from: string, to: readonly string[]) =>
      (await town.queryStore.query({ type: 'giving', from, to, reason: 'giveaway' })) as GivingView;
    const feeFor = async (id: string, payer: string) =>
      (await town.queryStore.query({ type: 'fee', id, payer })) as FeeView | null;

    it('an entry is listed, verified, suspended; only a verified one lets its account receive', async () => {
      const account = await person('charity');
      const verified = async () => (await asked(account, [account])).parties[0]!.verified;
      const entry = given({ account });
      expect(await store().putEntry(entry)).toMatchObject({
        ok: true,
        value: { ...entry, status: 'listed', version: 1 },
      });
      expect(await verified()).toBe(false);
      expect(await store().judgeEntry('charity', entry.id, 'verified')).toMatchObject({
        value: { status: 'verified', version: 2 },
      });
      expect(await verified()).toBe(true);
      expect(await store().judgeEntry('charity', entry.id, 'verified')).toMatchObject({
        value: { version: 2 },
      });
      expect(await store().judgeEntry('charity', entry.id, 'suspended')).toMatchObject({
        value: { version: 3 },
      });
      expect(await verified()).toBe(false);
      expect(await store().entry('charity', entry.id)).toMatchObject({ status: 'suspended' });
      expect(await store().entry('family', entry.id)).toBeNull();
    });

    it('another name stays verified, another account or registration is looked at again', async () => {
      const [one, two] = [await person('family'), await person('family')];
      const entry = given({ kind: 'family', account: one });
      await store().putEntry(entry);
      await store().judgeEntry('family', entry.id, 'verified');
      expect(await store().putEntry({ ...entry, name: 'The Smiths' })).toMatchObject({
        value: { status: 'verified', name: 'The Smiths' },
      });
      expect(await store().putEntry({ ...entry, account: two })).toMatchObject({
        value: { status: 'listed' },
      });
    });

    it('what does not fit is refused: no account, one of another kind, one twice, a registration twice', async () => {
      const account = await person('charity');
      const family = await person('family');
      const wrong = await store().putEntry(given({ account: family }));
      expect(wrong).toMatchObject({ ok: false, code: ERROR.invalid });
      expect(await store().putEntry(given({ account: town.uuid() }))).toMatchObject({ code: ERROR.invalid });
      const entry = given({ account, registration: '12-3456789' });
      await store().putEntry(entry);
      expect(await store().putEntry(given({ account }))).toMatchObject({ code: ERROR.conflict });
      expect(await store().putEntry(given({ registration: '12-3456789' }))).toMatchObject({
        code: ERROR.conflict,
      });
      expect(await store().putEntry({ ...entry, kind: 'family', account: family })).toMatchObject({
        code: ERROR.conflict,
      });
      const empty = given();
      await store().putEntry(empty);
      expect(await store().judgeEntry('charity', empty.id, 'verified')).toMatchObject({
        code: ERROR.conflict,
      });
      expect(await store().judgeEntry('charity', town.uuid(), 'verified')).toMatchObject({
        code: ERROR.notFound,
      });
    });

    it('entries are listed by id, all or the verified ones', async () => {
      const filter = { verifiedOnly: true, after: null, limit: 100 };
      const before = await store().entries('charity', filter);
      const entry = given({ account: await person('charity') });
      await store().putEntry(entry);
      expect(await store().entries('charity', filter)).toEqual(before);
      await store().judgeEntry('charity', entry.id, 'verified');
      const verified = await store().entries('charity', filter);
      expect(verified.map(one => one.id).sort()).toEqual([...before.map(one => one.id), entry.id].sort());
      const all = await store().entries('charity', { ...filter, verifiedOnly: false });
      expect(all.map(one => one.id)).toEqual(all.map(one => one.id).sort());
      const after = await store().entries('charity', { verifiedOnly: false, after: all[0]!.id, limit: 1 });
      expect(after).toEqual([all[1]]);
    });

    it('who gives reads who they are, whether they are closed, and what was given to officers lately', async () => {
      const officer = await rich('officer');
      const [other, closed] = [await person('officer'), await person('charity')];
      await store().closeAccount(closed, true);
      const gift = await post(
        [
          { account: officer, delta: -30 },
          { account: other, delta: 30 },
        ],
        { reason: 'giveaway' },
      );
      await post([
        { account: officer, delta: -5 },
        { account: other, delta: 5 },
      ]);
      const { parties, given: lately } = await asked(officer, [other, closed, town.uuid()]);
      const seen = new Map(parties.map(one => [one.id, one]));
      expect(seen.size).toBe(2);
      expect(seen.get(other)).toEqual({ id: other, kind: 'officer', verified: false, closed: false });
      expect(seen.get(closed)).toEqual({ id: closed, kind: 'charity', verified: false, closed: true });
      expect(lately).toEqual([{ id: gift.id, points: 30 }]);
      expect((await asked(other, [])).given).toEqual([]);
    });

    it('what a rule limits is read: what somebody earned today, and who got something of him lately', async () => {
      const [officer, other, third] = [
        await rich('officer'),
        await person('officer'),
        await person('officer'),
      ];
      const from = (account: string, delta: number) => [
        { account: MINT_ACCOUNT, delta: -delta },
        { account, delta },
      ];
      const promotion = await post(from(officer, 7), { reason: 'promotion' });
      const gift = await post(
        [
          { account: officer, delta: -5 },
          { account: other, delta: 3 },
          { account: third, delta: 2 },
        ],
        { reason: 'giveaway' },
      );
      // neither what was granted otherwise, nor what was given away
      expect(await town.queryStore.query({ type: 'earned', account: officer })).toEqual([
        { id: promotion.id, reason: 'promotion', points: 7 },
      ]);
      expect(await town.queryStore.query({ type: 'earned', account: other })).toEqual([]);
      const lately = (reason: string, to: readonly string[], withinMs = 3_600_000) =>
        town.queryStore.query({ type: 'lastGiven', from: officer, to, reason, withinMs });
      expect(await lately('giveaway', [third])).toEqual([{ id: gift.id, to: third }]);
      expect(await lately('giveaway', [officer, town.uuid()])).toEqual([]);
      expect(await lately('donation', [third])).toEqual([]);
      expect(await town.queryStore.query({ type: 'timers', kind: 'budget', id: 'none' })).toEqual([]);
    });

    it('a fine is one person’s and paid once; a fee is everybody’s, and paid once by each', async () => {
      const municipality = await person('municipality');
      const [ana, ben] = [await rich('civilian'), await rich('civilian')];
      const handle = (await town.directory.profile(ana))!.handle;
      const new_ = (kind: 'fine' | 'fee') => ({
        id: town.uuid(),
        kind,
        municipality,
        title: 'Parking',
        points: 40,
        handle: kind === 'fine' ? handle.toUpperCase() : null,
      });
      const [fine, fee] = [new_('fine'), new_('fee')];
      const view = {
        kind: 'fine',
        municipality,
        title: 'Parking',
        points: 40,
        paid: false,
        withdrawn: false,
      };
      expect(await store().publishFee(fine)).toMatchObject({ ok: true, value: { id: fine.id, ...view } });
      expect(await store().publishFee(fine)).toMatchObject({ ok: true, value: { id: fine.id } });
      expect(await store().publishFee({ ...fine, points: 41 })).toMatchObject({ code: ERROR.conflict });
      expect(await store().publishFee({ ...new_('fine'), handle: 'nobody-here' })).toMatchObject({
        code: ERROR.notFound,
      });
      await store().publishFee(fee);
      expect(await feeFor(fine.id, ben)).toBeNull();
      expect(await feeFor(fine.id, ana)).toMatchObject(view);
      expect((await store().feesFor(ana, 10, null)).map(one => one.id)).toEqual([fee.id, fine.id]);
      expect((await store().feesFor(ana, 10, fee.id)).map(one => one.id)).toEqual([fine.id]);
      expect((await store().feesFor(ben, 10, null)).map(one => one.id)).toEqual([fee.id]);

      const pay = (of: { id: string; kind: 'fine' | 'fee' }, payer: string) =>
        post(
          [
            { account: payer, delta: -40 },
            { account: municipality, delta: 40 },
          ],
          { reason: 'fee' },
          feePaymentId(of, payer),
        );
      expect((await pay(fee, ana)).code).toBe('created');
      expect(await feeFor(fee.id, ana)).toMatchObject({ paid: true });
      expect(await feeFor(fee.id, ben)).toMatchObject({ paid: false });
      expect((await pay(fine, ana)).code).toBe('created');
      expect((await pay(fine, ben)).code).toBe('exists_with_different_payload');
      expect(await store().feesOf(municipality, 10, null)).toMatchObject([
        { id: fee.id, paid: false },
        { id: fine.id, paid: true },
      ]);
      expect(await store().withdrawFee(fine.id, municipality)).toMatchObject({ code: ERROR.conflict });
      expect(await store().withdrawFee(fee.id, ana)).toMatchObject({ code: ERROR.notFound });
      expect(await store().withdrawFee(fee.id, municipality)).toMatchObject({ value: { withdrawn: true } });
      expect(await store().feesFor(ben, 10, null)).toEqual([]);
    });

    it('a payment that was refused does not close the fine', async () => {
      const municipality = await person('municipality');
      const ana = await rich('civilian');
      const fine = { id: town.uuid(), kind: 'fine' } as const;
      const pay = () =>
        post(
          [
            { account: ana, delta: -40 },
            { account: municipality, delta: 40 },
          ],
          { reason: 'fee' },
          feePaymentId(fine, ana),
        );
      await store().limitAccount(ana, 39, null);
      expect((await pay()).code).toBe('limit_exceeded');
      await store().limitAccount(ana, null, null);
      expect((await pay()).code).toBe('created');
    });

    it('operators limit an account, close it and open it again', async () => {
      const id = await rich('civilian');
      const other = await person('charity');
      const pay = async (points: number) =>
        (
          await post([
            { account: id, delta: -points },
            { account: other, delta: points },
          ])
        ).code;
      expect(await store().account(id)).toEqual({
        id,
        balance: 1_000,
        reserved: 0,
        closed: false,
        entryMax: null,
        dayMax: null,
      });
      expect(await store().limitAccount(id, 50, 80)).toMatchObject({ entryMax: 50, dayMax: 80 });
      expect([await pay(51), await pay(50), await pay(31), await pay(30)]).toEqual([
        'limit_exceeded',
        'created',
        'limit_exceeded',
        'created',
      ]);
      expect(await store().limitAccount(id, null, null)).toMatchObject({ entryMax: null, dayMax: null });
      expect(await store().closeAccount(id, true)).toMatchObject({ closed: true, balance: 920 });
      expect(await pay(1)).toBe('account_closed');
      expect(await store().closeAccount(id, false)).toMatchObject({ closed: false });
      expect(await pay(1)).toBe('created');
      for (const nothing of [
        store().account(town.uuid()),
        store().limitAccount(town.uuid(), 1, 1),
        store().closeAccount(town.uuid(), true),
      ])
        expect(await nothing).toBeNull();
    });

    it('an entry of the ledger is read with all its parties', async () => {
      const ana = await rich('civilian');
      const [one, two] = [await person('charity'), await person('family')];
      const { id } = await post(
        [
          { account: ana, delta: -30 },
          { account: one, delta: 10 },
          { account: two, delta: 20 },
        ],
        { rule: { id: 'donation', version: 2 } },
      );
      expect(await store().movement(id)).toMatchObject({
        transferId: id,
        reason: 'donation',
        rule: { id: 'donation', version: 2 },
        parties: [
          { userId: ana, points: -30 },
          { userId: one, points: 10 },
          { userId: two, points: 20 },
        ],
      });
      expect(await store().movement(town.uuid())).toBeNull();
    });
  });
}
