import { queryObjects } from 'node:v8';
import { beforeEach, expect, test, vi } from 'vitest';
import { SUBPROTOCOL } from '../protocol/catalogue.ts';
import { CLOSE, ERROR, ok, refuse } from '../protocol/errors.ts';
import type { ClientFrame } from '../protocol/frames.ts';
import { encodeCommand, encodeEvent, encodeVolatile } from '../protocol/messages.ts';
import { shardOf } from '../protocol/shard.ts';
import { RevokedTokens } from './auth/revokedTokens.ts';
import { createTokens, type Tokens } from './auth/tokens.ts';
import { LIMITS, RATES, returnMs } from './limits.ts';
import type { RealtimeOptions } from './realtime.ts';
import { Session } from './session.ts';
import { Sessions } from './sessions.ts';
import { counting, FakeDoor, HandClock, signingKey, silent } from './testing/town.ts';
import { Wire } from './testing/wire.ts';
import { DROPPED } from './transport.ts';

/** The life of a session told through a pretended socket, a clock that a test moves, and an actor that it answers for. */

const USER = '01900000-0000-7000-8000-000000000001';
const ID = '01900000-0000-7000-8000-0000000000aa';
const OTHER = '01900000-0000-7000-8000-0000000000bb';
const FOREIGN = '01900000-0000-7000-8000-0000000000ff';

let clock: HandClock;
let door: FakeDoor;
let metrics: ReturnType<typeof counting>;
let tokens: Tokens;
let revocations: RevokedTokens;

beforeEach(() => {
  clock = new HandClock();
  door = new FakeDoor();
  metrics = counting();
  tokens = createTokens([signingKey()], 900, clock.nowMs);
  revocations = new RevokedTokens();
});

const hub = (rest: Partial<RealtimeOptions> = {}): Sessions => {
  let made = 0;
  return new Sessions({
    gatewayId: 'g1',
    door,
    clock,
    log: silent,
    metrics,
    tokens,
    revocations,
    rates: RATES.session,
    origins: ['*'],
    connectionsPerAddress: 200,
    wallMs: clock.nowMs,
    sessionIds: {
      mint: () => `01900000-0000-4000-8000-${String(++made).padStart(12, '0')}`,
      owns: id => id !== FOREIGN,
    },
    ...rest,
  });
};

const tokenOf = (
  kind: 'civilian' | 'officer' | 'merchant' = 'civilian',
  userId = USER,
  deviceId = 'phone-1',
) => tokens.mint({ userId, kind, handle: 'ana', deviceId });

const hello = (token: string, deviceId = 'phone-1'): ClientFrame => ({
  type: 'hello',
  version: 1,
  token,
  deviceId,
  app: 'test',
  resume: null,
});

/** Lets the verification of a token finish: it is work of the event loop, not of a clock. */
const until = async (happened: () => boolean): Promise<void> => {
  while (!happened()) await new Promise(resolve => setImmediate(resolve));
};

async function attached(sessions: Sessions, kind: 'civilian' | 'officer' | 'merchant' = 'civilian') {
  const wire = new Wire(sessions);
  wire.say(hello(await tokenOf(kind)));
  await until(() => wire.data!.phase !== 'verifying');
  return wire;
}

const location = {
  type: 'location',
  seq: 1,
  latE7: 1,
  lngE7: 2,
  accuracyDm: 50,
  headingDeg: null,
  speedDms: null,
  takenAtMs: null,
} as const;
const eventBytes = (offset: number) => encodeEvent('sharing.ended', offset, ID, { reason: 'timeout' });
const volatileBytes = encodeVolatile('report.next', 'me', 1, { periodS: 15 });

test('WELCOME, then what was missed, then what was pushed meanwhile, then the rest', async () => {
  const sessions = hub();
  door.holding.add('attach');
  const wire = await attached(sessions);
  const ref = door.asked[0]!.message.session!;
  sessions.push([ref], eventBytes(3), 'durable');
  sessions.push([ref], volatileBytes, 'volatile');
  expect(wire.frames).toEqual([]);
  door.answer('attach', ok({ epoch: ID, offset: 3, resumed: true, frames: [eventBytes(1), eventBytes(2)] }));
  sessions.push([ref], eventBytes(4), 'durable');
  expect(wire.types()).toEqual(['welcome', 'event', 'event', 'event', 'volatile', 'event']);
  expect(wire.frames.flatMap(frame => (frame.type === 'event' ? [frame.offset] : []))).toEqual([1, 2, 3, 4]);
  expect(wire.frames[0]).toMatchObject({ sessionId: ref.id, epoch: ID, offset: 3, resumed: true });
});

test('who speaks is what the token says; resume and device are passed on, and connSeq rises', async () => {
  const sessions = hub();
  const resume = { sessionId: ID, epoch: OTHER, offset: 9 };
  for (let i = 0; i < 2; i++) {
    const wire = new Wire(sessions);
    wire.say({ ...hello(await tokenOf()), resume } as ClientFrame);
    await until(() => wire.data!.phase === 'open');
  }
  const [one, two] = door.asked;
  expect(one!.to).toEqual({ kind: 'user', id: USER });
  expect(one!.message).toMatchObject({ deviceId: 'phone-1', resume });
  expect(two!.message.connSeq as number).toBeGreaterThan(one!.message.connSeq as number);
});

test('more pushes before WELCOME than are kept end the session; it will resume', async () => {
  const sessions = hub();
  door.holding.add('attach');
  const wire = await attached(sessions);
  const refs = [door.asked[0]!.message.session!];
  for (let i = 0; i <= LIMITS.queuedPushes; i++) sessions.push(refs, eventBytes(i), 'durable');
  expect(wire.code).toBe(CLOSE.slowConsumer);
});

test.each([
  [refuse(ERROR.notFound, 'x'), CLOSE.badToken],
  [refuse(ERROR.forbidden, 'x'), CLOSE.revoked],
  [refuse(ERROR.conflict, 'x'), CLOSE.tooManySessions],
  [refuse(ERROR.internal, 'x'), CLOSE.internal],
])('an actor that refuses to attach ($code) closes with %i', async (refusal, code) => {
  door.answers.attach = () => refusal;
  const wire = await attached(hub());
  await until(() => wire.code !== null);
  expect(wire.code).toBe(code);
});

test.each([refuse(ERROR.unavailable, 'nobody owns the shard', 700), refuse(ERROR.timeout, 'no answer')])(
  'while an actor is between two nodes ($code) its phone waits and is welcomed as soon as it can be',
  async refusal => {
    const sessions = hub();
    door.answers.attach = () => refusal;
    const wire = await attached(sessions);
    const waitMs = Math.max(LIMITS.attachRetryMs, refusal.retryAfterMs);
    clock.advance(waitMs - 1);
    sessions.attachAgain();
    expect(door.asked).toHaveLength(1);
    clock.advance(1);
    sessions.attachAgain();
    sessions.attachAgain();
    expect([door.asked.length, wire.data!.phase, sessions.attaches.asked]).toEqual([2, 'attaching', 0]);
    door.answers.attach = () => ok({ epoch: ID, offset: 0, resumed: false, frames: [] });
    clock.advance(waitMs);
    sessions.attachAgain();
    expect(wire.types()).toEqual(['welcome']);
    // Each ask under a name of its own, and only the last one is reachable.
    const [one, two, three] = door.asked.map(({ message }) => message);
    expect(new Set([one!.session!.id, two!.session!.id, three!.session!.id]).size).toBe(3);
    // ... but all of one connection, which did not become younger by waiting.
    expect(three!.connSeq).toBe(one!.connSeq);
    sessions.push([one!.session!], eventBytes(1), 'durable');
    sessions.push([three!.session!], eventBytes(2), 'durable');
    expect(wire.types()).toEqual(['welcome', 'event']);
  },
);

test('a phone is not kept waiting for ever: it is sent away before it gives up itself', async () => {
  const sessions = hub();
  door.answers.attach = () => refuse(ERROR.unavailable, 'x');
  const wire = await attached(sessions);
  for (let waitedMs = 0; waitedMs < LIMITS.attachTotalMs; waitedMs += LIMITS.attachRetryMs) {
    expect(wire.code).toBe(null);
    clock.advance(LIMITS.attachRetryMs);
    sessions.attachAgain();
  }
  expect(wire.code).toBe(CLOSE.overloaded);
  expect(sessions.attaches.asked).toBe(0);
  const asked = door.asked.length;
  clock.advance(LIMITS.attachTotalMs);
  sessions.attachAgain();
  expect(door.asked).toHaveLength(asked);
});

test('a node that is cut off keeps nobody waiting for long: there are others, and they are found without a backoff', async () => {
  let serving = true;
  const sessions = hub({ serving: () => serving });
  door.answers.attach = () => refuse(ERROR.unavailable, 'x');
  const early = await attached(sessions);
  clock.advance(LIMITS.attachCutOffMs);
  sessions.attachAgain();
  expect(early.code).toBe(null);
  serving = false;
  const late = await attached(sessions);
  clock.advance(LIMITS.attachRetryMs);
  sessions.attachAgain();
  expect([early.code, late.code]).toEqual([CLOSE.moved, null]);
  clock.advance(LIMITS.attachCutOffMs);
  sessions.attachAgain();
  expect(late.code).toBe(CLOSE.moved);
});

test('a phone that waits at a node that leaves is sent on its way at once', async () => {
  const sessions = hub();
  door.answers.attach = () => refuse(ERROR.unavailable, 'x');
  const wire = await attached(sessions);
  sessions.leaving = true;
  clock.advance(LIMITS.attachRetryMs);
  sessions.attachAgain();
  expect(wire.code).toBe(CLOSE.restart);
});

test('after its actor moved, a session is asked for until the actor has answered; one that is unknown is closed', async () => {
  const sessions = hub();
  const wire = await attached(sessions);
  const other = await attached(sessions);
  const { session, connSeq } = door.asked[0]!.message;
  const probed = () => door.asked.filter(one => one.message.type === 'probe');
  sessions.probe(new Set([(shardOf('user', USER) + 1) % 512]));
  expect(probed()).toEqual([]);

  door.answers.probe = () => refuse(ERROR.unavailable, 'nobody owns the shard');
  other.leave();
  sessions.probe(new Set([shardOf('user', USER)]));
  expect(probed().map(one => [one.message, one.options])).toEqual([
    [
      { type: 'probe', session, connSeq },
      { timeoutMs: LIMITS.probeMs, keyed: true },
    ],
  ]);
  sessions.sweep();
  expect(probed()).toHaveLength(1);
  door.answers.probe = () => ok({});
  clock.advance(LIMITS.attachRetryMs);
  sessions.sweep();
  expect([probed().length, wire.code]).toEqual([2, null]);
  clock.advance(10_000);
  sessions.sweep();
  expect(probed()).toHaveLength(2);

  door.answers.probe = () => refuse(ERROR.gone, 'unknown here');
  sessions.probe(null);
  expect(wire.code).toBe(CLOSE.moved);
});

test('many sessions are asked for a few at a time; one that nobody answers for is closed in the end', async () => {
  const sessions = hub({ rates: null, connectionsPerAddress: 1_000 });
  const token = await tokenOf();
  const wires = Array.from({ length: LIMITS.probing + 10 }, () => new Wire(sessions));
  for (const wire of wires) wire.say(hello(token));
  await until(() => wires.every(wire => wire.data!.phase === 'open'));
  door.holding.add('probe');
  sessions.probe(null);
  const waiting = () => door.asked.filter(one => one.message.type === 'probe').length;
  expect(waiting()).toBe(LIMITS.probing);
  for (let i = 0; i < 10; i++) door.answer('probe', ok({}));
  expect(waiting()).toBe(LIMITS.probing);
  while (waiting() > 0) door.answer('probe', ok({}));
  expect(wires.map(wire => wire.code)).toEqual(wires.map(() => null));

  door.holding.clear();
  door.answers.probe = () => refuse(ERROR.timeout, 'no answer');
  sessions.probe(null);
  for (let i = 0; i < LIMITS.probesMax * 4; i++) {
    clock.advance(LIMITS.attachRetryMs * LIMITS.probesMax);
    sessions.sweep();
  }
  expect(new Set(wires.map(wire => wire.code))).toEqual(new Set([CLOSE.moved]));
});

test('GOAWAY names the other nodes in turn, and the window grows with the crowd', async () => {
  const sessions = hub({ elsewhere: () => ['ws://b/v1/ws', 'ws://c/v1/ws'] });
  const wires = [await attached(sessions), await attached(sessions), await attached(sessions)];
  sessions.sayGoodbye(10_000);
  const said = wires.map(wire => wire.frames.find(frame => frame.type === 'goaway'));
  expect(said.map(frame => frame?.url)).toEqual(['ws://b/v1/ws', 'ws://c/v1/ws', 'ws://b/v1/ws']);
  expect(said[0]).toMatchObject({ delayMinMs: 0, delayMaxMs: LIMITS.reconnectJitterMinMs });
  const windows = [0, 3_000, 15_000, 90_000].map(sockets => returnMs(sockets, 1_000));
  expect(windows).toEqual([500, 3_000, 15_000, 20_000]);
  expect(returnMs(3_000, 200)).toBe(15_000);
  expect(sessions.admit({ protocols: SUBPROTOCOL, origin: '', address: '' })?.status).toBe(503);
});

test('a peer that leaves is detached once, also while it was being attached; a late answer changes nothing', async () => {
  const sessions = hub();
  door.holding.add('attach');
  const wire = await attached(sessions);
  const { session, connSeq } = door.asked[0]!.message;
  wire.leave();
  sessions.closed(wire, 1006);
  expect(door.told.map(one => one.message)).toEqual([{ type: 'detach', session, connSeq, bye: false }]);
  door.answer('attach');
  expect(wire.frames).toEqual([]);
  expect([sessions.size, sessions.attaches.asked]).toEqual([0, 0]);
  sessions.push([session!], eventBytes(1), 'durable');
});

test.each([
  [1000, true],
  [1001, true],
  [1005, false],
  [1006, false],
  [4500, false],
])('a peer that closes with %i says goodbye: %s', async (code, bye) => {
  const sessions = hub();
  const wire = await attached(sessions);
  wire.leave(code);
  expect(door.told.map(one => one.message)).toMatchObject([{ type: 'detach', bye }]);
});

test.each([
  [CLOSE.revoked, true],
  [CLOSE.normal, false],
  [CLOSE.slowConsumer, false],
  [CLOSE.restart, false],
])('a socket that we close with %i is a goodbye: %s', async (code, bye) => {
  const sessions = hub();
  const wire = await attached(sessions);
  sessions.close([wire.data!.ref!], code, 'x');
  expect(door.told.map(one => one.message)).toMatchObject([{ type: 'detach', bye }]);
});

test('a peer that leaves while its token is verified never reaches the actor', async () => {
  const verifying = Promise.withResolvers<void>();
  const slow: Tokens = { ...tokens, verify: token => verifying.promise.then(() => tokens.verify(token)) };
  const verified = vi.spyOn(slow, 'verify');
  const wire = new Wire(hub({ tokens: slow }));
  wire.say(hello(await tokenOf()));
  wire.leave();
  verifying.resolve();
  expect((await verified.mock.results[0]!.value).ok).toBe(true);
  expect([door.asked, door.told]).toEqual([[], []]);
});

test('no HELLO within five seconds is 4106; anything else first is 4000; talking before WELCOME is 4000', async () => {
  const sessions = hub();
  const silentWire = new Wire(sessions);
  clock.advance(LIMITS.helloMs - 1);
  sessions.sweep();
  expect(silentWire.code).toBeNull();
  clock.advance(1);
  sessions.sweep();
  expect(silentWire.code).toBe(CLOSE.helloTimeout);
  const eager = new Wire(sessions);
  eager.say({ type: 'ping', n: 1 });
  expect(eager.code).toBe(CLOSE.malformed);
  door.holding.add('attach');
  const early = await attached(sessions);
  early.say(location);
  expect(early.code).toBe(CLOSE.malformed);
});

test('an expired token is 4101, one of an account that moved is 4003', async () => {
  const sessions = hub();
  const stale = await tokenOf();
  clock.advance(900_000 + LIMITS.clockSkewMs + 1_000);
  const late = new Wire(sessions);
  late.say(hello(stale));
  await until(() => late.code !== null);
  expect(late.code).toBe(CLOSE.tokenExpired);
  const gone = { id: ID, userId: USER, tokenId: null, sparedDevice: 'phone-2' };
  revocations.add({ ...gone, issuedUntilMs: clock.wall, expiresAtMs: clock.wall + 1 });
  const moved = await attached(sessions);
  await until(() => moved.code !== null);
  expect(moved.code).toBe(CLOSE.revoked);
});

test('the token: asked for at 80 % of its life, 25 s of grace, then 4101', async () => {
  const sessions = hub();
  const wire = await attached(sessions);
  clock.advance(719_000);
  sessions.sweep();
  expect(wire.types()).toEqual(['welcome']);
  clock.advance(1_000);
  sessions.sweep();
  sessions.sweep();
  expect(wire.frames[1]).toEqual({ type: 'tokenExpiring', ttlS: 180 });
  expect(wire.frames).toHaveLength(2);
  clock.advance(180_000 + LIMITS.tokenGraceMs - 1);
  sessions.sweep();
  expect(wire.code).toBeNull();
  clock.advance(1);
  sessions.sweep();
  expect(wire.code).toBe(CLOSE.tokenExpired);
});

test('auth.refresh renews in place, for the same person and device only', async () => {
  const sessions = hub();
  const wire = await attached(sessions);
  clock.advance(720_000);
  sessions.sweep();
  const send = async (cid: number, token: string) => {
    const before = wire.frames.length;
    wire.say(encodeCommand('auth.refresh', cid, { token }, null));
    await until(() => wire.frames.length > before);
    return wire.frames.at(-1);
  };
  expect(await send(1, await tokenOf('civilian', OTHER))).toMatchObject({ cid: 1, code: ERROR.forbidden });
  expect(await send(2, await tokenOf('civilian', USER, 'phone-2'))).toMatchObject({ code: ERROR.forbidden });
  expect(await send(3, 'nonsense')).toMatchObject({ code: ERROR.unauthorized });
  expect(await send(4, await tokenOf())).toEqual({ type: 'reply', cid: 4, result: [900] });
  clock.advance(300_000);
  sessions.sweep();
  expect(wire.code).toBeNull();
  expect(door.asked.filter(one => one.message.type === 'command')).toEqual([]);
});

test('scopes: a civilian cannot accept a hey, an officer cannot say one, a merchant does neither', async () => {
  const sessions = hub();
  const civilian = await attached(sessions, 'civilian');
  const officer = await attached(sessions, 'officer');
  const merchant = await attached(sessions, 'merchant');
  civilian.say(encodeCommand('hey.accept', 1, { heyId: ID }, ID));
  officer.say(encodeCommand('hey.say', 1, { officerId: ID }, ID));
  merchant.say(encodeCommand('location.share', 1, {}, ID));
  for (const wire of [civilian, officer, merchant]) {
    expect(wire.frames.at(-1)).toMatchObject({ type: 'error', cid: 1, code: ERROR.forbidden });
    expect(wire.code).toBeNull();
  }
  expect(door.asked.filter(one => one.message.type === 'command')).toEqual([]);
});

test('the fingerprint of a command is of what it says, not of how or when', async () => {
  const sessions = hub();
  const wire = await attached(sessions);
  const say = (cid: number, officerId: string) => wire.say(encodeCommand('hey.say', cid, { officerId }, ID));
  door.answers.command = () => ok({ heyId: ID, expiresS: 1 });
  say(1, OTHER);
  say(2, OTHER);
  say(3, USER);
  // The same tuple with one more item, as a later version may send it.
  wire.say({ type: 'command', cid: 4, op: 20, body: [OTHER_BYTES, 7], idem: ID });
  const prints = door.asked.filter(one => one.message.type === 'command').map(one => one.message.requestHash);
  expect(prints[1]).toBe(prints[0]);
  expect(prints[2]).not.toBe(prints[0]);
  expect(prints[3]).toBe(prints[0]);
  expect(wire.types().slice(1)).toEqual(['reply', 'reply', 'reply', 'reply']);
});
const OTHER_BYTES = new Uint8Array([1, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0xbb]);

test('a command that does not mutate carries no key to the actor; one that does needs one', async () => {
  const wire = await attached(hub());
  wire.say(encodeCommand('state.get', 1, {}, ID));
  expect(door.asked.at(-1)!.message).toMatchObject({ name: 'state.get', key: null, requestHash: null });
  const asked = door.asked.length;
  wire.say({ type: 'command', cid: 2, op: 20, body: [OTHER_BYTES], idem: null });
  expect(wire.frames.at(-1)).toMatchObject({ type: 'error', cid: 2, retryable: false });
  expect(door.asked).toHaveLength(asked);
});

test('an actor that answers what the catalogue does not know is a 500, not a crash', async () => {
  const wire = await attached(hub(), 'officer');
  door.answers.command = () => ok({ untilS: 'soon' });
  wire.say(encodeCommand('location.share', 1, {}, ID));
  expect(wire.frames.at(-1)).toMatchObject({ type: 'error', cid: 1, code: ERROR.internal });
  expect(wire.code).toBeNull();
});

test('an answer that comes after the phone left goes nowhere', async () => {
  const wire = await attached(hub());
  door.holding.add('command');
  wire.say(encodeCommand('state.get', 1, {}, null));
  wire.leave();
  expect(() => door.answer('command', ok({}))).not.toThrow();
});

test('a position off the globe is one error and does not reach the actor', async () => {
  const wire = await attached(hub());
  wire.say({ ...location, latE7: 900_000_001 });
  expect(wire.frames.at(-1)).toMatchObject({ type: 'error', cid: 0, code: ERROR.invalid });
  expect(door.told).toEqual([]);
  wire.say(location);
  expect(door.told).toHaveLength(1);
});

test('positions: five at once, then two a second; the third refusal within ten seconds is 4103', async () => {
  const sessions = hub();
  const wire = await attached(sessions);
  for (let i = 0; i < 6; i++) wire.say(location);
  expect(door.told).toHaveLength(5);
  expect(wire.frames.at(-1)).toEqual({
    type: 'error',
    cid: 0,
    code: ERROR.rateLimited,
    message: 'too much, too fast',
    retryable: true,
    retryAfterMs: 500,
  });
  wire.say(location);
  clock.advance(11_000);
  for (let i = 0; i < 7; i++) wire.say(location);
  expect(wire.code).toBeNull();
  wire.say(location);
  expect(wire.code).toBe(CLOSE.rateLimited);
});

test('commands, nonsense commands and pings have their buckets too; without limits nothing is counted', async () => {
  const limited = await attached(hub());
  for (let i = 1; i <= 41; i++) limited.say({ type: 'command', cid: i, op: 999, body: [], idem: null });
  expect(limited.frames.at(-1)).toMatchObject({ cid: 41, code: ERROR.rateLimited });
  const pinging = await attached(hub());
  for (let i = 0; i < 51; i++) pinging.say({ type: 'ping', n: i });
  expect(pinging.frames.at(-1)).toMatchObject({ cid: 0, code: ERROR.rateLimited });
  door.told.length = 0;
  const free = await attached(hub({ rates: null }));
  for (let i = 0; i < 1_000; i++) free.say(location);
  expect(door.told).toHaveLength(1_000);
  expect(free.code).toBeNull();
});

test('a BATCH is its frames, each with its own price', async () => {
  const wire = await attached(hub());
  wire.say({ type: 'batch', frames: [location, { type: 'ping', n: 1 }, { type: 'ack', offset: 2 }] });
  expect(door.told.map(one => one.message.type)).toEqual(['location', 'ack']);
  expect(wire.frames.at(-1)).toEqual({ type: 'pong', n: 1 });
  wire.say({ type: 'batch', frames: Array.from({ length: 8 }, () => location) });
  expect(wire.code).toBe(CLOSE.rateLimited);
  expect(door.heard('location')).toHaveLength(5);
});

test('a dropped durable frame ends the session, a dropped volatile one is only counted', async () => {
  const sessions = hub();
  const wire = await attached(sessions);
  const refs = [door.asked[0]!.message.session!];
  wire.status = DROPPED;
  sessions.push(refs, volatileBytes, 'volatile');
  expect(wire.code).toBeNull();
  sessions.push(refs, eventBytes(1), 'durable');
  expect(wire.code).toBe(CLOSE.slowConsumer);
  sessions.sweep();
  expect(metrics.counts.get('rt_frames_total out skipped')).toBe(1);
  expect(metrics.counts.get(`rt_close_total ${CLOSE.slowConsumer} server`)).toBe(1);
});

test('who may come in: the subprotocol, the origin, room for the address, room at all, and not at the end', () => {
  const sessions = hub({ origins: ['https://heyblue.example'], connectionsPerAddress: 2 });
  const knock = { protocols: 'heyblue.v1.msgpack', origin: '', address: 'a' };
  expect(sessions.admit(knock)).toBeNull();
  expect(sessions.admit({ ...knock, protocols: 'x, heyblue.v1.msgpack' })).toBeNull();
  expect(sessions.admit({ ...knock, protocols: 'heyblue.v2.msgpack' })?.status).toBe(400);
  expect(sessions.admit({ ...knock, protocols: '' })?.status).toBe(400);
  expect(sessions.admit({ ...knock, origin: 'https://heyblue.example' })).toBeNull();
  expect(sessions.admit({ ...knock, origin: 'https://heyblue.example.evil.example' })?.status).toBe(403);
  expect(sessions.admit({ ...knock, origin: 'null' })?.status).toBe(403);
  const one = new Wire(sessions, 'a');
  new Wire(sessions, 'a');
  expect(sessions.admit(knock)?.status).toBe(429);
  expect(sessions.admit({ ...knock, address: 'b' })).toBeNull();
  one.leave();
  expect(sessions.admit(knock)).toBeNull();
  sessions.sayGoodbye(1_000);
  expect(sessions.admit(knock)).toMatchObject({ status: 503, retryAfterS: 1 });
});

test('thousands come and go, and nothing of them stays', async () => {
  const sessions = hub({ connectionsPerAddress: 10_000 });
  const wires = await Promise.all(Array.from({ length: 200 }, () => attached(sessions)));
  await until(() => wires.every(wire => wire.data!.phase === 'open'));
  expect(sessions.size).toBe(200);
  for (const wire of wires) wire.leave();
  const { waiting, byId } = sessions as unknown as Record<string, { size: number }>;
  sessions.admission.sweep(clock.monotonicMs() + 60_000);
  const left = [sessions.size, waiting!.size, byId!.size, sessions.admission.size, sessions.attaches.asked];
  expect(left).toEqual([0, 0, 0, 0, 0]);
  expect(door.heard('detach')).toHaveLength(200);
});

test('nobody who left stays in memory when nobody comes after them', async () => {
  const before = queryObjects(Session);
  const sessions = hub({ connectionsPerAddress: 10_000 });
  // in a function of its own: what it holds is gone when it ends
  await (async () => {
    const wires = await Promise.all(Array.from({ length: 300 }, () => attached(sessions)));
    await until(() => wires.every(wire => wire.data!.phase === 'open'));
    clock.advance(LIMITS.sweepMs);
    sessions.sweep();
    for (const wire of wires) wire.leave();
  })();
  clock.advance(LIMITS.sweepMs);
  sessions.sweep();
  door.asked.length = 0;
  // fewer, where what an earlier test left was still there before
  expect(queryObjects(Session) as number).toBeLessThanOrEqual(before as number);
});

test('a bug behind the door costs one session', async () => {
  const sessions = hub();
  door.answers.attach = () => ok({ epoch: 'not an id', offset: 0, resumed: false, frames: [] });
  const wire = await attached(sessions);
  await until(() => wire.code !== null);
  expect(wire.code).toBe(CLOSE.internal);
  door.ask = () => {
    throw new Error('a bug');
  };
  const other = await attached(sessions);
  await until(() => other.code !== null);
  expect(other.code).toBe(CLOSE.internal);
});
