/** What every store of users' events must do, and what starting users read of it. Run against memory and PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EventOp, MINT_ACCOUNT } from '../../actors/durable.ts';
import type { Movement, StreamRecord, UserRecord } from '../../actors/queries.ts';
import { EVENT_LIMITS } from '../limits.ts';
import { at, encounter, move, type StoreTown } from './town.ts';

const SHARD = 31;
const OTHER = 32;

export function eventStoreContract(name: string, open: () => Promise<StoreTown>): void {
  describe(`event store: ${name}`, () => {
    let town: StoreTown;
    let epoch: number;
    let otherEpoch: number;
    let people = 0;

    beforeAll(async () => {
      town = await open();
      [epoch = 0, otherEpoch = 0] = await town.epochStore.mint([SHARD, OTHER], 'contract');
    });
    afterAll(() => town.close());

    async function person(handle = `events-${++people}`, kind: 'civilian' | 'officer' = 'civilian') {
      const user = { kind, handle, passwordHash: 'x', deviceId: 'd', zip: null, badge: null };
      const made = await town.directory.createUser(user);
      if (!made.ok) throw new Error(made.message);
      return made.value.userId;
    }
    const event = (user: string, n: number, change: Partial<EventOp> = {}): EventOp => ({
      type: 'event',
      id: town.uuid(),
      user,
      n,
      after: 0,
      lineage: 0,
      about: null,
      frame: Uint8Array.of(1, 2, n % 256),
      ...change,
    });
    const codes = async (...ops: EventOp[]): Promise<string[]> => {
      const outcomes = await town.noteStore.commit(ops.map(op => at(SHARD, epoch, op)));
      return outcomes.map(one => one.code);
    };
    const streamOf = async (id: string): Promise<StreamRecord> =>
      ((await town.queryStore.query({ type: 'user', id })) as UserRecord).stream;
    const numbers = async (id: string): Promise<number[]> => (await streamOf(id)).events.map(one => one.n);
    const BEHIND = 'exists_with_different_payload';

    it('takes the next event of a user and no other', async () => {
      const [a, b] = [await person(), await person()];
      expect(await codes(event(a, 2))).toEqual([BEHIND]);
      expect(await codes(event(a, 1), event(a, 2), event(b, 1), event(a, 4), event(a, 3))).toEqual([
        'created',
        'created',
        'created',
        BEHIND,
        'created',
      ]);
      expect(await codes(event(a, 3), event(a, 1), event(b, 3))).toEqual([BEHIND, BEHIND, BEHIND]);
      expect([await numbers(a), await numbers(b)]).toEqual([[3, 2, 1], [1]]);
    });

    it('the very same again is there already', async () => {
      const a = await person();
      const [one, two] = [event(a, 1), event(a, 2)];
      expect(await codes(one, one, two, one)).toEqual(['created', 'exists', 'created', 'exists']);
      expect(await codes({ ...one, n: 3 })).toEqual(['created']);
      expect(await numbers(a)).toEqual([3, 2, 1]);
    });

    it('nothing with a stale epoch is stored, the rest of its group is', async () => {
      const a = await person();
      const outcomes = await town.noteStore.commit([
        at(SHARD, epoch - 1, event(a, 1)),
        at(SHARD, epoch + 1, event(a, 1)),
        at(OTHER, otherEpoch, event(a, 1)),
        at(OTHER, epoch + 7, event(a, 2)),
      ]);
      expect(outcomes.map(one => one.code)).toEqual(['stale_epoch', 'stale_epoch', 'created', 'stale_epoch']);
      expect(await numbers(a)).toEqual([1]);
    });

    it('a look-up says what is stored', async () => {
      const a = await person();
      const [one, two] = [event(a, 1), event(a, 2)];
      expect(await town.noteStore.lookup([one, two])).toEqual([null, null]);
      await codes(one);
      const found = await town.noteStore.lookup([two, one, event(a, 1), { ...one, n: 2 }]);
      expect(found).toMatchObject([null, { id: one.id, code: 'exists' }, null, null]);
    });

    it('a starting user reads what he has, with everything else', async () => {
      const a = await person();
      expect(await streamOf(a)).toEqual({
        town: expect.any(String),
        others: 0,
        after: 0,
        lineage: 0,
        movements: [],
        events: [],
        told: {},
      });
      const frame = Uint8Array.from({ length: 300 }, (_, i) => i);
      const ops = [event(a, 1, { after: 3, frame }), event(a, 2, { after: 4, about: "what's ä" })];
      await codes(...ops);
      const stream = await streamOf(a);
      expect(stream).toMatchObject({ others: 2, after: 4, lineage: 0, told: { "what's ä": 6 } });
      expect(stream.events).toEqual([
        { id: ops[1]!.id, n: 2, after: 4, frame: ops[1]!.frame, ageMs: expect.any(Number) },
        { id: ops[0]!.id, n: 1, after: 3, frame, ageMs: expect.any(Number) },
      ]);
      for (const { ageMs, frame: bytes } of stream.events) {
        expect(ageMs).toBeGreaterThanOrEqual(0);
        expect(ageMs).toBeLessThan(60_000);
        expect(bytes).toBeInstanceOf(Uint8Array);
        expect(Buffer.isBuffer(bytes)).toBe(false);
      }
    });

    it('a new lineage leaves the older one behind', async () => {
      const a = await person();
      await codes(
        event(a, 1, { about: 'x' }),
        event(a, 2),
        event(a, 3, { lineage: 1, frame: new Uint8Array(0) }),
      );
      const stream = await streamOf(a);
      expect(stream).toMatchObject({ others: 3, lineage: 1, told: {} });
      expect(stream.events).toMatchObject([{ n: 3, frame: new Uint8Array(0) }]);
    });

    it('keeps a bounded number of them, and what must be known for longer', async () => {
      const a = await person();
      const many = EVENT_LIMITS.keepEvents + 40;
      const ops = Array.from({ length: many }, (_, i) =>
        event(a, i + 1, i === 1 ? { about: 'told early' } : {}),
      );
      expect(new Set(await codes(...ops))).toEqual(new Set(['created']));
      const found = await streamOf(a);
      expect([found.others, found.events.length, found.told]).toEqual([many, 128, { 'told early': 2 }]);
      const kept = (await town.noteStore.lookup(ops)).map(one => one !== null);
      expect(kept.map((is, i) => (is ? i + 1 : 0)).filter(n => n > 0)).toEqual([
        2,
        ...Array.from({ length: EVENT_LIMITS.keepEvents }, (_, i) => many - EVENT_LIMITS.keepEvents + i + 1),
      ]);
    });

    it('movements come with it, newest first, and from a version on, oldest first', async () => {
      const [officer, civilian] = [await person('Officer Ä', 'officer'), await person()];
      const met = encounter(town.uuid(), officer, civilian);
      const gift = { ...move(town.uuid(), civilian, officer, 3), reason: 'give' };
      const bonus = { ...move(town.uuid(), MINT_ACCOUNT, civilian, 7), reason: 'bonus' };
      const outcomes = await town.commitStore.commit([met, gift, bonus].map(op => at(SHARD, epoch, op)));
      const times = outcomes.map(one => (one as { atMs: number }).atMs);
      const expected: Movement[] = [
        {
          transferId: met.id,
          version: 1,
          delta: 10,
          balance: 10,
          reason: 'encounter',
          method: 'hey',
          otherHandle: 'Officer Ä',
          atMs: times[0]!,
        },
        {
          transferId: gift.id,
          version: 2,
          delta: -3,
          balance: 7,
          reason: 'give',
          method: null,
          otherHandle: '',
          atMs: times[1]!,
        },
        {
          transferId: bonus.id,
          version: 3,
          delta: 7,
          balance: 14,
          reason: 'bonus',
          method: null,
          otherHandle: '',
          atMs: times[2]!,
        },
      ];
      const { movements } = await streamOf(civilian);
      expect(movements.map(({ ageMs: _, ...one }) => one)).toEqual([...expected].reverse());
      for (const { ageMs } of movements) expect(ageMs).toBeGreaterThanOrEqual(0);
      expect((await streamOf(officer)).movements).toMatchObject([
        { version: 2, delta: 3 },
        { version: 1, delta: 5, method: 'hey' },
      ]);
      const beyond = (version: number, limit: number) =>
        town.queryStore.query({ type: 'movements', user: civilian, after: version, limit });
      expect(await beyond(0, 10)).toEqual(expected);
      expect(await beyond(1, 1)).toEqual([expected[1]]);
      expect(await beyond(3, 10)).toEqual([]);
      expect(
        await town.queryStore.query({ type: 'movements', user: town.uuid(), after: 0, limit: 9 }),
      ).toEqual([]);
    });

    it('no more movements than a ring takes', async () => {
      const a = await person();
      const many = Array.from({ length: 140 }, () => move(town.uuid(), MINT_ACCOUNT, a, 1));
      await town.commitStore.commit(many.map(op => at(SHARD, epoch, op)));
      const { movements } = await streamOf(a);
      expect(movements.map(one => one.version)).toEqual(Array.from({ length: 128 }, (_, i) => 140 - i));
    });

    it('refuses what makes no sense, and nothing else of the group', async () => {
      const a = await person();
      const wrong = [
        event('nobody', 1),
        event(a, 1, { id: 'x' }),
        event(a, 0),
        event(a, 1.5),
        event(a, 1, { after: -1 }),
        event(a, 1, { lineage: 0.5 }),
        event(a, 1, { about: '' }),
        event(a, 1, { about: 'x\0' }),
        event(a, 1, { about: 'x'.repeat(EVENT_LIMITS.aboutMax + 1) }),
        event(a, 1, { frame: new Uint8Array(EVENT_LIMITS.frameBytes + 1) }),
        event(a, 1, { frame: 'text' as never }),
      ];
      expect(await codes(...wrong, event(a, 1))).toEqual([...wrong.map(() => 'invalid'), 'created']);
      const [points] = await town.noteStore.commit([at(SHARD, epoch, move(town.uuid(), a, MINT_ACCOUNT, 1))]);
      expect(points?.code).toBe('invalid');
      expect((await town.commitStore.commit([at(SHARD, epoch, event(a, 2))]))[0]?.code).toBe('invalid');
      expect(await numbers(a)).toEqual([1]);
    });

    it('an empty group is nothing', async () => {
      expect(await town.noteStore.commit([])).toEqual([]);
      expect(await town.noteStore.lookup([])).toEqual([]);
    });
  });
}
