/**
 * What every store of notes must do beyond timers and events (`timerStore.contract.ts`, `eventStore.contract.ts`): answers
 * to commands, and what belongs together. Run against memory and PostgreSQL.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AnswerOp, DurableOp } from '../../actors/durable.ts';
import type { UserRecord } from '../../actors/queries.ts';
import { ok, refuse } from '../../protocol/errors.ts';
import { uuidv7 } from '../../protocol/ids.ts';
import { ANSWER_LIMITS } from '../limits.ts';
import { at, encounter, type StoreTown } from './town.ts';

const SHARD = 41;

export function noteStoreContract(name: string, open: () => Promise<StoreTown>): void {
  describe(`note store: ${name}`, () => {
    let town: StoreTown;
    let epoch: number;
    let people = 0;

    beforeAll(async () => {
      town = await open();
      [epoch = 0] = await town.epochStore.mint([SHARD], 'contract');
    });
    afterAll(() => town.close());

    async function person(kind: 'civilian' | 'officer' = 'civilian'): Promise<string> {
      const user = {
        kind,
        handle: `notes-${++people}`,
        passwordHash: 'x',
        deviceId: 'd',
        zip: null,
        badge: null,
      };
      const made = await town.directory.createUser(user);
      if (!made.ok) throw new Error(made.message);
      return made.value.userId;
    }
    const answer = (user: string, key: string, change: Partial<AnswerOp> = {}): AnswerOp => ({
      type: 'answer',
      id: town.uuid(),
      user,
      key,
      requestHash: 'aa',
      result: ok({ untilS: 5 }),
      ...change,
    });
    const codes = async (...ops: DurableOp[]): Promise<string[]> =>
      (await town.noteStore.commit(ops.map(op => at(SHARD, epoch, op)))).map(one => one.code);
    const command = (user: string, key: string): Promise<unknown> =>
      town.queryStore.query({ type: 'command', user, key });
    const commands = async (user: string): Promise<UserRecord['commands']> =>
      ((await town.queryStore.query({ type: 'user', id: user })) as UserRecord).commands;

    it('a starting user gets the answers to its commands as they were given, newest first, beside those of the ledger', async () => {
      const [officer, civilian] = [await person('officer'), await person()];
      const refused = refuse(409, 'zero \0, half \ud800, "quoted"');
      await codes(answer(officer, 'a'));
      const idempotency = { userId: officer, key: 'moved', requestHash: 'bb' };
      await town.commitStore.commit([
        at(SHARD, epoch, encounter(town.uuid(), officer, civilian, { idempotency })),
      ]);
      await codes(answer(officer, 'b', { requestHash: 'cc', result: refused }));
      expect(await commands(officer)).toMatchObject([
        { key: 'b', requestHash: 'cc', result: refused },
        { key: 'moved', requestHash: 'bb', points: 5 },
        { key: 'a', requestHash: 'aa', result: { ok: true, value: { untilS: 5 } } },
      ]);
      expect(await commands(civilian)).toEqual([]);
    });

    it('an answer under a key that is there already takes its place', async () => {
      const user = await person();
      await codes(answer(user, 'a'), answer(user, 'a', { result: ok({ untilS: 6 }) }));
      expect(await commands(user)).toMatchObject([{ key: 'a', result: { value: { untilS: 6 } } }]);
    });

    it('a starting user gets the newest 64, and the latest key of all; the store knows the others', async () => {
      const user = await person();
      const keyAt = (ms: number): string => uuidv7(ms, new Uint8Array(10));
      const [early, late] = [keyAt(1_000), keyAt(3_000)];
      await codes(answer(user, early), answer(user, late, { requestHash: 'cc' }));
      const recordOf = async () => (await town.queryStore.query({ type: 'user', id: user })) as UserRecord;
      for (let i = 0; i < 61; i++) await codes(answer(user, keyAt(2_000 + i)));
      expect(await recordOf()).toMatchObject({ latestKey: null, commands: { length: 63 } });
      for (const key of ['zz', keyAt(2_999)]) await codes(answer(user, key));
      const record = await recordOf();
      expect([record.latestKey, record.commands.length]).toEqual([late, 64]);
      expect(record.commands.slice(0, 2).map(one => one.key)).toEqual([keyAt(2_999), 'zz']);
      expect(record.commands.some(one => one.key === early)).toBe(false);
      expect(await command(user, early)).toEqual({
        ...{ key: early, requestHash: 'aa', result: { ok: true, value: { untilS: 5 } } },
      });
      expect(await command(user, late)).toMatchObject({ requestHash: 'cc' });
      expect(await command(user, keyAt(9_000))).toBeNull();
      expect(await command(await person(), early)).toBeNull();
    });

    it('what is asked for by its key may be a movement, and an answer goes before it', async () => {
      const [officer, civilian] = [await person('officer'), await person()];
      const idempotency = { userId: officer, key: 'moved', requestHash: 'bb' };
      const op = encounter(town.uuid(), officer, civilian, { idempotency });
      await town.commitStore.commit([at(SHARD, epoch, op)]);
      const moved = { requestHash: 'bb', reason: 'encounter', encounterId: op.id, points: 5, balance: 5 };
      expect(await command(officer, 'moved')).toMatchObject(moved);
      expect(await command(civilian, 'moved')).toBeNull();
      await codes(answer(officer, 'moved'));
      expect(await command(officer, 'moved')).toMatchObject({ requestHash: 'aa', result: { ok: true } });
    });

    it('keeps the newest ones, and not many more', async () => {
      const user = await person();
      const { keep, keepMore } = ANSWER_LIMITS;
      const many = Array.from({ length: keep + 2 * keepMore }, (_, i) => answer(user, `k${i}`));
      for (let i = 0; i < many.length; i += keepMore) await codes(...many.slice(i, i + keepMore));
      const kept = (await town.noteStore.lookup(many)).map(one => one !== null);
      expect(kept.slice(-keep).every(Boolean)).toBe(true);
      expect(kept.filter(Boolean).length).toBeLessThanOrEqual(keep + keepMore);
    });

    it('timers, events and answers of one group each get their own outcome, in order', async () => {
      const user = await person();
      const timer = {
        ...({ type: 'timer', kind: 'user', name: 't', dueAtMs: 7, onlyDueAtMs: null, message: {} } as const),
        ...{ id: town.uuid(), actor: user },
      };
      const event = (n: number) => ({
        ...({ type: 'event', after: 0, lineage: 0, about: null } as const),
        ...{ id: town.uuid(), user, n, frame: Uint8Array.of(n) },
      });
      const ops = [answer(user, 'a'), event(2), timer, event(1), answer(user, '')];
      expect(await codes(...ops)).toEqual([
        'created',
        'exists_with_different_payload',
        'created',
        'created',
        'invalid',
      ]);
      expect((await town.noteStore.lookup(ops)).map(one => one?.code ?? null)).toEqual([
        'exists',
        null,
        'exists',
        'exists',
        null,
      ]);
      const stale = await town.noteStore.commit([
        at(SHARD, epoch, answer(user, 'now')),
        at(SHARD, epoch - 1, answer(user, 'old')),
      ]);
      expect(stale.map(one => one.code)).toEqual(['created', 'stale_epoch']);
      expect((await commands(user)).map(one => one.key)).toEqual(['now', 'a']);
    });

    it('refuses what makes no sense', async () => {
      const user = await person();
      const wrong = [
        answer('nobody', 'a'),
        answer(user, 'x'.repeat(ANSWER_LIMITS.keyMax + 1)),
        answer(user, 'a\0'),
        answer(user, 'a', { requestHash: '' }),
        answer(user, 'a', { result: ok('x'.repeat(ANSWER_LIMITS.resultBytes)) }),
      ];
      expect(await codes(...wrong)).toEqual(wrong.map(() => 'invalid'));
      expect((await town.commitStore.commit([at(SHARD, epoch, answer(user, 'a'))]))[0]?.code).toBe('invalid');
      expect(await commands(user)).toEqual([]);
    });
  });
}
