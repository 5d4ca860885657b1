/** In mode `coarse` no position leaves the phone, only the middle of its cell; whatever is lost or started anew. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { coarseOf } from '../../protocol/coarse.ts';
import { ERROR } from '../../protocol/errors.ts';
import { encodeEvent, encodeReply } from '../../protocol/messages.ts';
import { memoryStorage } from './storage.ts';
import { EPOCH_A, ID, phone } from './testing/phone.ts';

const HERE = { lat: 40.7306123, lng: -73.9866456, accuracyM: 5, headingDeg: 90, speedMps: 1.5 };
const SHARP = { latE7: 407_306_123, lngE7: -739_866_456 };
const COARSE = coarseOf(SHARP);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function opened(options: Parameters<typeof phone>[0] = {}) {
  const made = phone(options);
  made.client.connect();
  await vi.advanceTimersByTimeAsync(0);
  made.line().open();
  return made;
}

/** Where the phone says that it is. */
async function said({ client, line }: ReturnType<typeof phone>): Promise<object[]> {
  await vi.advanceTimersByTimeAsync(1_000);
  const before = line().of('location').length;
  client.location(HERE);
  await vi.advanceTimersByTimeAsync(1_000);
  return line().of('location').slice(before);
}

const snapshot = (mode: 'coarse' | 'precise'): Uint8Array =>
  encodeEvent('snapshot', 0, ID, {
    userId: ID,
    kind: 'civilian',
    handle: 'ana',
    sharing: true,
    sharingUntilS: 0,
    instant: false,
    balance: 0,
    balanceVersion: 0,
    encounterCount: 0,
    encounters: [],
    mode,
    hub: null,
    reserved: 0,
    redemptions: [],
  });

test('from the moment at which the app says it, until another mode is answered', async () => {
  const made = await opened();
  const { client, line } = made;
  line().welcome();
  expect(await said(made)).toMatchObject([{ ...SHARP, accuracyDm: 50, headingDeg: 90 }]);
  const cid = (): number => line().of('command').at(-1)!.cid;
  const coarse = { ...COARSE, accuracyDm: 14_482, headingDeg: null, speedDms: null };
  void client.command('location.mode', { mode: 'coarse' });
  expect(await said(made)).toMatchObject([coarse]);
  line().say(encodeReply('location.mode', cid(), { mode: 'coarse', untilS: 0 }));
  expect(await said(made)).toMatchObject([coarse]);
  void client.command('location.share', {});
  expect(await said(made)).toMatchObject([coarse]);
  line().say(encodeReply('location.share', cid(), { untilS: 0 }));
  expect(await said(made)).toMatchObject([SHARP]);
});

test('refused, it is as before; without an answer, it is coarse', async () => {
  const made = await opened();
  const { client, line } = made;
  line().welcome();
  void client.command('location.mode', { mode: 'coarse' });
  const { cid } = line().of('command').at(-1)!;
  line().say({ type: 'error', cid, code: ERROR.forbidden, message: 'x', retryable: false, retryAfterMs: 0 });
  expect(await said(made)).toMatchObject([SHARP]);
  void client.command('location.mode', { mode: 'coarse' }, { timeoutMs: 1_500 });
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await said(made)).toMatchObject([COARSE]);
});

test('a phone that starts waits for the snapshot, which says the mode', async () => {
  for (const mode of ['coarse', 'precise'] as const) {
    const { client, line } = await opened();
    client.location(HERE);
    line().greet();
    await vi.advanceTimersByTimeAsync(100);
    expect(line().of('location')).toEqual([]);
    line().say(snapshot(mode));
    expect(line().of('location')).toMatchObject([mode === 'coarse' ? COARSE : SHARP]);
  }
});

test('an app that was killed and resumes knows it from its record', async () => {
  const storage = memoryStorage();
  const first = await opened({ storage });
  first.line().greet();
  first.line().say(snapshot('coarse'));
  await vi.advanceTimersByTimeAsync(100);
  const next = await opened({ storage: memoryStorage(storage.record) });
  next.line().greet(EPOCH_A, 0, true);
  expect(await said(next)).toMatchObject([COARSE]);
});
