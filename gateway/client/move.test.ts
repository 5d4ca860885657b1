import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CLOSE, ok } from '../../protocol/errors.ts';
import { encodeReply } from '../../protocol/messages.ts';
import { connected, EPOCH_A, EPOCH_B, ID } from './testing/phone.ts';

/** Moving to another node: the new socket is there before the old one goes. */

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A phone that was told to move; its second socket is open and has said HELLO. */
async function moving() {
  const made = await connected();
  made.line().event(1);
  made.line().goaway(100, 300);
  await vi.advanceTimersByTimeAsync(201);
  const [old, next] = made.lines;
  next!.open();
  return { ...made, old: old!, next: next! };
}

test('GOAWAY: a second socket within the window, the first stays until WELCOME, and the app notices nothing', async () => {
  const made = await connected();
  made.line().goaway(100, 300);
  await vi.advanceTimersByTimeAsync(199);
  expect(made.lines).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2);
  const [old, next] = made.lines;
  next!.open();
  expect(next!.of('hello')[0]!.resume).toEqual({ sessionId: ID, epoch: EPOCH_A, offset: 0 });
  expect(old!.closed).toBeNull();
  next!.welcome(EPOCH_A, 0, true);
  expect(old!.closed).toBe(CLOSE.moved);
  expect(made.states.map(one => one.state)).toEqual(['connecting', 'connected']);
  next!.event(1);
  expect(made.offsets()).toEqual([1]);
});

test('events on both sockets are heard once, whichever brings them first', async () => {
  const { old, next, offsets } = await moving();
  old.event(2);
  old.event(3);
  next.welcome(EPOCH_A, 3, true);
  next.event(2);
  next.event(3);
  old.event(4);
  next.event(4);
  expect(offsets()).toEqual([1, 2, 3, 4]);
});

test('the server replaced the old one already: that is expected, and nothing is lost in between', async () => {
  const { client, old, next, states, offsets } = await moving();
  old.drop(CLOSE.replaced);
  expect(client.state).toBe('connected');
  const shared = client.command('location.share', {});
  next.welcome(EPOCH_A, 2, true);
  next.event(2);
  const { cid } = next.of('command')[0]!;
  next.say(encodeReply('location.share', cid, { untilS: 3 }));
  expect(await shared).toEqual(ok({ untilS: 3 }));
  expect(offsets()).toEqual([1, 2]);
  expect(states.map(one => one.state)).toEqual(['connecting', 'connected']);
});

test('replaced before the second socket said HELLO, it was somebody else: that is final', async () => {
  const made = await connected();
  made.line().goaway();
  await vi.advanceTimersByTimeAsync(1);
  expect(made.lines).toHaveLength(2);
  made.lines[0]!.drop(CLOSE.replaced);
  expect(made.client.state).toBe('closed');
  expect(made.lines[1]!.closed).not.toBeNull();
  expect(vi.getTimerCount()).toBe(0);
});

test('a command under way is answered on whichever socket, once, and said on the new one under the same key', async () => {
  for (const answering of ['old', 'next'] as const) {
    const { client, old, next, states } = await moving();
    const said = client.command('hey.say', { officerId: ID });
    const { cid, idem } = old.of('command')[0]!;
    next.welcome(EPOCH_A, 1, true);
    expect(next.of('command')).toMatchObject([{ cid, idem }]);
    expect(old.closed).toBeNull();
    const reply = encodeReply('hey.say', cid, { heyId: ID, expiresS: 9 });
    if (answering === 'old') old.say(reply);
    else next.say(reply);
    expect(await said).toEqual(ok({ heyId: ID, expiresS: 9 }));
    next.say(encodeReply('hey.say', cid, { heyId: ID, expiresS: 10 }));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(old.closed).toBe(CLOSE.moved);
    expect(states.at(-1)!.state).toBe('connected');
    client.close();
  }
});

test('the new one fails: the old one stays, and the next attempt waits as any other', async () => {
  const { client, old, next, lines, states, offsets } = await moving();
  next.drop(1006);
  old.event(2);
  expect(offsets()).toEqual([1, 2]);
  await vi.advanceTimersByTimeAsync(499);
  expect(lines).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(2);
  expect(lines).toHaveLength(3);
  lines[2]!.open();
  expect(lines[2]!.of('hello')[0]!.resume).toMatchObject({ offset: 2 });
  lines[2]!.drop(CLOSE.tooManySessions);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(lines).toHaveLength(3);
  expect(client.state).toBe('connected');
  old.drop(CLOSE.restart);
  expect(states.at(-1)).toMatchObject({ state: 'suspended', code: CLOSE.restart });
});

test('the deadline comes before the window is over: the wait goes on, then it resumes', async () => {
  const { line, lines, states, client } = await connected();
  line().goaway(4_000, 4_000, 1_000);
  await vi.advanceTimersByTimeAsync(1_000);
  line().drop(CLOSE.restart);
  expect(states.at(-1)).toMatchObject({ state: 'suspended', code: CLOSE.restart, willRetryInMs: 3_000 });
  await vi.advanceTimersByTimeAsync(2_999);
  expect(lines).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2);
  expect(lines).toHaveLength(2);
  lines[1]!.open();
  lines[1]!.welcome(EPOCH_A, 0, true);
  expect(client.state).toBe('connected');
});

test('the old one is gone and then the new one fails as well: suspended, and back', async () => {
  const { old, next, states, lines, client } = await moving();
  old.drop(1006);
  expect(states.at(-1)).toMatchObject({ state: 'connecting', code: 1006 });
  next.drop(1006);
  expect(states.at(-1)).toMatchObject({ state: 'suspended', code: 1006 });
  await vi.advanceTimersByTimeAsync(1_000);
  lines.at(-1)!.open();
  lines.at(-1)!.welcome(EPOCH_A, 1, true);
  expect(client.state).toBe('connected');
});

test('the new node knows nothing: its snapshot replaces all, and what the old one still says does not count', async () => {
  const { old, next, everything, client } = await moving();
  next.greet(EPOCH_B, 0, false);
  old.event(2);
  expect(client.position).toMatchObject({ epoch: EPOCH_A, offset: 1 });
  next.snapshot(0);
  next.event(1);
  expect(everything.map(one => ('offset' in one ? `${one.name} ${one.offset}` : ''))).toEqual([
    'snapshot 0',
    'sharing.ended 1',
    'snapshot 0',
    'sharing.ended 1',
  ]);
});

test('closed in the middle of a move: nothing is left', async () => {
  const { client, old, next, lines } = await moving();
  void client.command('location.share', {});
  next.welcome(EPOCH_A, 1, true);
  client.close();
  expect([old.closed, next.closed]).toEqual([1000, 1000]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(lines).toHaveLength(2);
  expect(vi.getTimerCount()).toBe(0);
});

test('the old socket says something that cannot be read while the new one is on its way: it asks for everything', async () => {
  const made = await connected();
  made.line().event(1);
  made.line().goaway();
  await vi.advanceTimersByTimeAsync(1);
  const [old, next] = made.lines;
  old!.say(Uint8Array.of(0xc1));
  expect(old!.closed).toBe(CLOSE.resyncNeeded);
  next!.open();
  expect(next!.of('hello')[0]!.resume).toBeNull();
  next!.welcome(EPOCH_A, 1, false);
  expect(made.client.state).toBe('connected');
  made.client.close();
});
