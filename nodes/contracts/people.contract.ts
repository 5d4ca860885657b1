/** What every directory and query store must do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Committed, type DurableOp, MINT_ACCOUNT } from '../../actors/durable.ts';
import type { PairHistory } from '../../actors/fraud/history.ts';
import type { SettledLately, UserRecord } from '../../actors/queries.ts';
import { at, encounter, move, review, type StoreTown } from './town.ts';

export function peopleContract(name: string, open: () => Promise<StoreTown>): void {
  describe(`directory and queries: ${name}`, () => {
    let town: StoreTown;
    let epoch: number;
    let made = 0;
    beforeAll(async () => {
      town = await open();
      [epoch = 0] = await town.epochStore.mint([1], 'contract');
    });
    afterAll(() => town.close());

    const signUp = (change: object = {}) =>
      town.directory.createUser({
        kind: 'civilian',
        handle: `Person${++made}`,
        passwordHash: '$argon2id$x',
        deviceId: 'phone-1',
        zip: '10001',
        badge: null,
        ...change,
      });
    const person = async (change: object = {}): Promise<string> => {
      const result = await signUp(change);
      if (!result.ok) throw new Error(result.message);
      return result.value.userId;
    };
    const user = async (id: string) =>
      (await town.queryStore.query({ type: 'user', id })) as UserRecord | null;
    const commit = async (op: DurableOp) => (await town.commitStore.commit([at(1, epoch, op)]))[0];

    it('a person is there as a whole: credential, profile, device, empty account', async () => {
      const userId = await person({ handle: 'Kim' });
      const credential = {
        userId,
        kind: 'civilian',
        handle: 'Kim',
        passwordHash: '$argon2id$x',
        deviceId: 'phone-1',
        otherDevices: [],
      };
      expect(await town.directory.credentialByHandle('kIM')).toEqual(credential);
      expect(await town.directory.credentialById(userId)).toEqual(credential);
      expect(await town.directory.profile(userId)).toMatchObject({ userId, kind: 'civilian', zip: '10001' });
      expect(await user(userId)).toMatchObject({
        id: userId,
        kind: 'civilian',
        handle: 'Kim',
        deviceId: 'phone-1',
        deviceNumber: 1,
        balance: 0,
        balanceVersion: 0,
        encounterCount: 0,
        encounters: [],
        commands: [],
        latestKey: null,
      });
    });

    it('a handle is unique whatever its case, a badge is used once; nothing is left behind', async () => {
      await person({ handle: 'Ada' });
      expect(await signUp({ handle: 'ADA' })).toMatchObject({ ok: false, code: 409 });
      await person({ kind: 'officer', handle: 'Lee', badge: 'B-77' });
      expect(await signUp({ kind: 'officer', handle: 'Lou', badge: 'B-77' })).toMatchObject({
        ok: false,
        code: 409,
      });
      expect(await town.directory.credentialByHandle('Lou')).toBeNull();
      await person({ handle: 'Lou' });
    });

    it('two who take one handle at once: one gets it', async () => {
      const results = await Promise.all(Array.from({ length: 5 }, () => signUp({ handle: 'Race' })));
      expect(results.filter(one => one.ok)).toHaveLength(1);
    });

    it('who is not there is null', async () => {
      const id = town.uuid();
      expect(await town.directory.credentialById(id)).toBeNull();
      expect(await town.directory.credentialByHandle("x' or 1=1 --")).toBeNull();
      expect(await town.directory.profile(id)).toBeNull();
      expect(await town.directory.officer(id)).toBeNull();
      expect(await user(id)).toBeNull();
      expect(await town.queryStore.query({ type: 'userByNumber', number: 281_000_000_000_000 })).toBeNull();
      expect(await town.directory.encounters(id, 5, null)).toEqual([]);
    });

    it('a number leads to its person', async () => {
      const [a, b] = [await person(), await person()];
      const [first, second] = [await user(a), await user(b)];
      expect(first?.number).not.toBe(second?.number);
      expect(first?.number).toBeGreaterThan(0);
      expect(await town.queryStore.query({ type: 'userByNumber', number: second!.number })).toBe(b);
    });

    it('moving to another device raises its number', async () => {
      const id = await person();
      await town.directory.moveDevice(id, 'phone-2');
      expect(await user(id)).toMatchObject({ deviceId: 'phone-2', deviceNumber: 2 });
      expect(await town.directory.credentialById(id)).toMatchObject({ deviceId: 'phone-2' });
    });

    it('further devices are linked up to a number, once each, until the account moves', async () => {
      const id = await person({ kind: 'merchant' });
      const linked = await Promise.all(
        ['a', 'b', 'a', 'phone-1'].map(one => town.directory.linkDevice(id, one, 2)),
      );
      expect(linked).toEqual([true, true, true, true]);
      expect(await town.directory.linkDevice(id, 'c', 2)).toBe(false);
      expect(await town.directory.linkDevice(town.uuid(), 'c', 2)).toBe(false);
      const others = async () => (await town.directory.credentialById(id))?.otherDevices.toSorted();
      expect(await others()).toEqual(['a', 'b']);
      expect(await user(id)).toMatchObject({ deviceId: 'phone-1', deviceNumber: 1 });
      await town.directory.moveDevice(id, 'a');
      expect(await town.directory.credentialById(id)).toMatchObject({ deviceId: 'a', otherDevices: [] });
      expect(await town.directory.linkDevice(id, 'c', 2)).toBe(true);
    });

    it('only officers have a public profile: handle and number of encounters', async () => {
      const [officer, civilian] = [await person({ kind: 'officer', handle: 'Sgt' }), await person()];
      await commit(encounter(town.uuid(), officer, civilian));
      expect(await town.directory.officer(officer)).toEqual({ handle: 'Sgt', encounterCount: 1 });
      expect(await town.directory.officer(civilian)).toBeNull();
    });

    it('shows a movement with its rule, its trace and the part of everybody', async () => {
      const [officer, civilian] = [await person({ kind: 'officer' }), await person()];
      const op = encounter(town.uuid(), officer, civilian);
      const trace = '00112233445566ff';
      await commit({ ...op, rule: { ...op.rule, trace } });
      const movement = await town.directory.movement(op.id);
      expect(movement).toMatchObject({
        id: op.id,
        reason: 'encounter',
        rule: { ...op.rule, trace },
        encounter: { method: op.method, officer, civilian },
      });
      const people = movement!.postings.filter(({ kind }) => kind !== null);
      expect(people.sort((a, b) => (a.kind! < b.kind! ? -1 : 1))).toEqual([
        { account: civilian, kind: 'civilian', delta: op.civilianPoints },
        { account: officer, kind: 'officer', delta: op.officerPoints },
      ]);
      expect(await town.directory.movement(town.uuid())).toBeNull();
    });

    it('lists encounters and transactions page by page, newest first', async () => {
      const officer = await person({ kind: 'officer' });
      const civilians = await Promise.all(Array.from({ length: 20 }, () => person()));
      const ids: string[] = [];
      for (const civilian of civilians) {
        const id = town.uuid();
        await commit(encounter(id, officer, civilian));
        ids.unshift(id);
      }
      const pages: string[] = [];
      for (let before: string | null = null; ; ) {
        const page = await town.directory.encounters(officer, 7, before);
        if (page.length === 0) break;
        pages.push(...page.map(one => one.id));
        before = page.at(-1)!.id;
      }
      expect([...pages].sort()).toEqual([...ids].sort());
      const transactions = await town.directory.transactions(officer, 100, null);
      expect(transactions.map(one => one.id)).toEqual(ids);
      expect(transactions[0]).toMatchObject({
        reason: 'encounter',
        delta: 5,
        balance: 100,
        rule: 'encounter@1',
      });
      expect(await town.directory.transactions(officer, 2, ids[0]!)).toEqual(transactions.slice(1, 3));
      const record = await user(officer);
      expect(record?.encounterCount).toBe(20);
      expect(record?.encounters).toHaveLength(16);
      expect(record?.encounters).toEqual(await town.directory.encounters(officer, 16, null));
    });

    it('says when two people met between two moments', async () => {
      const officer = await person({ kind: 'officer' });
      const [civilian, other] = [await person(), await person()];
      const op = encounter(town.uuid(), officer, civilian);
      const met = (await commit(op)) as Committed;
      await commit(encounter(town.uuid(), officer, other));
      const ask = (afterMs: number, beforeMs: number, who = civilian) =>
        town.queryStore.query({ type: 'pairMet', officer, civilian: who, afterMs, beforeMs });
      expect(await ask(met.atMs - 1, met.atMs + 1)).toEqual([op.id]);
      expect(await ask(met.atMs, met.atMs + 1)).toEqual([]);
      expect(await ask(met.atMs - 1, met.atMs)).toEqual([]);
      expect(await ask(0, met.atMs * 2, town.uuid())).toEqual([]);
    });

    it.each([
      ['paid', 0, null],
      ['held', 1, null],
      ['held and released', 1, 'released'],
      ['held and rejected', 1, 'rejected'],
    ] as const)(
      'a scan that was settled late and is %s stands where it was made',
      async (_is, trust, verdict) => {
        const [officer, civilian] = [await person({ kind: 'officer' }), await person()];
        const nowMs = ((await commit(encounter(town.uuid(), officer, await person()))) as Committed).atMs;
        const scannedAtMs = nowMs - 80 * 3_600_000;
        const op = encounter(town.uuid(), officer, civilian, { method: 'qr', trust, scannedAtMs });
        const met = (await commit(op)) as Committed;
        expect(met.code).toBe(trust === 0 ? 'created' : 'held');
        if (verdict) await commit(review(op, verdict));
        // asked for again with another moment it is still the same
        expect(await commit({ ...op, scannedAtMs: scannedAtMs + 5 })).not.toMatchObject({
          code: 'exists_with_different_payload',
        });
        const ask = (afterMs: number, beforeMs: number) =>
          town.queryStore.query({ type: 'pairMet', officer, civilian, afterMs, beforeMs });
        expect(await ask(scannedAtMs - 1, scannedAtMs + 1)).toEqual([op.id]);
        expect(await ask(scannedAtMs, met.atMs + 1)).toEqual([]);
        expect(await ask(scannedAtMs - 1, scannedAtMs)).toEqual([]);
        expect(await ask(met.atMs - 1, met.atMs + 1)).toEqual([]);
      },
    );

    it.each([
      ['paid', 0],
      ['held and released', 1],
    ] as const)('a meeting that is %s names the rule by which the two stood together', async (_is, trust) => {
      const [officer, civilian] = [await person({ kind: 'officer' }), await person()];
      const metBy = { id: 'proximity.notify', version: 3 };
      const op = encounter(town.uuid(), officer, civilian, { method: 'proximity', trust, metBy });
      await commit(op);
      if (trust > 0) await commit(review(op, 'released'));
      expect((await town.directory.movement(op.id))?.encounter).toEqual({
        ...{ method: 'proximity', officer, civilian, metBy },
      });
      // offered again under the next version it is still the same
      const again = { ...op, metBy: { ...metBy, version: 4 } };
      expect(await commit(again)).toMatchObject({ code: 'exists' });
      expect((await town.directory.movement(op.id))?.encounter?.metBy).toEqual(metBy);
    });

    it('a meeting by hey or code names none', async () => {
      const [officer, civilian] = [await person({ kind: 'officer' }), await person()];
      const op = encounter(town.uuid(), officer, civilian);
      await commit(op);
      expect((await town.directory.movement(op.id))?.encounter?.metBy).toBeNull();
      const held = encounter(town.uuid(), officer, await person(), { trust: 1 });
      await commit(held);
      expect((await town.directory.hold(held.id))?.metBy).toBeNull();
    });

    it('knows how often two people met, and whom else: paid, held and rejected', async () => {
      const [officer, other] = [await person({ kind: 'officer' }), await person({ kind: 'officer' })];
      const civilians = await Promise.all(Array.from({ length: 3 }, () => person()));
      const [civilian] = civilians as [string];
      const ask = async (who: string, whom: string, max = 9) => {
        const limits = { withinMs: 600_000, pairMax: max, officerMax: max, civilianMax: max };
        const query = { type: 'pairHistory', officer: who, civilian: whom, ...limits } as const;
        return (await town.queryStore.query(query)) as PairHistory;
      };
      const nothing = { agesMs: [], officerDay: 0, civilianMet: 0, civilianOfficers: 0, knowsOfficer: false };
      expect(await ask(officer, civilian)).toEqual(nothing);
      const ops = [
        encounter(town.uuid(), officer, civilian, { cooldownS: 0 }),
        encounter(town.uuid(), officer, civilian, { cooldownS: 0, trust: 1 }),
        encounter(town.uuid(), officer, civilian, { cooldownS: 0, trust: 2 }),
        encounter(town.uuid(), officer, civilians[1]!, { trust: 4 }),
        encounter(town.uuid(), officer, civilians[2]!),
      ];
      for (const op of ops) await commit(op);
      await commit(review(ops[1]!, 'released'));
      await commit(review(ops[2]!, 'rejected'));
      const known = await ask(officer, civilian);
      expect(known).toMatchObject({ officerDay: 5, civilianMet: 3, civilianOfficers: 1, knowsOfficer: true });
      expect(known.agesMs).toHaveLength(3);
      expect(known.agesMs).toEqual([...known.agesMs].sort((a, b) => a - b));
      expect(known.agesMs.every(ageMs => ageMs >= 0 && ageMs < 600_000)).toBe(true);
      expect(await ask(officer, civilian, 2)).toMatchObject({ officerDay: 2, civilianMet: 2 });
      expect(await ask(other, civilian)).toMatchObject({ agesMs: [], officerDay: 0, knowsOfficer: false });
      await commit(encounter(town.uuid(), other, civilian));
      expect(await ask(other, civilian)).toMatchObject({
        officerDay: 1,
        civilianMet: 4,
        civilianOfficers: 2,
      });
    });

    it("an encounter that is held counts as met, is listed until it is decided, and is nobody's encounter", async () => {
      const [officer, civilian] = [await person({ kind: 'officer', handle: 'Held' }), await person()];
      const metBy = { id: 'proximity.notify', version: 3 };
      const op = encounter(town.uuid(), officer, civilian, { method: 'proximity', trust: 5, metBy });
      const held = (await commit(op)) as Committed;
      const view = {
        encounterId: op.id,
        officer: { id: officer, handle: 'Held' },
        civilian: { id: civilian, handle: expect.any(String) },
        method: 'proximity',
        atMs: held.atMs,
        officerPoints: 5,
        civilianPoints: 10,
        rule: { id: 'encounter', version: 1 },
        metBy,
        trust: 5,
        verdict: 'held',
        positions: { officer: null, civilian: null },
      };
      expect(await town.directory.hold(op.id)).toEqual(view);
      expect(await town.queryStore.query({ type: 'hold', id: op.id })).toEqual(view);
      expect(await town.queryStore.query({ type: 'hold', id: town.uuid() })).toBeNull();
      const waiting = async () =>
        (await town.directory.holds(1_000)).filter(one => one.encounterId === op.id);
      expect(await waiting()).toEqual([view]);
      const met = {
        type: 'pairMet',
        officer,
        civilian,
        afterMs: held.atMs - 1,
        beforeMs: held.atMs + 1,
      } as const;
      expect(await town.queryStore.query(met)).toEqual([op.id]);
      expect(await town.directory.encounters(civilian, 5, null)).toEqual([]);
      expect(await user(civilian)).toMatchObject({ encounterCount: 0, balanceVersion: 0 });
      const { directory } = town;
      for (const [id, who, opinion] of [
        [op.id, civilian, 'proxy'],
        [op.id, civilian, 'fits'],
        [op.id, town.uuid(), 'far'],
        [town.uuid(), officer, 'far'],
      ] as const)
        await directory.noteOpinion(id, who, opinion);
      expect(await waiting()).toEqual([{ ...view, positions: { officer: null, civilian: 'proxy' } }]);
      await directory.noteOpinion(op.id, officer, 'unknown');
      expect(await directory.hold(op.id)).toMatchObject({
        positions: { officer: 'unknown', civilian: 'proxy' },
      });
      await commit(review(op, 'released'));
      expect(await waiting()).toEqual([]);
      expect(await town.directory.hold(op.id)).toMatchObject({ verdict: 'released' });
      expect(await town.queryStore.query(met)).toHaveLength(1);
      expect(await town.directory.encounters(civilian, 5, null)).toMatchObject([{ id: op.id, points: 10 }]);
      expect(await user(civilian)).toMatchObject({ encounterCount: 1, balance: 10, balanceVersion: 1 });
    });

    it('tells what was held and rejected lately', async () => {
      const [officer, civilian] = [await person({ kind: 'officer', handle: 'Wary' }), await person()];
      const [epochOf = 0] = await town.epochStore.mint([23], 'contract');
      const op = encounter(town.uuid(), officer, civilian, { trust: 1 });
      const by = (one: DurableOp) => town.commitStore.commit([at(23, epochOf, one)]);
      const lately = async () =>
        (await town.queryStore.query({
          type: 'settledLately',
          shards: [23],
          withinMs: 600_000,
          limit: 10,
        })) as SettledLately[];
      const [held] = (await by(op)) as [Committed];
      const none = { delta: 0, balance: 0, version: 0 };
      const sides = [
        { account: civilian, handle: expect.any(String), ...none },
        { account: officer, handle: 'Wary', ...none },
      ];
      expect(await lately()).toEqual([
        { id: op.id, reason: 'held', method: 'hey', atMs: held.atMs, sides: expect.arrayContaining(sides) },
      ]);
      await by(review(op, 'rejected'));
      expect(await lately()).toMatchObject([{ id: op.id, reason: 'rejected' }]);
      const other = encounter(town.uuid(), officer, await person(), { trust: 1 });
      await by(other);
      await by(review(other, 'released'));
      expect((await lately()).filter(one => one.id === other.id)).toMatchObject([{ reason: 'encounter' }]);
    });

    it('tells what actors of some shards settled lately, with everybody whom it concerns', async () => {
      const [officer, civilian] = [await person({ kind: 'officer', handle: 'Late' }), await person()];
      const [mine = 0, theirs = 0] = await town.epochStore.mint([21, 22], 'contract');
      const met = encounter(town.uuid(), officer, civilian);
      const gift = { ...move(town.uuid(), civilian, officer, 3), reason: 'give' };
      const elsewhere = move(town.uuid(), civilian, officer, 1);
      const outcomes = await town.commitStore.commit([
        at(21, mine, met),
        at(21, mine, gift),
        at(22, theirs, elsewhere),
      ]);
      const ask = async (shards: number[], withinMs = 600_000, limit = 100) => {
        const query = { type: 'settledLately', shards, withinMs, limit } as const;
        return (await town.queryStore.query(query)) as SettledLately[];
      };
      const found = await ask([21, 20]);
      expect(found.map(one => one.id).sort()).toEqual([met.id, gift.id].sort());
      expect(found.find(one => one.id === met.id)).toEqual({
        id: met.id,
        reason: 'encounter',
        method: 'hey',
        atMs: (outcomes[0] as Committed).atMs,
        sides: expect.arrayContaining([
          { account: officer, handle: 'Late', delta: 5, balance: 5, version: 1 },
          { account: civilian, handle: expect.any(String), delta: 10, balance: 10, version: 1 },
        ]),
      });
      expect(found.find(one => one.id === gift.id)).toMatchObject({
        reason: 'give',
        method: null,
        sides: [
          { account: civilian, delta: -3, balance: 7, version: 2 },
          { account: officer, delta: 3, balance: 8, version: 2 },
        ],
      });
      expect(await ask([22])).toMatchObject([{ id: elsewhere.id }]);
      expect(await ask([21, 22], 600_000, 1)).toHaveLength(1);
      expect(await ask([])).toEqual([]);
      expect(await ask([21, 22], 0)).toEqual([]);
    });

    it('many who wake at once each get their own record', async () => {
      const ids = await Promise.all(Array.from({ length: 30 }, () => person()));
      for (const [i, id] of ids.entries()) await commit(move(town.uuid(), MINT_ACCOUNT, id, i + 1));
      const records = await Promise.all([...ids, town.uuid(), ids[0]!].map(user));
      expect(records.slice(0, 30).map(one => one?.balance)).toEqual(ids.map((_, i) => i + 1));
      expect(records[30]).toBeNull();
      // ages go on
      const aged = expect.objectContaining({ movements: [expect.objectContaining({ balance: 1 })] });
      expect(records[31]).toEqual({ ...records[0], stream: aged });
    });
  });
}
