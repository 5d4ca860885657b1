/** What every timer store must do. Run against memory and PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TimerOp } from '../../actors/durable.ts';
import { at, move, type StoreTown } from './town.ts';

const SHARD = 11;
const OTHER = 12;

export function timerStoreContract(name: string, open: () => Promise<StoreTown>): void {
  describe(`timer store: ${name}`, () => {
    let town: StoreTown;
    let epoch: number;
    let otherEpoch: number;
    let actors = 0;

    beforeAll(async () => {
      town = await open();
      [epoch = 0, otherEpoch = 0] = await town.epochStore.mint([SHARD, OTHER], 'contract');
    });
    afterAll(() => town.close());

    const someone = (): string => `a-${++actors}`;
    const set = (actor: string, timer: string, dueAtMs: number, message: unknown = { n: 1 }): TimerOp => ({
      type: 'timer',
      id: town.uuid(),
      kind: 'user',
      actor,
      name: timer,
      dueAtMs,
      onlyDueAtMs: null,
      message,
    });
    const remove = (actor: string, timer: string, onlyDueAtMs: number | null = null): TimerOp => ({
      ...set(actor, timer, 0, null),
      dueAtMs: null,
      onlyDueAtMs,
    });
    const codes = async (...ops: TimerOp[]): Promise<string[]> => {
      const outcomes = await town.noteStore.commit(ops.map(op => at(SHARD, epoch, op)));
      return outcomes.map(one => one.code);
    };
    /** Names and times of one actor's timers. */
    const of = async (actor: string): Promise<string[]> => {
      const all = await town.noteStore.due([SHARD, OTHER], Number.MAX_SAFE_INTEGER, 10_000);
      return all.filter(one => one.actor === actor).map(one => `${one.name} ${one.dueAtMs}`);
    };

    it('sets, replaces and removes, one row per actor and name', async () => {
      const a = someone();
      expect(await codes(set(a, 'x', 100), set(a, 'y', 50))).toEqual(['created', 'created']);
      expect(await of(a)).toEqual(['y 50', 'x 100']);
      expect(await codes(set(a, 'x', 30))).toEqual(['created']);
      expect(await of(a)).toEqual(['x 30', 'y 50']);
      expect(await codes(remove(a, 'x'), remove(a, 'never set'))).toEqual(['created', 'created']);
      expect(await of(a)).toEqual(['y 50']);
    });

    it('completes exactly the time that was delivered: what was set again meanwhile stays', async () => {
      const a = someone();
      await codes(set(a, 'x', 100));
      await codes(set(a, 'x', 200));
      expect(await codes(remove(a, 'x', 100))).toEqual(['created']);
      expect(await of(a)).toEqual(['x 200']);
      await codes(remove(a, 'x', 200));
      expect(await of(a)).toEqual([]);
    });

    it('the entries of one group count in order', async () => {
      const a = someone();
      await codes(set(a, 'x', 1), remove(a, 'x'), set(a, 'x', 2), remove(a, 'x', 1), set(a, 'y', 3));
      expect(await of(a)).toEqual(['x 2', 'y 3']);
    });

    it('nothing with a stale epoch is applied, the rest of its group is', async () => {
      const a = someone();
      await codes(set(a, 'mine', 1));
      const outcomes = await town.noteStore.commit([
        at(SHARD, epoch - 1, set(a, 'old', 1)),
        at(SHARD, epoch + 1, set(a, 'new', 1)),
        at(SHARD, epoch - 1, remove(a, 'mine')),
        at(OTHER, epoch + 7, remove(a, 'mine')),
        at(SHARD, epoch, set(a, 'now', 2)),
      ]);
      expect(outcomes.map(one => one.code)).toEqual([
        'stale_epoch',
        'stale_epoch',
        'stale_epoch',
        'stale_epoch',
        'created',
      ]);
      expect(await of(a)).toEqual(['mine 1', 'now 2']);
    });

    it('reads a window: these shards, up to this time, soonest first, not more than asked for', async () => {
      const a = someone();
      const base = 5_000_000;
      const some = [3, 1, 2, 9].map(n => set(a, `t${n}`, base + n, { n }));
      await codes(...some);
      await town.noteStore.commit([at(OTHER, otherEpoch, set(a, 'elsewhere', base))]);
      const window = async (shards: number[], until: number, limit: number) =>
        (await town.noteStore.due(shards, base + until, limit))
          .filter(one => one.actor === a)
          .map(one => [one.shard, one.kind, one.name, one.dueAtMs - base, one.message]);
      expect(await window([SHARD], 3, 10_000)).toEqual([
        [SHARD, 'user', 't1', 1, { n: 1 }],
        [SHARD, 'user', 't2', 2, { n: 2 }],
        [SHARD, 'user', 't3', 3, { n: 3 }],
      ]);
      expect(await window([OTHER], 3, 10_000)).toMatchObject([[OTHER, 'user', 'elsewhere', 0, { n: 1 }]]);
      expect(await window([SHARD, OTHER], 3, 10_000)).toHaveLength(4);
      expect(await town.noteStore.due([SHARD, OTHER], base + 9, 2)).toHaveLength(2);
      expect(await window([], 9, 10)).toEqual([]);
    });

    it('a repeat changes nothing, and a look-up says what is so', async () => {
      const a = someone();
      const [x, gone] = [set(a, 'x', 100), remove(a, 'y')];
      expect(await town.noteStore.lookup([x, gone])).toMatchObject([null, { code: 'exists' }]);
      expect(await codes(x, gone, x, gone)).toEqual(['created', 'created', 'created', 'created']);
      const again = set(a, 'x', 100);
      expect(
        await town.noteStore.lookup([x, again, remove(a, 'x'), remove(a, 'x', 100), remove(a, 'x', 99)]),
      ).toMatchObject([{ id: x.id, code: 'exists' }, null, null, null, { code: 'exists' }]);
      expect(await of(a)).toEqual(['x 100']);
    });

    it('keeps any text and message as they are', async () => {
      const a = someone();
      const texts = ['NULL', '{a,b}', 'qu"ote', 'back\\slash', ' space ', 'é😀'];
      const message = { texts: [...texts, 'zero \0', '\ud800'], none: null, deep: [[{ on: true, n: -1.5 }]] };
      await codes(...texts.map((text, i) => set(`${a}${text}`, text, 7_000_000 + i, message)));
      const found = (await town.noteStore.due([SHARD], Number.MAX_SAFE_INTEGER, 10_000)).filter(one =>
        one.actor.startsWith(a),
      );
      expect(found.map(one => one.name)).toEqual(texts);
      for (const one of found) expect(one.message).toEqual(message);
    });

    it('refuses what makes no sense, and nothing else of the group', async () => {
      const a = someone();
      const wrong = [
        set(a, '', 1),
        set(a, 'x'.repeat(200), 1),
        set(a, 'z\0', 1),
        set(a, 'half', 1.5),
        set(a, 'past', -1),
        set(a, 'big', 1, 'x'.repeat(5_000)),
        set(a, 'nothing', 1, () => 1),
      ];
      expect(await codes(...wrong, set(a, 'good', 1))).toEqual([...wrong.map(() => 'invalid'), 'created']);
      const [points] = await town.noteStore.commit([at(SHARD, epoch, move(town.uuid(), a, 'b', 1))]);
      expect(points?.code).toBe('invalid');
      expect((await town.commitStore.commit([at(SHARD, epoch, set(a, 'x', 1))]))[0]?.code).toBe('invalid');
      expect(await of(a)).toEqual(['good 1']);
    });

    it('a starting user gets its timers with everything else', async () => {
      const made = await town.directory.createUser({
        kind: 'officer',
        handle: `timers-${someone()}`,
        passwordHash: 'x',
        deviceId: 'd',
        zip: null,
        badge: null,
      });
      if (!made.ok) throw new Error(made.message);
      const { userId } = made.value;
      await codes(set(userId, 'b', 20, { why: 'zero \0' }), set(userId, 'a', 10));
      expect(await town.queryStore.query({ type: 'user', id: userId })).toMatchObject({
        timers: [
          { name: 'a', dueAtMs: 10, message: { n: 1 } },
          { name: 'b', dueAtMs: 20, message: { why: 'zero \0' } },
        ],
      });
    });

    it('an empty group is nothing', async () => {
      expect(await town.noteStore.commit([])).toEqual([]);
      expect(await town.noteStore.lookup([])).toEqual([]);
    });
  });
}
