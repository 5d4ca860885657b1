/** What every commit store must do. Run against memory and PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Committed, type DurableOp, EXPIRED_ACCOUNT, MINT_ACCOUNT } from '../../actors/durable.ts';
import type { EntryView, UnspentView, UserRecord } from '../../actors/queries.ts';
import { type Lot, unspentLots } from '../../actors/user/lots.ts';
import type { EntryOutcome } from '../ports.ts';
import { at, encounter, move, pending, post, review, type StoreTown, transfer, voidOf } from './town.ts';

const SHARD = 7;

export function commitStoreContract(name: string, open: () => Promise<StoreTown>): void {
  describe(`commit store: ${name}`, () => {
    let town: StoreTown;
    let epoch: number;

    beforeAll(async () => {
      town = await open();
      [epoch = 0] = await town.epochStore.mint([SHARD], 'contract');
    });
    afterAll(() => town.close());

    const commit = (...ops: DurableOp[]): Promise<EntryOutcome[]> =>
      town.commitStore.commit(ops.map(op => at(SHARD, epoch, op)));
    const codes = async (...ops: DurableOp[]): Promise<string[]> =>
      (await commit(...ops)).map(one => one.code);
    const person = async (kind: 'officer' | 'civilian', points = 0): Promise<string> => {
      const id = town.uuid();
      const made = await town.directory.createUser({
        kind,
        handle: `h-${id}`,
        passwordHash: 'x',
        deviceId: 'd',
        zip: null,
        badge: null,
      });
      if (!made.ok) throw new Error(made.message);
      const { userId } = made.value;
      if (points > 0) await commit(move(town.uuid(), MINT_ACCOUNT, userId, points));
      return userId;
    };
    const balanceOf = async (id: string): Promise<number> =>
      ((await town.queryStore.query({ type: 'user', id })) as { balance: number }).balance;

    it('gives both their points, once, with balances and versions after it', async () => {
      const [officer, civilian] = [await person('officer'), await person('civilian')];
      const id = town.uuid();
      const [outcome] = (await commit(encounter(id, officer, civilian))) as [Committed];
      expect(outcome).toMatchObject({ id, code: 'created' });
      expect(outcome.atMs).toBeGreaterThan(0);
      expect([...outcome.postings].sort((a, b) => a.delta - b.delta)).toEqual([
        { account: officer, delta: 5, balance: 5, version: 1 },
        { account: civilian, delta: 10, balance: 10, version: 1 },
      ]);
      expect(await balanceOf(civilian)).toBe(10);
    });

    it('answers a repeat with the first effect, also when balances moved on', async () => {
      const [officer, civilian] = [await person('officer'), await person('civilian')];
      const op = encounter(town.uuid(), officer, civilian);
      const [first] = (await commit(op)) as [Committed];
      await commit(move(town.uuid(), MINT_ACCOUNT, civilian, 100));
      const [again] = (await commit(op)) as [Committed];
      expect(again).toEqual({ ...first, code: 'exists' });
      expect(await balanceOf(civilian)).toBe(110);
    });

    it('tells a repeat with another payload, and shows nothing of the first', async () => {
      const [officer, civilian] = [await person('officer'), await person('civilian')];
      const op = encounter(town.uuid(), officer, civilian);
      await commit(op);
      const [other] = (await commit({ ...op, method: 'qr', civilianPoints: 99 })) as [Committed];
      expect(other).toEqual({ id: op.id, code: 'exists_with_different_payload', atMs: 0, postings: [] });
      expect(await balanceOf(civilian)).toBe(10);
    });

    it('lets a pair meet once per cooldown, by the clock of the store', async () => {
      const [officer, civilian] = [await person('officer'), await person('civilian')];
      const other = await person('civilian');
      expect(await codes(encounter(town.uuid(), officer, civilian))).toEqual(['created']);
      expect(await codes(encounter(town.uuid(), officer, civilian))).toEqual(['cooldown']);
      expect(await codes(encounter(town.uuid(), officer, other))).toEqual(['created']);
      await town.endCooldown(officer, civilian);
      expect(await codes(encounter(town.uuid(), officer, civilian))).toEqual(['created']);
      expect(await balanceOf(officer)).toBe(15);
    });

    it('decides several meetings of one pair in one group in order', async () => {
      const [officer, civilian] = [await person('officer'), await person('civilian')];
      const first = encounter(town.uuid(), officer, civilian);
      const second = encounter(town.uuid(), officer, civilian);
      expect(await codes(first, second, first, second)).toEqual([
        'created',
        'cooldown',
        'exists',
        'cooldown',
      ]);
      expect(await balanceOf(civilian)).toBe(10);
    });

    it('a meeting that is refused does not start a cooldown', async () => {
      const officer = await person('officer');
      const [gone, civilian] = [await person('civilian'), await person('civilian')];
      await town.closeAccount(gone);
      expect(await codes(encounter(town.uuid(), officer, gone))).toEqual(['account_closed']);
      expect(await codes(encounter(town.uuid(), officer, town.uuid()))).toEqual(['account_unknown']);
      const stale = await town.commitStore.commit([
        at(SHARD, epoch - 1, encounter(town.uuid(), officer, civilian)),
      ]);
      expect(stale[0]?.code).toBe('stale_epoch');
      expect(await codes(encounter(town.uuid(), officer, civilian))).toEqual(['created']);
    });

    it('keeps an idempotency key with its effect', async () => {
      const [officer, civilian, third] = [
        await person('officer'),
        await person('civilian'),
        await person('civilian'),
      ];
      const idempotency = { userId: officer, key: 'k "1" \\ null', requestHash: 'aa' };
      const op = encounter(town.uuid(), officer, civilian, { idempotency });
      expect(await codes(op)).toEqual(['created']);
      expect(await codes(op)).toEqual(['exists']);
      const otherBody = { ...op, idempotency: { ...idempotency, requestHash: 'bb' } };
      expect(await codes(otherBody)).toEqual(['idempotency_conflict']);
      const otherEffect = encounter(town.uuid(), officer, third, { idempotency });
      expect(await codes(otherEffect)).toEqual(['idempotency_conflict']);
      const sameWordOfAnother = encounter(town.uuid(), officer, third, {
        idempotency: { ...idempotency, userId: third },
      });
      expect(await codes(sameWordOfAnother)).toEqual(['created']);
      const record = (await town.queryStore.query({ type: 'user', id: officer })) as { commands: unknown };
      expect(record.commands).toEqual([
        {
          key: idempotency.key,
          requestHash: 'aa',
          reason: 'encounter',
          encounterId: op.id,
          points: 5,
          balance: 5,
        },
      ]);
    });

    it('decides an idempotency key that is used twice in one group in order', async () => {
      const [officer, a, b] = [await person('officer'), await person('civilian'), await person('civilian')];
      const idempotency = { userId: officer, key: 'twice', requestHash: 'aa' };
      const ops = [a, b].map(civilian => encounter(town.uuid(), officer, civilian, { idempotency }));
      expect(await codes(...ops)).toEqual(['created', 'idempotency_conflict']);
    });

    it('both people of a meeting may ask for it, each with a key', async () => {
      const [officer, civilian] = [await person('officer'), await person('civilian')];
      const op = encounter(town.uuid(), officer, civilian);
      const by = (userId: string) => ({ ...op, idempotency: { userId, key: 'mine', requestHash: userId } });
      expect(await codes(by(officer), by(civilian))).toEqual(['created', 'exists']);
      const record = (await town.queryStore.query({ type: 'user', id: civilian })) as { commands: unknown };
      expect(record.commands).toMatchObject([{ key: 'mine', encounterId: op.id, points: 10, balance: 10 }]);
    });

    it('nothing with a stale epoch is applied, the rest of its group is', async () => {
      const [a, b] = [await person('civilian', 50), await person('civilian')];
      const [other = 0] = await town.epochStore.mint([SHARD + 1], 'contract');
      const [newer = 0] = await town.epochStore.mint([SHARD + 1], 'someone else');
      expect(newer).toBeGreaterThan(other);
      const outcomes = await town.commitStore.commit([
        at(SHARD + 1, other, move(town.uuid(), a, b, 1)),
        at(SHARD, epoch, move(town.uuid(), a, b, 2)),
        at(SHARD + 1, newer, move(town.uuid(), a, b, 4)),
        at(SHARD, epoch + 1, move(town.uuid(), a, b, 8)),
      ]);
      expect(outcomes.map(one => one.code)).toEqual(['stale_epoch', 'created', 'created', 'stale_epoch']);
      expect(await balanceOf(b)).toBe(6);
    });

    it('lets no limited account go below zero, and the others of the group pass', async () => {
      const [a, b] = [await person('civilian', 10), await person('civilian')];
      const group = [6, 6, 4, 1].map(points => move(town.uuid(), a, b, points));
      expect(await codes(...group)).toEqual([
        'created',
        'insufficient_points',
        'created',
        'insufficient_points',
      ]);
      // what b got within a group can be spent by a later entry of it
      expect(await codes(move(town.uuid(), b, a, 10), move(town.uuid(), a, b, 10))).toEqual([
        'created',
        'created',
      ]);
    });

    it('takes a refused entry back as a whole', async () => {
      const [a, b, poor] = [await person('civilian', 10), await person('civilian'), await person('civilian')];
      const legs = [
        { account: a, delta: -3 },
        { account: b, delta: 5 },
        { account: poor, delta: -2 },
      ];
      const outcomes = (await commit(
        transfer(town.uuid(), legs),
        move(town.uuid(), a, b, 10),
      )) as Committed[];
      expect(outcomes.map(one => one.code)).toEqual(['insufficient_points', 'created']);
      expect(outcomes[1]?.postings).toEqual([
        { account: a, delta: -10, balance: 0, version: 2 },
        { account: b, delta: 10, balance: 10, version: 1 },
      ]);
    });

    it('runs balances and versions through a hot account in order', async () => {
      const hot = await person('civilian');
      const payers = await Promise.all(Array.from({ length: 20 }, () => person('civilian', 5)));
      const outcomes = (await commit(
        ...payers.map((payer, i) => move(town.uuid(), payer, hot, 1 + (i % 3))),
      )) as Committed[];
      let balance = 0;
      outcomes.forEach((one, i) => {
        balance += 1 + (i % 3);
        expect(one.postings[1]).toEqual({ account: hot, delta: 1 + (i % 3), balance, version: i + 1 });
      });
    });

    it('refuses what makes no sense, and nothing else of the group', async () => {
      const [a, b] = [await person('civilian', 10), await person('officer')];
      const wrong: DurableOp[] = [
        transfer(town.uuid(), [{ account: a, delta: -1 }]),
        transfer(town.uuid(), [
          { account: a, delta: -1 },
          { account: b, delta: 2 },
        ]),
        move(town.uuid(), a, a, 1),
        move(town.uuid(), a, b, 0.5),
        move(town.uuid(), a, b, 0),
        move('not an id', a, b, 1),
        encounter(town.uuid(), b, b),
        encounter(town.uuid(), b, a, { civilianPoints: -5 }),
        encounter(town.uuid(), b, a, { cell: 'x\0y' }),
      ];
      const outcomes = await codes(...wrong, move(town.uuid(), a, b, 1));
      expect(outcomes).toEqual([...wrong.map(() => 'invalid'), 'created']);
      expect(await codes(wrong[0]!)).toEqual(['invalid']);
    });

    it('an encounter asked for again from another place under a newer rule is the same', async () => {
      const [officer, civilian] = [await person('officer'), await person('civilian')];
      const op = encounter(town.uuid(), officer, civilian);
      const again = { ...op, cell: 'dr5rv', rule: { id: 'encounter', version: 2 }, civilianPoints: 50 };
      expect(await codes(op, again)).toEqual(['created', 'exists']);
      expect(await balanceOf(civilian)).toBe(10);
    });

    it('keeps any text as it is', async () => {
      const [a, b] = [await person('civilian', 10), await person('civilian')];
      const [officer, civilian] = [await person('officer'), await person('civilian')];
      for (const text of ['', 'NULL', '{a,b}', 'qu"ote', 'back\\slash', ' space ', 'é😀']) {
        const idempotency = { userId: a, key: text, requestHash: text };
        const op = { ...move(town.uuid(), a, b, 1), reason: text, idempotency };
        expect(await codes(op)).toEqual(['created']);
        expect(await codes(op)).toEqual(['exists']);
        expect(await codes({ ...op, reason: `${text}!` })).toEqual(['exists_with_different_payload']);
        expect(await codes({ ...op, id: town.uuid() })).toEqual(['idempotency_conflict']);
        const met = encounter(town.uuid(), officer, civilian, { cell: text, cooldownS: 0 });
        expect(await codes(met)).toEqual(['created']);
      }
    });

    it('looks effects up by id', async () => {
      const [officer, civilian] = [await person('officer'), await person('civilian')];
      const op = encounter(town.uuid(), officer, civilian);
      const absent = encounter(town.uuid(), officer, civilian);
      const [first] = (await commit(op)) as [Committed];
      expect(await town.commitStore.lookup([absent, op, { ...op, method: 'qr' }])).toEqual([
        null,
        { ...first, code: 'exists' },
        { id: op.id, code: 'exists_with_different_payload', atMs: 0, postings: [] },
      ]);
    });

    describe('an encounter that something speaks against', () => {
      const held = async (change: object = {}) => {
        const [officer, civilian] = [await person('officer'), await person('civilian')];
        return encounter(town.uuid(), officer, civilian, { trust: 5, ...change });
      };

      it('is held: nothing moves, the cooldown counts, a repeat finds it', async () => {
        const op = await held();
        const [first] = (await commit(op)) as [Committed];
        expect(first).toMatchObject({ id: op.id, code: 'held', postings: [] });
        expect(first.atMs).toBeGreaterThan(0);
        expect([await balanceOf(op.officer), await balanceOf(op.civilian)]).toEqual([0, 0]);
        expect(await codes(encounter(town.uuid(), op.officer, op.civilian))).toEqual(['cooldown']);
        // judged anew, nothing may speak against it any more: it stays what it was
        expect(await codes(op, { ...op, trust: 0 }, { ...op, trust: 256 })).toEqual(['held', 'held', 'held']);
        expect(await codes({ ...op, method: 'qr' })).toEqual(['exists_with_different_payload']);
        expect(await balanceOf(op.civilian)).toBe(0);
      });

      it('is released once: the points are posted as the encounter that it is', async () => {
        const op = await held();
        await commit(op);
        const [released] = (await commit(review(op, 'released'))) as [Committed];
        expect(released).toMatchObject({ id: op.id, code: 'created' });
        expect([...released.postings].sort((a, b) => a.delta - b.delta)).toEqual([
          { account: op.officer, delta: 5, balance: 5, version: 1 },
          { account: op.civilian, delta: 10, balance: 10, version: 1 },
        ]);
        const again = await commit(
          review(op, 'released'),
          op,
          review(op, 'rejected'),
          review(op, 'released'),
        );
        expect(again.map(one => one.code)).toEqual(['exists', 'exists', 'not_held', 'exists']);
        expect((again[0] as Committed).postings).toEqual(released.postings);
        expect(await balanceOf(op.civilian)).toBe(10);
      });

      it('is rejected for good, and stays without points', async () => {
        const op = await held();
        await commit(op);
        expect(await codes(review(op, 'rejected'), review(op, 'rejected'))).toEqual(['rejected', 'rejected']);
        expect(await codes(review(op, 'released'), op)).toEqual(['not_held', 'rejected']);
        expect(await codes(encounter(town.uuid(), op.officer, op.civilian))).toEqual(['cooldown']);
        expect([await balanceOf(op.officer), await balanceOf(op.civilian)]).toEqual([0, 0]);
      });

      it('is decided in order within one group', async () => {
        const [a, b] = [await held(), await held()];
        expect(await codes(a, review(a, 'released'), review(a, 'rejected'), a)).toEqual([
          'held',
          'created',
          'not_held',
          'exists',
        ]);
        expect(await codes(b, review(b, 'rejected'), review(b, 'released'), b)).toEqual([
          'held',
          'rejected',
          'not_held',
          'rejected',
        ]);
      });

      it('no review makes an encounter of one that is none, is of others, or was paid', async () => {
        const [op, paid] = [await held(), await held({ trust: 0 })];
        expect(await codes(review(op, 'released'), review(op, 'rejected'))).toEqual(['not_held', 'not_held']);
        expect(await codes(op, paid)).toEqual(['held', 'created']);
        expect(await codes(review(paid, 'rejected'), review(paid, 'released'))).toEqual([
          'not_held',
          'exists',
        ]);
        const ofOthers = { ...review(op, 'released'), civilian: await person('civilian') };
        expect(await codes(ofOthers, { ...ofOthers, verdict: 'rejected' })).toEqual(['not_held', 'not_held']);
        expect(await codes(review(op, 'released'))).toEqual(['created']);
      });

      it('its id is taken, held or rejected: no transfer gets it, and the review still does', async () => {
        const [a, b] = [await held(), await held()];
        const taken = 'exists_with_different_payload';
        const gift = (op: DurableOp) => move(op.id, MINT_ACCOUNT, a.civilian, 3);
        expect(await codes(a, gift(a), b, review(b, 'rejected'))).toEqual([
          'held',
          taken,
          'held',
          'rejected',
        ]);
        expect(await codes(gift(a), gift(b))).toEqual([taken, taken]);
        const found = await town.commitStore.lookup([gift(a), gift(b)]);
        expect(found.map(one => one?.code)).toEqual([taken, taken]);
        expect(await codes(review(a, 'released'), gift(a), review(b, 'rejected'))).toEqual([
          'created',
          taken,
          'rejected',
        ]);
        expect(await balanceOf(a.civilian)).toBe(10);
      });

      it('who asks for its id with another payload sees nothing of what comes later in the group', async () => {
        const op = await held();
        await commit(op);
        const [other, released] = (await commit(
          { ...op, method: 'qr' },
          review(op, 'released'),
        )) as Committed[];
        expect(released?.code).toBe('created');
        expect(other).toEqual({ id: op.id, code: 'exists_with_different_payload', atMs: 0, postings: [] });
      });

      it('stays held when an account was closed meanwhile', async () => {
        const op = await held();
        await commit(op);
        await town.closeAccount(op.civilian);
        expect(await codes(review(op, 'released'), review(op, 'rejected'))).toEqual([
          'account_closed',
          'rejected',
        ]);
      });

      it('is found by a look-up, and so is its review', async () => {
        const [a, b] = [await held(), await held()];
        await commit(a, b, review(b, 'rejected'));
        const asked = [
          a,
          review(a, 'released'),
          review(a, 'rejected'),
          b,
          review(b, 'rejected'),
          review(b, 'released'),
        ];
        const found = await town.commitStore.lookup([...asked, { ...a, method: 'qr' }]);
        expect(found.map(one => one?.code ?? null)).toEqual([
          'held',
          null,
          null,
          'rejected',
          'rejected',
          null,
          'exists_with_different_payload',
        ]);
        await commit(review(a, 'released'));
        const after = await town.commitStore.lookup(asked.slice(0, 3));
        expect(after.map(one => one?.code ?? null)).toEqual(['exists', 'exists', null]);
      });

      it('keeps the key of the command that asked for it', async () => {
        const op = await held();
        const idempotency = { userId: op.officer, key: 'held', requestHash: 'aa' };
        expect(await codes({ ...op, idempotency }, { ...op, idempotency })).toEqual(['held', 'held']);
        const other = encounter(town.uuid(), op.officer, await person('civilian'), { idempotency });
        expect(await codes(other)).toEqual(['idempotency_conflict']);
        const commands = async () =>
          ((await town.queryStore.query({ type: 'user', id: op.officer })) as { commands: unknown }).commands;
        const known = { key: 'held', requestHash: 'aa', reason: 'encounter', encounterId: op.id };
        expect(await commands()).toEqual([{ ...known, points: 0, balance: 0 }]);
        await commit(review(op, 'released'));
        expect(await commands()).toEqual([{ ...known, points: 5, balance: 5 }]);
      });

      it('is not held by a stale epoch, nor reviewed', async () => {
        const op = await held();
        const by = (one: DurableOp, n: number) => town.commitStore.commit([at(SHARD, n, one)]);
        expect((await by(op, epoch - 1))[0]?.code).toBe('stale_epoch');
        await by(op, epoch);
        expect((await by(review(op, 'released'), epoch - 1))[0]?.code).toBe('stale_epoch');
        expect(await balanceOf(op.civilian)).toBe(0);
      });

      it('bits that are none are refused', async () => {
        const op = await held();
        const wrong = [-1, 0.5, 2 ** 31].map(trust => ({ ...op, id: town.uuid(), trust }));
        expect(await codes(...wrong)).toEqual(['invalid', 'invalid', 'invalid']);
      });
    });

    it('tells of entries with all their sides, and nothing of what is none', async () => {
      const [a, b] = [await person('civilian'), await person('civilian')];
      const [grant, gift] = [move(town.uuid(), MINT_ACCOUNT, a, 9), move(town.uuid(), a, b, 4)];
      await commit(grant, gift);
      const ids = [gift.id, town.uuid(), grant.id];
      const found = (await town.queryStore.query({ type: 'entries', ids })) as readonly EntryView[];
      const sides = new Map(found.map(({ id, reason, legs }) => [id, { reason, legs }]));
      expect(sides.size).toBe(2);
      for (const { id, reason, legs } of [grant, gift]) expect(sides.get(id)).toEqual({ reason, legs });
    });

    it('knows what an account had at any moment', async () => {
      const [a, b] = [await person('civilian'), await person('civilian')];
      const atOf = async (...ops: DurableOp[]) => ((await commit(...ops)).at(-1) as Committed).atMs;
      const balanceAt = (account: string, atMs: number) =>
        town.queryStore.query({ type: 'balanceAt', account, atMs });
      const times: number[] = [];
      for (const points of [5, 7, 9]) times.push(await atOf(move(town.uuid(), MINT_ACCOUNT, a, points)));
      times.push(await atOf(move(town.uuid(), a, b, 20)));
      const had = new Map([[times[0]! - 1, 0]]);
      // what came within one millisecond is one moment
      for (const [n, balance] of [5, 12, 21, 1].entries()) had.set(times[n]!, balance);
      for (const [atMs, balance] of had) expect(await balanceAt(a, atMs), `${atMs}`).toBe(balance);
      expect(await balanceAt(b, times[3]!)).toBe(20);
      expect(await balanceAt(a, 4e12)).toBe(1);
      expect(await balanceAt(town.uuid(), times[3]!)).toBeNull();
      // and for those who have no actor to ask
      expect(await town.directory.balanceAt(b, times[3]!)).toBe(20);
      expect(await town.directory.balanceAt(town.uuid(), times[3]!)).toBeNull();
    });

    it('knows what is left of what came, by when it came: what came first is spent first', async () => {
      const [a, b] = [await person('civilian'), await person('civilian')];
      const unspent = (account: string, stepMs = 1) =>
        town.queryStore.query({ type: 'unspent', account, stepMs }) as Promise<UnspentView | null>;
      expect(await unspent(a)).toEqual({ balance: 0, reserved: 0, version: 0, lots: [] });
      expect(await unspent(town.uuid())).toBeNull();
      const credits: Lot[] = [];
      let [balance, version] = [0, 0];
      const pays = async (points: number, from = MINT_ACCOUNT, to = a): Promise<void> => {
        const [{ atMs }] = (await commit(move(town.uuid(), from, to, points))) as [Committed];
        if (to === a) credits.unshift({ step: atMs, points });
        balance += to === a ? points : -points;
        version++;
      };
      const left = async (reserved = 0): Promise<void> => {
        const lots = unspentLots(balance - reserved, credits);
        expect(await unspent(a)).toEqual({ balance, reserved, version, lots });
      };
      for (const points of [5, 7, 9, 4]) await pays(points);
      await left();
      await pays(6, a, b);
      await left();
      const held = pending(town.uuid(), a, b, 10);
      await commit(held);
      await left(10);
      await pays(8);
      await left(10);
      await commit(voidOf(held));
      await left();
      // what is over is taken away by an entry like any other
      await pays(6, a, EXPIRED_ACCOUNT);
      await left();
      // in one long step all of it is one
      const stepMs = 1e12;
      const step = Math.floor(credits[0]!.step / stepMs);
      expect((await unspent(a, stepMs))!.lots).toEqual([{ step, points: balance }]);
      await pays(balance, a, b);
      await left();
    });

    it('knows what was earned lately, and what was taken back of it, where that is asked', async () => {
      const [a, b] = [await person('officer', 50), await person('civilian')];
      const met = encounter(town.uuid(), a, b);
      const [{ atMs }] = (await commit(met)) as [Committed];
      const from = (account: string, delta: number) => [
        { account: MINT_ACCOUNT, delta: -delta },
        { account, delta },
      ];
      const promotion = transfer(town.uuid(), from(a, 7), { reason: 'promotion' });
      const back = transfer(town.uuid(), from(a, -5), { reason: 'reversal' });
      const [given, taken] = (await commit(promotion, back)) as [Committed, Committed];
      await commit(move(town.uuid(), a, b, 20));
      const record = (freshMs?: number) =>
        town.queryStore.query({ type: 'user', id: a, ...(freshMs && { freshMs }) }) as Promise<UserRecord>;
      expect((await record(60_000)).fresh).toEqual([
        { atMs, points: 5 },
        { atMs: given.atMs, points: 7 },
        { atMs: taken.atMs, points: -5 },
      ]);
      expect('fresh' in (await record())).toBe(false);
    });

    describe('points that are set aside', () => {
      const two = async (points = 10) =>
        [await person('civilian', points), await person('civilian')] as const;

      it('stay where they are, and cannot be spent or set aside again', async () => {
        const [payer, payee] = await two();
        const op = pending(town.uuid(), payer, payee, 7);
        const [first] = (await commit(op)) as [Committed];
        expect(first).toMatchObject({ id: op.id, code: 'created', postings: [] });
        expect(first.atMs).toBeGreaterThan(0);
        expect([await balanceOf(payer), await town.reservedOf(payer), await balanceOf(payee)]).toEqual([
          10, 7, 0,
        ]);
        expect(
          await codes(
            move(town.uuid(), payer, payee, 4),
            pending(town.uuid(), payer, payee, 4),
            move(town.uuid(), payer, payee, 3),
          ),
        ).toEqual(['insufficient_points', 'insufficient_points', 'created']);
        expect(await commit(op)).toEqual([{ ...first, code: 'exists' }]);
        expect(await codes({ ...op, points: 6 })).toEqual(['exists_with_different_payload']);
        expect(await codes(move(op.id, payer, payee, 1))).toEqual(['exists_with_different_payload']);
      });

      it('are paid once, in whole', async () => {
        const [payer, payee] = await two();
        const op = pending(town.uuid(), payer, payee, 7);
        const paid = post(town.uuid(), op);
        const outcomes = (await commit(op, paid, paid)) as Committed[];
        expect(outcomes.map(one => one.code)).toEqual(['created', 'created', 'exists']);
        const postings = [
          { account: payer, delta: -7, balance: 3, version: 2 },
          { account: payee, delta: 7, balance: 7, version: 1 },
        ];
        expect(outcomes[1]?.postings).toEqual(postings);
        expect(outcomes[2]?.postings).toEqual(postings);
        expect(await codes(post(town.uuid(), op), voidOf(op), voidOf(op, 'expired'), op)).toEqual([
          'pending_already_posted',
          'pending_already_posted',
          'pending_already_posted',
          'exists',
        ]);
        expect([await town.reservedOf(payer), await balanceOf(payee)]).toEqual([0, 7]);
      });

      it('are paid in part: the rest is free again', async () => {
        const [payer, payee] = await two();
        const op = pending(town.uuid(), payer, payee, 10);
        expect(await codes(op, post(town.uuid(), op, 11), post(town.uuid(), op, 4))).toEqual([
          'created',
          'exceeds_pending',
          'created',
        ]);
        expect(await codes(move(town.uuid(), payer, payee, 6))).toEqual(['created']);
        expect([await balanceOf(payer), await town.reservedOf(payer)]).toEqual([0, 0]);
      });

      it.each(['voided', 'expired'] as const)('are given back once: %s', async verdict => {
        const [payer, payee] = await two();
        const op = pending(town.uuid(), payer, payee, 10);
        const other = verdict === 'voided' ? 'expired' : 'voided';
        const why = verdict === 'voided' ? 'pending_already_voided' : 'pending_expired';
        expect(await codes(op, voidOf(op, verdict), voidOf(op, verdict), voidOf(op, other))).toEqual([
          'created',
          'created',
          'exists',
          why,
        ]);
        expect(await codes(post(town.uuid(), op), op, move(town.uuid(), payer, payee, 10))).toEqual([
          why,
          'exists',
          'created',
        ]);
      });

      it('are not paid when their time is over, and still given back', async () => {
        const [payer, payee] = await two();
        const op = pending(town.uuid(), payer, payee, 10);
        await commit(op);
        await town.endPending(op.id);
        expect(await codes(post(town.uuid(), op), move(town.uuid(), payer, payee, 1))).toEqual([
          'pending_expired',
          'insufficient_points',
        ]);
        expect(await codes(voidOf(op, 'expired'), move(town.uuid(), payer, payee, 1))).toEqual([
          'created',
          'created',
        ]);
      });

      it('belong to two: nobody else pays them, gets them or gives them back', async () => {
        const [payer, payee] = await two();
        const thief = await person('civilian', 10);
        const op = pending(town.uuid(), payer, payee, 5);
        await commit(op);
        const paid = post(town.uuid(), op);
        expect(
          await codes(
            { ...paid, id: town.uuid(), payee: thief },
            { ...paid, id: town.uuid(), payer: thief },
            { ...voidOf(op), payer: thief },
            post(town.uuid(), { ...op, id: town.uuid() }),
            voidOf({ ...op, id: town.uuid() }),
          ),
        ).toEqual(Array.from({ length: 5 }, () => 'pending_not_found'));
        expect(await codes(paid)).toEqual(['created']);
      });

      it('are found by a look-up, and so is what became of them', async () => {
        const [payer, payee] = await two();
        const [a, b] = [pending(town.uuid(), payer, payee, 2), pending(town.uuid(), payer, payee, 3)];
        const paid = post(town.uuid(), a);
        await commit(a, b, paid, voidOf(b));
        const found = await town.commitStore.lookup([
          a,
          b,
          paid,
          voidOf(b),
          voidOf(a),
          voidOf(b, 'expired'),
          { ...a, points: 3 },
        ]);
        expect(found.map(one => one?.code ?? null)).toEqual([
          'exists',
          'exists',
          'exists',
          'exists',
          null,
          null,
          'exists_with_different_payload',
        ]);
      });

      it('need two open accounts and a sensible amount', async () => {
        const [payer, payee] = await two();
        const gone = await person('civilian');
        await town.closeAccount(gone);
        expect(
          await codes(
            pending(town.uuid(), payer, gone, 1),
            pending(town.uuid(), payer, town.uuid(), 1),
            pending(town.uuid(), town.uuid(), payee, 1),
          ),
        ).toEqual(['account_closed', 'account_unknown', 'account_unknown']);
        const op = pending(town.uuid(), payer, payee, 1);
        const wrong = [0, -1, 0.5, 2 ** 53].map(points => ({ ...op, points }));
        expect(
          await codes(...wrong, { ...op, holdS: 0 }, { ...op, holdS: 1e9 }, { ...op, payee: payer }),
        ).toEqual(Array.from({ length: 7 }, () => 'invalid'));
        expect(await codes({ ...op, payer: MINT_ACCOUNT }, post(op.id, op))).toEqual(['invalid', 'invalid']);
      });

      it('stay set aside when the payee was closed meanwhile, until they are given back', async () => {
        const [payer, payee] = await two();
        const op = pending(town.uuid(), payer, payee, 10);
        await commit(op);
        await town.closeAccount(payee);
        expect(await codes(post(town.uuid(), op))).toEqual(['account_closed']);
        expect([await balanceOf(payer), await town.reservedOf(payer)]).toEqual([10, 10]);
        expect(await codes(voidOf(op))).toEqual(['created']);
        expect(await town.reservedOf(payer)).toBe(0);
      });

      it('keep the key of the command that asked for them', async () => {
        const [payer, payee] = await two();
        const idempotency = { userId: payer, key: 'aside', requestHash: 'aa' };
        const op = { ...pending(town.uuid(), payer, payee, 1), idempotency };
        expect(await codes(op, op, { ...op, id: town.uuid() })).toEqual([
          'created',
          'exists',
          'idempotency_conflict',
        ]);
        const record = (await town.queryStore.query({ type: 'user', id: payer })) as { commands: unknown };
        expect(record.commands).toEqual([
          {
            key: 'aside',
            requestHash: 'aa',
            reason: 'redemption',
            encounterId: op.id,
            points: 0,
            balance: 10,
          },
        ]);
      });

      it('nothing with a stale epoch sets aside, pays or gives back', async () => {
        const [payer, payee] = await two();
        const op = pending(town.uuid(), payer, payee, 4);
        const stale = async (one: DurableOp) =>
          (await town.commitStore.commit([at(SHARD, epoch - 1, one)]))[0]?.code;
        expect(await stale(op)).toBe('stale_epoch');
        await commit(op);
        expect([await stale(post(town.uuid(), op)), await stale(voidOf(op))]).toEqual([
          'stale_epoch',
          'stale_epoch',
        ]);
        expect([await balanceOf(payer), await town.reservedOf(payer)]).toEqual([10, 4]);
      });
    });

    describe('a movement that was refused', () => {
      it('stays refused under its id, with the same word', async () => {
        const [payer, payee] = [await person('civilian', 1), await person('civilian')];
        const [op, aside] = [move(town.uuid(), payer, payee, 5), pending(town.uuid(), payer, payee, 5)];
        expect(await codes(op, aside)).toEqual(['insufficient_points', 'insufficient_points']);
        await commit(move(town.uuid(), MINT_ACCOUNT, payer, 100));
        expect(await codes(op, aside)).toEqual(['insufficient_points', 'insufficient_points']);
        expect(await codes({ ...op, reason: 'other' })).toEqual(['exists_with_different_payload']);
        expect(await codes(voidOf(aside))).toEqual(['pending_not_found']);
        expect(await codes(move(town.uuid(), payer, payee, 5))).toEqual(['created']);
      });

      it('was refused, too, when it is asked for twice in one group', async () => {
        const [payer, payee] = [await person('civilian', 1), await person('civilian')];
        const op = move(town.uuid(), payer, payee, 5);
        const rich = move(town.uuid(), MINT_ACCOUNT, payer, 100);
        expect(await codes(op, rich, op)).toEqual(['insufficient_points', 'created', 'insufficient_points']);
      });
    });

    describe('an account with a limit', () => {
      it('spends at most so much at once, and in a day', async () => {
        const [payer, payee] = [await person('civilian', 100), await person('civilian')];
        await town.limitDebits(payer, 6, 15);
        const spend = (points: number) => move(town.uuid(), payer, payee, points);
        expect(await codes(spend(7), spend(6), spend(6), spend(4), spend(3), spend(1))).toEqual([
          'limit_exceeded',
          'created',
          'created',
          'limit_exceeded',
          'created',
          'limit_exceeded',
        ]);
        expect(await codes(spend(1))).toEqual(['limit_exceeded']);
        // what comes in is not limited
        expect(await codes(move(town.uuid(), payee, payer, 15))).toEqual(['created']);
        await town.limitDebits(payer, null, null);
        expect(await codes(spend(50))).toEqual(['created']);
      });

      it('counts what is set aside, and no longer what came back', async () => {
        const [payer, payee] = [await person('civilian', 100), await person('civilian')];
        await town.limitDebits(payer, null, 10);
        const [a, b] = [pending(town.uuid(), payer, payee, 8), pending(town.uuid(), payer, payee, 9)];
        expect(await codes(a, move(town.uuid(), payer, payee, 3))).toEqual(['created', 'limit_exceeded']);
        expect(await codes(post(town.uuid(), a, 1), b)).toEqual(['created', 'created']);
        expect(await codes(move(town.uuid(), payer, payee, 1), voidOf(b))).toEqual([
          'limit_exceeded',
          'created',
        ]);
        expect(await codes(move(town.uuid(), payer, payee, 9), move(town.uuid(), payer, payee, 1))).toEqual([
          'created',
          'limit_exceeded',
        ]);
      });

      it('has not spent what was refused for another reason', async () => {
        const [payer, payee] = [await person('civilian', 5), await person('civilian')];
        await town.limitDebits(payer, null, 10);
        expect(
          await codes(
            move(town.uuid(), payer, payee, 6),
            move(town.uuid(), MINT_ACCOUNT, payer, 5),
            move(town.uuid(), payer, payee, 10),
          ),
        ).toEqual(['insufficient_points', 'created', 'created']);
      });
    });

    it('an empty group is nothing', async () => {
      expect(await town.commitStore.commit([])).toEqual([]);
      expect(await town.commitStore.lookup([])).toEqual([]);
    });

    it('after all of it postings and accounts add up to nothing', async () => {
      expect(await town.sums()).toEqual({ postings: 0, accounts: 0 });
    });
  });
}
