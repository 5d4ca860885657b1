import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CLOSE, ERROR, ok } from '../../protocol/errors.ts';
import { encodeReply, encodeVolatile } from '../../protocol/messages.ts';
import { adviceFor, delayMs } from './reconnect.ts';
import { connected, EPOCH_A, EPOCH_B, ID, phone } from './testing/phone.ts';
import { Unauthorized } from './types.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('idle, connecting, connected: HELLO says who and where it stopped', async () => {
  const resume = { sessionId: ID, epoch: EPOCH_A, offset: 5 };
  const { client, line, states } = phone({ app: 'demo/1', resume });
  expect(client.state).toBe('idle');
  client.connect();
  await vi.advanceTimersByTimeAsync(0);
  line().open();
  expect(line().heard).toEqual([
    { type: 'hello', version: 1, token: 'token', deviceId: 'phone-1', app: 'demo/1', resume },
  ]);
  line().welcome(EPOCH_A, 6, true);
  expect(states.map(one => one.state)).toEqual(['connecting', 'connected']);
  expect(client.position).toEqual(resume);
});

test('a command is answered by name; an error is a value', async () => {
  const { client, line } = await connected();
  const shared = client.command('location.share', {});
  const [command] = line().of('command');
  expect(command!.idem).toMatch(/^[0-9a-f-]{36}$/);
  line().say(encodeReply('location.share', command!.cid, { untilS: 9 }));
  expect(await shared).toEqual(ok({ untilS: 9 }));

  const said = client.command('hey.say', { officerId: ID });
  const { cid } = line().of('command')[1]!;
  line().say({ type: 'error', cid, code: 409, message: 'cooldown', retryable: false, retryAfterMs: 0 });
  expect(await said).toEqual({
    ok: false,
    code: 409,
    message: 'cooldown',
    retryable: false,
    retryAfterMs: 0,
  });
  expect(await client.command('hey.say', { officerId: 'nobody' })).toMatchObject({ code: ERROR.invalid });
});

test('a command without an answer is sent again after a reconnect, with the same key, until its deadline', async () => {
  const { client, lines, line } = await connected();
  const done = client.command('hey.say', { officerId: ID });
  const idem = line().of('command')[0]!.idem;
  line().drop(1006);
  const waiting = client.command('instant.set', { on: true });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(lines).toHaveLength(2);
  line().open();
  expect(line().of('command')).toEqual([]);
  line().welcome(EPOCH_A, 0, true);
  const again = line().of('command');
  expect(again[0]).toMatchObject({ idem });
  line().say(encodeReply('hey.say', again[0]!.cid, { heyId: ID, expiresS: 7 }));
  expect(await done).toEqual(ok({ heyId: ID, expiresS: 7 }));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await waiting).toMatchObject({ ok: false, code: ERROR.timeout, retryable: true });
});

test('a repeat that is refused for now is said until it is known: the first may have happened', async () => {
  const { client, lines, line } = await connected();
  const busy = { type: 'error', code: 503, message: 'busy', retryable: true, retryAfterMs: 2_000 } as const;
  const refused = client.command('location.share', {});
  line().say({ ...busy, cid: line().of('command')[0]!.cid });
  expect(await refused, 'said once: nothing has happened').toMatchObject({ code: 503 });
  const said = client.command('hey.say', { officerId: ID }, { timeoutMs: 20_000 });
  const never = client.command('instant.set', { on: true }, { timeoutMs: 20_000 });
  line().drop(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(lines).toHaveLength(2);
  line().open();
  line().welcome(EPOCH_A, 0, true);
  for (const { cid } of line().of('command')) line().say({ ...busy, cid });
  await vi.advanceTimersByTimeAsync(1_900);
  expect(line().of('command')).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(200);
  const again = line().of('command').slice(2);
  expect(again.map(one => one.idem)).toEqual(
    line()
      .of('command')
      .slice(0, 2)
      .map(one => one.idem),
  );
  line().say(encodeReply('hey.say', again[0]!.cid, { heyId: ID, expiresS: 7 }));
  expect(await said).toEqual(ok({ heyId: ID, expiresS: 7 }));
  line().say({ ...busy, cid: again[1]!.cid });
  client.close();
  expect(await never).toMatchObject({ code: ERROR.timeout });
});

test('no more than fifty commands wait', async () => {
  const { client } = await connected();
  const all = Array.from({ length: 51 }, () => client.command('state.get', {}));
  expect(await all[50]).toMatchObject({ code: ERROR.unavailable, retryable: true });
  client.close();
  expect(await all[0]).toMatchObject({ code: ERROR.unavailable });
});

test('events come once and in order, are acknowledged after 16 or 2 s, and move the position', async () => {
  const { client, line, messages } = await connected();
  const reasons: string[] = [];
  client.on('sharing.ended', ({ reason }, { offset }) => reasons.push(`${offset} ${reason}`));
  line().event(1);
  line().event(2, 'stopped');
  line().event(1);
  expect(reasons).toEqual(['1 timeout', '2 stopped']);
  expect(messages).toHaveLength(2);
  expect(line().of('ack')).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(line().of('ack')).toEqual([{ type: 'ack', offset: 2 }]);
  for (let offset = 3; offset <= 18; offset++) line().event(offset);
  expect(line().of('ack').at(-1)).toEqual({ type: 'ack', offset: 18 });
  expect(client.position).toEqual({ sessionId: ID, epoch: EPOCH_A, offset: 18 });
});

test('replayed events are not given twice; a new epoch starts with its snapshot', async () => {
  const { client, line, messages, everything } = await connected();
  line().event(1);
  line().event(2);
  line().drop(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  line().open();
  expect(line().of('hello')[0]!.resume).toEqual({ sessionId: ID, epoch: EPOCH_A, offset: 2 });
  line().welcome(EPOCH_A, 3, true);
  line().event(2);
  line().event(3);
  expect(messages.map(one => 'offset' in one && one.offset)).toEqual([1, 2, 3]);
  line().drop(4102);
  await vi.advanceTimersByTimeAsync(2_000);
  line().open();
  line().welcome(EPOCH_B, 1, false);
  line().event(1);
  line().event(2);
  expect(everything.slice(4).map(one => one.name)).toEqual(['snapshot', 'sharing.ended']);
  expect(client.position).toMatchObject({ epoch: EPOCH_B, offset: 2 });
});

test('a listener that throws does not lose the event for the others', async () => {
  const { client, line, messages } = await connected();
  const uncaught: unknown[] = [];
  const surface = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(run => {
    try {
      run();
    } catch (error) {
      uncaught.push(error);
    }
  });
  client.on('sharing.ended', () => {
    throw new Error('the app is broken');
  });
  line().event(1);
  surface.mockRestore();
  expect(uncaught).toHaveLength(1);
  expect(messages).toHaveLength(1);
});

test('of volatile frames an older version is dropped, and a gone thing is null', async () => {
  const { line, messages } = await connected();
  line().say(encodeVolatile('report.next', 'me', 5, { periodS: 15 }));
  line().say(encodeVolatile('report.next', 'me', 4, { periodS: 60 }));
  line().say(encodeVolatile('area.officers', 'c1', 1, null));
  expect(messages.map(one => one.body)).toEqual([{ periodS: 15 }, null]);
});

test('of positions the newest wins, at the pace that the server allows, rising', async () => {
  const { client, line } = await connected();
  for (const lat of [1, 2, 3]) client.location({ lat, lng: 4, accuracyM: 2.5, speedMps: 1.24 });
  await vi.advanceTimersByTimeAsync(499);
  expect(line().of('location')).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  const [first, second] = line().of('location');
  expect(first).toMatchObject({ latE7: 10_000_000, lngE7: 40_000_000, accuracyDm: 25, speedDms: 12 });
  expect(second).toMatchObject({ latE7: 30_000_000, headingDeg: null, takenAtMs: null });
  expect(second!.seq).toBeGreaterThan(first!.seq);
});

test('a position says that it is simulated, and which answers are wanted', async () => {
  const each = await connected();
  each.client.location({ lat: 1, lng: 1, accuracyM: 1, simulated: true });
  const changes = await connected({ locationAnswers: 'changes' });
  changes.client.location({ lat: 1, lng: 1, accuracyM: 1 });
  changes.client.location({ lat: 2, lng: 1, accuracyM: 1, simulated: true });
  await vi.advanceTimersByTimeAsync(500);
  const flags = [each, changes].flatMap(one =>
    one
      .line()
      .of('location')
      .map(location => location.flags),
  );
  expect(flags).toEqual([1, 2, 3]);
});

test('without a connection one position is kept, and an old one is forgotten', async () => {
  const { client, line } = await connected();
  line().drop(1006);
  client.location({ lat: 1, lng: 1, accuracyM: 1 });
  client.location({ lat: 2, lng: 1, accuracyM: 1 });
  await vi.advanceTimersByTimeAsync(1_000);
  line().open();
  line().welcome(EPOCH_A, 0, true);
  expect(
    line()
      .of('location')
      .map(one => one.latE7),
  ).toEqual([20_000_000]);
  line().drop(1006);
  client.location({ lat: 3, lng: 1, accuracyM: 1 });
  await vi.advanceTimersByTimeAsync(14_000);
  line().open();
  line().welcome(EPOCH_A, 0, true);
  expect(line().of('location')).toEqual([]);
  const problems: number[] = [];
  client.on('problem', one => problems.push(one.code));
  client.location({ lat: Number.NaN, lng: 1, accuracyM: 1 });
  line().say({ type: 'error', cid: 0, code: 422, message: 'x', retryable: false, retryAfterMs: 0 });
  expect(problems).toEqual([ERROR.invalid, 422]);
});

test.each([
  [4000, 'stop'],
  [4004, 'stop'],
  [4042, 'stop'],
  [1009, 'stop'],
  [1000, 'stop'],
  [4002, 'newToken'],
  [4101, 'backoff'],
  [4150, 'backoff'],
  [1006, 'backoff'],
  [1001, 'backoff'],
  [1013, 'busy'],
  [1012, 'soon'],
  [4250, 'soon'],
] as const)('close code %i means %s', (code, advice) => {
  expect(adviceFor(code)).toBe(advice);
});

test('the wait is jittered from the first attempt on, grows to 30 s, and a busy server gets five seconds', () => {
  expect([0, 1, 2, 9].map(n => delayMs('backoff', n, 0, 1))).toEqual([1_000, 2_000, 4_000, 30_000]);
  expect(delayMs('backoff', 0, 0, 0.1)).toBe(100);
  expect(delayMs('busy', 0, 0, 0)).toBe(5_000);
  expect(delayMs('soon', 2, 4_000, 0.25)).toBe(1_000);
  expect(delayMs('soon', 7, 4_000, 0.25)).toBe(7_500);
});

test('a refused connection that never says close is a loss too', async () => {
  const { client, line, states } = phone();
  client.connect();
  await vi.advanceTimersByTimeAsync(0);
  line().onerror?.(undefined as never);
  await vi.advanceTimersByTimeAsync(50);
  expect(states.at(-1)).toMatchObject({ state: 'suspended', code: 1006, willRetryInMs: 500 });
});

test('it comes back after a loss, says how long it waits, and slows down only while it fails', async () => {
  const { line, states } = await connected();
  line().drop(CLOSE.restart);
  expect(states.at(-1)).toEqual({ state: 'suspended', code: 1012, reason: '', willRetryInMs: 2_000 });
  await vi.advanceTimersByTimeAsync(2_000);
  line().drop(1006);
  expect(states.at(-1)).toMatchObject({ willRetryInMs: 1_000 });
  await vi.advanceTimersByTimeAsync(1_000);
  line().drop(1006);
  expect(states.at(-1)).toMatchObject({ willRetryInMs: 2_000 });
  await vi.advanceTimersByTimeAsync(2_000);
  line().open();
  line().welcome();
  await vi.advanceTimersByTimeAsync(25_000);
  line().say({ type: 'pong', n: 1 });
  await vi.advanceTimersByTimeAsync(6_000);
  line().drop(1006);
  expect(states.at(-1)).toMatchObject({ willRetryInMs: 500 });
});

test('a refused token is replaced once; a second refusal is final', async () => {
  const reasons: string[] = [];
  const { client, line } = phone({
    getToken: reason => {
      reasons.push(reason);
      return `token-${reasons.length}`;
    },
  });
  client.connect();
  await vi.advanceTimersByTimeAsync(0);
  line().drop(CLOSE.badToken);
  await vi.advanceTimersByTimeAsync(0);
  line().open();
  expect(line().of('hello')[0]!.token).toBe('token-2');
  line().drop(CLOSE.badToken);
  expect(reasons).toEqual(['connect', 'refused']);
  expect(client.state).toBe('closed');
});

test('an expired token asks for a new one, as often as it takes; a resync forgets where it was', async () => {
  const reasons: string[] = [];
  const getToken = (reason: string) => {
    reasons.push(reason);
    return `token-${reasons.length}`;
  };
  const { line } = await connected({ getToken });
  line().drop(CLOSE.tokenExpired);
  await vi.advanceTimersByTimeAsync(500);
  line().drop(CLOSE.tokenExpired);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(reasons).toEqual(['connect', 'refused', 'refused']);
  line().open();
  expect(line().of('hello')[0]!.resume).not.toBeNull();
  line().welcome();
  line().drop(CLOSE.resyncNeeded);
  await vi.advanceTimersByTimeAsync(4_000);
  line().open();
  expect(line().of('hello')[0]!.resume).toBeNull();
});

test('nobody signed in is final; any other failure to get a token is tried again', async () => {
  let fail: Error | null = new Error('offline');
  const { client, lines, states } = phone({
    getToken: () => {
      if (fail) throw fail;
      return 'token';
    },
  });
  client.connect();
  await vi.advanceTimersByTimeAsync(0);
  expect(states.at(-1)).toMatchObject({ state: 'suspended', reason: 'offline' });
  fail = null;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(lines).toHaveLength(1);
  fail = new Unauthorized();
  lines[0]!.drop(1006);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(client.state).toBe('closed');
});

test('a token that is about to expire is renewed in place', async () => {
  const { line } = await connected({ getToken: reason => `for ${reason}` });
  line().say({ type: 'tokenExpiring', ttlS: 180 });
  await vi.advanceTimersByTimeAsync(0);
  expect(line().of('command')[0]).toMatchObject({ op: 1, body: ['for expiring'], idem: null });
});

test('silence is tested by PING, and a dead connection is given up without its close event', async () => {
  const { line, lines, states } = await connected();
  await vi.advanceTimersByTimeAsync(25_000);
  expect(line().of('ping')).toHaveLength(1);
  line().say({ type: 'pong', n: 1 });
  await vi.advanceTimersByTimeAsync(25_000);
  expect(line().of('ping')).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(states.at(-1)).toMatchObject({ state: 'suspended', code: CLOSE.heartbeatLost });
  lines[0]!.event(1);
  expect(lines[0]!.closed).toBe(CLOSE.heartbeatLost);
});

test('coming to the front proves the connection within three seconds, and says so', async () => {
  const { client, line, states } = await connected();
  client.setForeground(false);
  client.setForeground(true);
  expect(
    line()
      .of('clientState')
      .map(one => one.foreground),
  ).toEqual([false, true]);
  expect(line().of('ping')).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(states.at(-2)).toMatchObject({ state: 'suspended', code: CLOSE.heartbeatLost, willRetryInMs: 0 });
  expect(client.state).toBe('connecting');
});

test('the state of the app is said again after a reconnect', async () => {
  const { client, line } = await connected();
  client.setForeground(false);
  line().drop(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  line().open();
  line().welcome();
  expect(line().of('clientState')).toEqual([{ type: 'clientState', foreground: false }]);
});

test('frames of a later version are ignored; nonsense ends the connection', async () => {
  const { client, line } = await connected();
  line().say(new Uint8Array([0x92, 99, 1]));
  expect(client.state).toBe('connected');
  line().say(new Uint8Array([0xc1]));
  expect(client.state).toBe('suspended');
});

test('closed is closed: nothing comes after, and nothing is left running', async () => {
  const { client, line, states, messages } = await connected();
  line().event(1);
  client.location({ lat: 1, lng: 1, accuracyM: 1 });
  client.location({ lat: 1, lng: 1, accuracyM: 1 });
  const waiting = client.command('state.get', {});
  client.close();
  expect(await waiting).toMatchObject({ code: ERROR.unavailable });
  expect(vi.getTimerCount()).toBe(0);
  line().drop(1000);
  line().event(2);
  expect(messages).toHaveLength(1);
  expect(states.at(-1)).toMatchObject({ state: 'closed', code: 1000 });
});

const NODES = ['ws://a/v1/ws', 'ws://b/v1/ws', 'ws://c/v1/ws'];

test('of several addresses one is chosen by chance, and after each failure comes the next one', async () => {
  const { lines, line } = await connected({ url: NODES });
  expect(line().url).toBe('ws://b/v1/ws');
  line().drop(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  line().drop(1006);
  await vi.advanceTimersByTimeAsync(2_000);
  line().open();
  line().welcome();
  expect(lines.map(one => one.url)).toEqual(['ws://b/v1/ws', 'ws://c/v1/ws', 'ws://a/v1/ws']);
  line().drop(CLOSE.resyncNeeded); // the node is well, only what it knew is gone
  await vi.advanceTimersByTimeAsync(4_000);
  expect(line().url).toBe('ws://a/v1/ws');
  expect(() => phone({ url: [] })).toThrow(TypeError);
});

test('GOAWAY may say where to go; if nobody is there, the own addresses go on in turn', async () => {
  const { lines, line } = await connected({ url: NODES });
  const goaway = {
    type: 'goaway',
    reason: 'restart',
    deadlineMs: 9_000,
    delayMinMs: 0,
    delayMaxMs: 4_000,
  } as const;
  line().say({ ...goaway, url: 'ws://elsewhere/v1/ws' });
  await vi.advanceTimersByTimeAsync(2_001);
  expect(line().url).toBe('ws://elsewhere/v1/ws');
  line().drop(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(line().url).toBe('ws://c/v1/ws');
  expect(lines[0]!.closed).toBeNull();
  line().open();
  line().welcome();
  line().say({ ...goaway, url: null });
  await vi.advanceTimersByTimeAsync(2_001);
  expect(line().url).toBe('ws://a/v1/ws');
});

test('an event that was lost on the way is noticed by the next one, and a resume brings both', async () => {
  const { line, lines, messages } = await connected();
  line().event(1);
  line().event(3);
  expect(messages.map(message => 'offset' in message && message.offset)).toEqual([1]);
  expect(line().closed).toBe(CLOSE.moved);
  await vi.advanceTimersByTimeAsync(4_000);
  expect(lines).toHaveLength(2);
  line().open();
  expect(line().of('hello')[0]!.resume).toEqual({ sessionId: ID, epoch: EPOCH_A, offset: 1 });
  line().welcome(EPOCH_A, 3, true);
  line().event(2);
  line().event(3);
  expect(messages.map(message => 'offset' in message && message.offset)).toEqual([1, 2, 3]);
});
