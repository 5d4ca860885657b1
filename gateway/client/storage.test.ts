import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ERROR, ok } from '../../protocol/errors.ts';
import { encodeReply } from '../../protocol/messages.ts';
import { browserStorage, keyedStorage, memoryStorage, readRecord, type Storage } from './storage.ts';
import { connected, EPOCH_A, EPOCH_B, ID, phone } from './testing/phone.ts';
import type { Outcome } from './types.ts';

/** What outlives the process, and in which order. */

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const KEY = '01900000-0000-4000-8000-00000000000f';
const offsetIn = (record: string | null): number | undefined =>
  readRecord(record, 'phone-1')?.position?.offset;

describe('the place', () => {
  test('is stored behind the handler, also one that takes its time; the next event waits for both', async () => {
    const storage = memoryStorage();
    const { client, line } = await connected({ storage });
    const heard: number[] = [];
    let finish = () => {};
    client.on('sharing.ended', (_, { offset }) => {
      heard.push(offset);
      return new Promise<void>(done => {
        finish = done;
      });
    });
    line().event(1);
    line().event(2);
    expect(heard).toEqual([1]);
    expect([client.position!.offset, offsetIn(storage.record)]).toEqual([0, 0]);
    finish();
    await vi.advanceTimersByTimeAsync(0);
    expect([heard, client.position!.offset, offsetIn(storage.record)]).toEqual([[1, 2], 1, 1]);
    finish();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(offsetIn(storage.record)).toBe(2);
    expect(line().of('ack')).toEqual([{ type: 'ack', offset: 2 }]);
  });

  test('a next run goes on from there; a resume given by hand goes before it', async () => {
    const storage = memoryStorage();
    const first = await connected({ storage });
    first.line().event(1);
    const second = phone({ storage });
    second.client.connect();
    await vi.advanceTimersByTimeAsync(0);
    second.line().open();
    expect(second.line().of('hello')[0]!.resume).toEqual({ sessionId: ID, epoch: EPOCH_A, offset: 1 });
    second.line().welcome(EPOCH_A, 2, true);
    second.line().event(1);
    second.line().event(2);
    expect(second.offsets()).toEqual([2]);
    const resume = { sessionId: ID, epoch: EPOCH_B, offset: 9 };
    const third = phone({ storage, resume });
    third.client.connect();
    await vi.advanceTimersByTimeAsync(0);
    third.line().open();
    expect(third.line().of('hello')[0]!.resume).toEqual(resume);
  });

  test('WELCOME without a resume moves nothing: only its snapshot does', async () => {
    const storage = memoryStorage();
    const { client, line } = await connected({ storage });
    line().event(1);
    line().drop(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    line().open();
    line().greet(EPOCH_B, 7, false);
    expect(client.position).toMatchObject({ epoch: EPOCH_A, offset: 1 });
    line().drop(1006);
    await vi.advanceTimersByTimeAsync(2_000);
    line().open();
    expect(line().of('hello')[0]!.resume).toMatchObject({ epoch: EPOCH_A, offset: 1 });
    line().greet(EPOCH_B, 8, false);
    line().snapshot(8);
    expect(client.position).toMatchObject({ epoch: EPOCH_B, offset: 8 });
    expect(offsetIn(storage.record)).toBe(8);
  });

  test('a snapshot whose handler is under way has not been delivered either', async () => {
    const { client, line } = await connected();
    line().drop(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    let finish = () => {};
    client.on('resync', () => new Promise<void>(done => (finish = done)));
    line().open();
    line().welcome(EPOCH_B, 8, false);
    line().event(9);
    expect(client.position).toMatchObject({ epoch: EPOCH_A, offset: 0 });
    finish();
    await vi.advanceTimersByTimeAsync(0);
    expect(client.position).toMatchObject({ epoch: EPOCH_B, offset: 9 });
  });

  test('an event where its snapshot should be is not taken: back, and everything anew', async () => {
    const { line, lines, offsets } = await connected();
    line().drop(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    line().open();
    line().greet(EPOCH_B, 0, false);
    line().event(1);
    expect(offsets()).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(lines).toHaveLength(3);
    line().open();
    expect(line().of('hello')[0]!.resume).toBeNull();
  });

  test('an event that is missing for good ends in a snapshot, not in a circle', async () => {
    const { line, everything } = await connected();
    line().event(2);
    await vi.advanceTimersByTimeAsync(4_000);
    line().open();
    expect(line().of('hello')[0]!.resume).toMatchObject({ offset: 0 });
    line().welcome(EPOCH_A, 2, true);
    line().event(2);
    await vi.advanceTimersByTimeAsync(4_000);
    line().open();
    expect(line().of('hello')[0]!.resume).toBeNull();
    line().welcome(EPOCH_A, 2, false);
    expect(everything.map(one => one.name)).toEqual(['snapshot', 'snapshot']);
  });

  test('an app that is too slow for its events gets them later: none is lost, memory is bounded', async () => {
    const { client, line, lines, offsets } = await connected();
    let finish = () => {};
    const off = client.on('sharing.ended', () => new Promise<void>(done => (finish = done)));
    for (let offset = 1; offset <= 300; offset++) line().event(offset);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(lines).toHaveLength(2);
    off();
    finish();
    await vi.advanceTimersByTimeAsync(0);
    expect(offsets()).toHaveLength(257);
    line().open();
    expect(line().of('hello')[0]!.resume).toMatchObject({ offset: 257 });
    line().welcome(EPOCH_A, 300, true);
    for (let offset = 258; offset <= 300; offset++) line().event(offset);
    expect(offsets()).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  });
});

describe('the record with the app', () => {
  test('delivery.record() is what the storage holds once the event is done', async () => {
    const storage = memoryStorage();
    const { client, line } = await connected({ storage });
    let own: string | null = null;
    client.on('event', async (_, delivery) => {
      await Promise.resolve();
      own = delivery.record();
    });
    line().event(1);
    await vi.advanceTimersByTimeAsync(0);
    expect(offsetIn(own)).toBe(1);
    expect(offsetIn(storage.record)).toBe(1);
  });

  test('nothing older is written while a handler may be writing it', async () => {
    const written: (number | undefined)[] = [];
    let record: string | null = null;
    const storage: Storage = {
      get: () => record,
      set: async next => {
        await new Promise(done => setTimeout(done, 10));
        written.push(offsetIn(next));
        record = next;
      },
    };
    const { client, line } = await connected({ storage });
    await vi.advanceTimersByTimeAsync(100);
    client.on('sharing.ended', async (_, __, delivery) => {
      record = delivery.record();
      written.push(offsetIn(record));
      await new Promise(done => setTimeout(done, 100));
    });
    void client.command('location.share', {});
    line().event(1);
    await vi.advanceTimersByTimeAsync(50);
    void client.command('location.share', {});
    await vi.advanceTimersByTimeAsync(1_000);
    expect(written.slice(written.indexOf(1)).every(offset => offset === 1)).toBe(true);
    expect(line().of('command')).toHaveLength(2);
    client.close();
  });
});

describe('commands', () => {
  test('what changes something is stored before it is said, and said again by the next run with its key', async () => {
    const said: string[] = [];
    const storage = memoryStorage();
    const { set } = storage;
    storage.set = record => {
      said.push(`stored ${readRecord(record, 'phone-1')!.commands.length}`);
      set.call(storage, record);
    };
    const first = await connected({ storage });
    said.length = 0;
    const { send } = first.line();
    first.line().send = data => {
      said.push('sent');
      send.call(first.line(), data);
    };
    void first.client.command('hey.say', { officerId: ID }, { idem: KEY.toUpperCase(), timeoutMs: 60_000 });
    expect(said).toEqual(['stored 1', 'sent']);

    await vi.advanceTimersByTimeAsync(10_000);
    const outcomes: Outcome[] = [];
    const next = phone({ storage });
    next.client.on('outcome', outcome => outcomes.push(outcome));
    next.client.connect();
    await vi.advanceTimersByTimeAsync(0);
    next.line().open();
    next.line().welcome(EPOCH_A, 0, true);
    const again = next.line().of('command');
    expect(again).toMatchObject([{ idem: KEY, op: 20 }]);
    const joined = next.client.command('hey.say', { officerId: ID }, { idem: KEY });
    next.line().say(encodeReply('hey.say', again[0]!.cid, { heyId: ID, expiresS: 3 }));
    expect(await joined).toEqual(ok({ heyId: ID, expiresS: 3 }));
    expect(next.line().of('command')).toHaveLength(1);
    expect(outcomes).toMatchObject([
      { name: 'hey.say', body: { officerId: ID }, idem: KEY, result: { ok: true } },
    ]);
    expect(readRecord(storage.record, 'phone-1')!.commands).toEqual([]);
  });

  test('said in a listener they are not stored; killed before it is over, the next run says them with the same keys', async () => {
    const storage = memoryStorage();
    const run = async (deviceId = 'phone-1') => {
      const one = phone({ storage, deviceId });
      one.client.on('sharing.ended', async () => {
        void one.client.command('location.share', {});
        await Promise.resolve();
        void one.client.command('location.share', {});
        void one.client.command('instant.set', { on: true });
        await new Promise(() => {}); // killed here
      });
      one.client.connect();
      await vi.advanceTimersByTimeAsync(0);
      one.line().open();
      one.line().welcome();
      void one.client.command('location.share', {});
      one.line().event(1);
      await vi.advanceTimersByTimeAsync(0);
      return one
        .line()
        .of('command')
        .map(({ idem }) => idem);
    };
    const first = await run();
    expect(new Set(first).size).toBe(4);
    expect(readRecord(storage.record, 'phone-1')!.commands.map(({ idem }) => idem)).toEqual([first[0]]);
    storage.record = null;
    const [fresh, ...again] = await run();
    expect(fresh).not.toBe(first[0]);
    expect(again).toEqual(first.slice(1));
    // another device of the account speaks for itself
    expect((await run('phone-2')).some(idem => first.includes(idem))).toBe(false);
  });

  test('behind a listener keys are fresh again', async () => {
    const run = async () => {
      const { client, line } = await connected();
      client.on('sharing.ended', () => void client.command('location.share', {}));
      line().event(1);
      void client.command('location.share', {});
      return line().of('command');
    };
    const [first, second] = [await run(), await run()];
    expect(first[0]!.idem).toBe(second[0]!.idem);
    expect(first[1]!.idem).not.toBe(second[1]!.idem);
  });

  test('its deadline is over while there is no process: the outcome is unknown, and said so', async () => {
    const storage = memoryStorage();
    const first = await connected({ storage });
    first.line().drop(1006);
    void first.client.command('location.share', {}, { timeoutMs: 9_999_999 });
    vi.setSystemTime(Date.now() + 301_000);
    const next = phone({ storage });
    const outcomes: Outcome[] = [];
    next.client.on('outcome', outcome => outcomes.push(outcome));
    next.client.connect();
    await vi.advanceTimersByTimeAsync(0);
    expect(outcomes).toMatchObject([{ name: 'location.share', result: { code: ERROR.timeout } }]);
  });

  test('a storage that reads late is not written over before', async () => {
    const kept = memoryStorage();
    const first = await connected({ storage: kept });
    first.line().event(1);
    void first.client.command('location.share', {}, { idem: KEY, timeoutMs: 60_000 });
    const slow: Storage = {
      get: () => new Promise(done => setTimeout(() => done(kept.record), 500)),
      set: record => kept.set(record),
    };
    const next = phone({ storage: slow });
    next.client.connect();
    void next.client.command('instant.set', { on: true }, { timeoutMs: 60_000 });
    await vi.advanceTimersByTimeAsync(400);
    expect(readRecord(kept.record, 'phone-1')!.commands).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    next.line().open();
    next.line().welcome(EPOCH_A, 1, true);
    expect(next.line().of('command')).toHaveLength(2);
    expect(next.line().of('hello')[0]!.resume).toMatchObject({ offset: 1 });
  });
});

describe('storages', () => {
  test('one that fails is a problem, not an end; nothing is acknowledged that was not stored', async () => {
    let broken = false;
    const storage: Storage = {
      get: () => null,
      set: () => {
        if (broken) throw new Error('quota exceeded');
      },
    };
    const { client, line, offsets } = await connected({ storage });
    const problems: string[] = [];
    client.on('problem', ({ message }) => problems.push(message));
    broken = true;
    line().event(1);
    line().event(2);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(offsets()).toEqual([1, 2]);
    expect(problems).toEqual(Array(2).fill('the storage failed: quota exceeded'));
    expect(line().of('ack')).toEqual([{ type: 'ack', offset: 0 }]);
    broken = false;
    line().event(3);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(line().of('ack').at(-1)).toEqual({ type: 'ack', offset: 3 });
  });

  test('one that cannot be read yet is tried again before anything is said', async () => {
    let broken = true;
    const kept = memoryStorage();
    const storage: Storage = {
      get: () => {
        if (broken) throw new Error('locked');
        return kept.record;
      },
      set: record => kept.set(record),
    };
    const { client, lines, states } = phone({ storage });
    client.connect();
    await vi.advanceTimersByTimeAsync(0);
    expect(states.at(-1)).toMatchObject({ state: 'suspended', reason: 'locked' });
    broken = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(lines).toHaveLength(1);
    client.close();
  });

  test.each([
    ['', null],
    ['{', null],
    ['null', null],
    ['{"v":2,"deviceId":"phone-1","position":null,"commands":[]}', null],
    ['{"v":1,"deviceId":"another","position":null,"commands":[]}', null],
    [
      '{"v":1,"deviceId":"phone-1","position":{"sessionId":"x","epoch":"y","offset":1}}',
      { position: null, commands: [] },
    ],
    [
      '{"v":1,"deviceId":"phone-1","position":null,"commands":[1,{"name":"x"}]}',
      { position: null, commands: [] },
    ],
  ])('a record that is none is as good as none: %s', (text, expected) => {
    expect(readRecord(text, 'phone-1')).toEqual(expected);
  });

  test('who signs out leaves nothing, and the next account begins anew', async () => {
    const storage = memoryStorage();
    const { client, line } = await connected({ storage });
    line().event(1);
    client.forget();
    expect(storage.record).toBeNull();
    expect(client.position).toBeNull();
    client.connect();
    await vi.advanceTimersByTimeAsync(0);
    line().open();
    expect(line().of('hello')[0]!.resume).toBeNull();
    client.close();
  });

  test('browser storage and stores with promises keep it under a key', async () => {
    const map = new Map<string, string>();
    const web = {
      getItem: (key: string) => map.get(key) ?? null,
      setItem: (key: string, value: string) => void map.set(key, value),
      removeItem: (key: string) => void map.delete(key),
    };
    const later = {
      getItem: async (key: string) => web.getItem(key),
      setItem: async (key: string, value: string) => web.setItem(key, value),
      removeItem: async (key: string) => web.removeItem(key),
    };
    for (const storage of [browserStorage('k', web), keyedStorage('k', later)]) {
      expect(await storage.get()).toBeNull();
      await storage.set('record');
      expect(map.get('k')).toBe('record');
      expect(await storage.get()).toBe('record');
      await storage.set(null);
      expect(map.size).toBe(0);
    }
  });
});
