import { beforeEach, describe, expect, test } from 'vitest';
import { SUBPROTOCOL } from '../protocol/catalogue.ts';
import { CLOSE, ERROR, ok, refuse } from '../protocol/errors.ts';
import type { ClientFrame, Resume } from '../protocol/frames.ts';
import { encodeCommand } from '../protocol/messages.ts';
import { RevokedTokens } from './auth/revokedTokens.ts';
import { LIMITS, RATES } from './limits.ts';
import { createSessionIds } from './sessionIds.ts';
import { Stage, USER } from './testing/stage.ts';
import { signingKey } from './testing/town.ts';
import { Wire } from './testing/wire.ts';

/** Who gets in with what, and how often: sessions behind a pretended socket and a clock that a test moves. */

const OTHER = '01900000-0000-7000-8000-000000000002';
const ID = '01900000-0000-7000-8000-0000000000aa';
const ids = createSessionIds([signingKey()]);

let revoked: RevokedTokens;
let stage: Stage;
beforeEach(() => {
  revoked = new RevokedTokens();
  stage = new Stage({ sessionIds: ids, revocations: revoked });
});

const tokenOf = (userId = USER, deviceId = 'phone-1', kind: 'civilian' | 'merchant' = 'civilian') =>
  stage.tokens.mint({ userId, kind, handle: 'ana', deviceId });

const settled = async (wire: Wire): Promise<Wire> => {
  while (wire.data!.phase === 'waiting' || wire.data!.phase === 'verifying') {
    await new Promise(resolve => setImmediate(resolve));
  }
  return wire;
};

const hello = (token: string, resume: Resume | null = null, deviceId = 'phone-1'): ClientFrame => ({
  type: 'hello',
  version: 1,
  token,
  deviceId,
  app: 'test',
  resume,
});

const comes = async (token: string, resume: Resume | null = null): Promise<Wire> => {
  const wire = new Wire(stage.sessions);
  wire.say(hello(token, resume));
  return settled(wire);
};

const revoke = (change: object = {}): void => {
  const now = stage.clock.wall;
  const all = { id: ID, userId: USER, tokenId: null, sparedDevice: null };
  revoked.add({ ...all, issuedUntilMs: now, expiresAtMs: now + 1e6, ...change });
};
const counted = (name: string): number => stage.metrics.counts.get(name) ?? 0;
const attaches = () => stage.door.asked.filter(one => one.message.type === 'attach');

describe('resuming', () => {
  const from = (sessionId: string): Resume => ({ sessionId, epoch: ID, offset: 7 });

  test('a phone resumes with the session id of its own WELCOME', async () => {
    stage.door.answers.attach = () => ok({ epoch: ID, offset: 7, resumed: true, frames: [] });
    const first = await stage.phone();
    const { sessionId } = first.frames[0] as { sessionId: string };
    await comes(await tokenOf(), from(sessionId));
    expect(attaches()[1]!.message.resume).toEqual(from(sessionId));
    expect([counted('rt_resume_total full'), counted('rt_resume_total replayed')]).toEqual([1, 1]);
  });

  test.each([
    ["another person's", () => ids.mint({ userId: OTHER, deviceId: 'phone-1' })],
    ["another device's", () => ids.mint({ userId: USER, deviceId: 'phone-2' })],
    ['one that nobody minted', () => ID],
  ])('%s session id resumes nothing: the caller gets its own state', async (_what, make) => {
    const wire = await comes(await tokenOf(), from(make()));
    expect(attaches()[0]!.message.resume).toBeNull();
    expect(attaches()[0]!.to.id).toBe(USER);
    expect(wire.frames[0]).toMatchObject({ type: 'welcome', resumed: false });
    expect(counted('rt_resume_total foreign')).toBe(1);
  });

  test.each(['epoch_mismatch', 'too_old'] as const)('why a resume was none is counted: %s', async lost => {
    stage.door.answers.attach = () => ok({ epoch: ID, offset: 9, resumed: false, lost, frames: [] });
    await comes(await tokenOf(), from(ids.mint({ userId: USER, deviceId: 'phone-1' })));
    expect(counted(`rt_resume_total ${lost}`)).toBe(1);
  });
});

describe('revocation', () => {
  test('closes every socket of the user with 4003 and no other', async () => {
    const [mine, also, other] = [await stage.phone(), await stage.phone(), await stage.phone(OTHER)];
    revoke();
    stage.sessions.endRevoked();
    expect([mine.code, also.code, other.code]).toEqual([CLOSE.revoked, CLOSE.revoked, null]);
  });

  test('of one token leaves the other sockets of the user', async () => {
    const [mine, also] = [await stage.phone(), await stage.phone()];
    revoke({ userId: null, tokenId: mine.data!.identity!.tokenId });
    stage.sessions.endRevoked();
    expect([mine.code, also.code]).toEqual([CLOSE.revoked, null]);
  });

  test('is looked at when a phone says HELLO, also to resume', async () => {
    const token = await tokenOf();
    revoke();
    const resume = { sessionId: ids.mint({ userId: USER, deviceId: 'phone-1' }), epoch: ID, offset: 1 };
    expect((await comes(token, resume)).code).toBe(CLOSE.revoked);
    expect(attaches()).toEqual([]);
  });

  test('is looked at when a token is renewed: the new one is no way out', async () => {
    const wire = await stage.phone();
    const fresh = await tokenOf();
    revoke();
    wire.say(encodeCommand('auth.refresh', 1, { token: fresh }, null));
    while (wire.code === null) await new Promise(resolve => setImmediate(resolve));
    expect(wire.code).toBe(CLOSE.revoked);
  });

  test('is looked at again when a phone that stood in line has its turn', async () => {
    stage.door.holding.add('attach');
    await Promise.all(Array.from({ length: LIMITS.attachingMax }, () => stage.phone(OTHER)));
    const last = await stage.phone();
    expect(attaches()).toHaveLength(LIMITS.attachingMax);
    revoke();
    stage.door.answer('attach');
    expect(last.code).toBe(CLOSE.revoked);
    expect(stage.sessions.attaches.asked).toBe(LIMITS.attachingMax - 1);
  });

  test('closes those that stand in line at once, and they give their place up', async () => {
    stage.door.holding.add('attach');
    await Promise.all(Array.from({ length: LIMITS.attachingMax }, () => stage.phone(OTHER)));
    const [mine, other] = [await stage.phone(), await stage.phone(OTHER)];
    expect(stage.sessions.attaches.waiting).toBe(2);
    revoke();
    stage.sessions.endRevoked();
    expect([mine.code, other.code]).toEqual([CLOSE.revoked, null]);
    expect(stage.sessions.attaches.waiting).toBe(1);
  });
});

describe('a token in the handshake', () => {
  const protocols = (token: string) => `${SUBPROTOCOL}, bearer.${Buffer.from(token).toString('base64url')}`;
  const knock = (text: string) => ({ protocols: text, origin: '', address: '10.0.0.1' });
  const verdict = async (token: string) => stage.sessions.bearer(knock(protocols(token)));

  test('is verified before there is a socket', async () => {
    expect(stage.sessions.bearer(knock(SUBPROTOCOL))).toBeNull();
    expect(await verdict(await tokenOf())).toMatchObject({ bearer: { userId: USER, deviceId: 'phone-1' } });
    expect(await verdict('nonsense')).toMatchObject({ status: 401 });
    const twice = `${protocols(await tokenOf())}, bearer.eA`;
    expect(await stage.sessions.bearer(knock(twice))).toMatchObject({ status: 401 });
    expect(await stage.sessions.bearer(knock(`${SUBPROTOCOL}, bearer.`))).toMatchObject({ status: 401 });
    const token = await tokenOf();
    revoke();
    expect(await verdict(token)).toMatchObject({ status: 401 });
    expect(counted('rt_accept_rejected_total token')).toBe(4);
  });

  const opened = async (): Promise<Wire> => {
    const answer = await verdict(await tokenOf());
    if (answer === null || !('bearer' in answer)) throw new Error('refused');
    return new Wire(stage.sessions, '10.0.0.1', '', answer.bearer);
  };

  test('HELLO needs none then', async () => {
    const wire = await opened();
    wire.say(hello(''));
    expect((await settled(wire)).types()).toEqual(['welcome']);
    const bare = new Wire(stage.sessions);
    bare.say(hello(''));
    expect((await settled(bare)).code).toBe(CLOSE.badToken);
  });

  test('HELLO may bring one of the same person and device, and of nobody else', async () => {
    const good = await opened();
    good.say(hello(await tokenOf()));
    expect((await settled(good)).code).toBeNull();
    for (const [userId, deviceId] of [
      [OTHER, 'phone-1'],
      [USER, 'phone-2'],
    ] as const) {
      const bad = await opened();
      bad.say(hello(await tokenOf(userId, deviceId), null, deviceId));
      expect((await settled(bad)).code).toBe(CLOSE.badToken);
    }
  });

  test('that was revoked between handshake and HELLO is found out', async () => {
    const wire = await opened();
    revoke();
    wire.say(hello(''));
    expect((await settled(wire)).code).toBe(CLOSE.revoked);
  });

  test('that is revoked closes the socket at once, before HELLO and while that is verified', async () => {
    const [mute, verifying, nameless] = [await opened(), await opened(), new Wire(stage.sessions)];
    const token = await tokenOf();
    verifying.say(hello(token));
    expect(verifying.data!.phase).toBe('verifying');
    revoke();
    stage.sessions.endRevoked();
    expect([mute.code, verifying.code, nameless.code]).toEqual([CLOSE.revoked, CLOSE.revoked, null]);
  });
});

describe('renewal in place', () => {
  const renew = (token: string, cid = 1) => encodeCommand('auth.refresh', cid, { token }, null);

  test('one chain for each connection: a second one meanwhile is refused', async () => {
    const wire = await stage.phone();
    // both are there before the first is looked at
    for (const frame of [renew(await tokenOf(), 1), renew(await tokenOf(), 2)]) wire.say(frame);
    while (wire.frames.length < 3) await new Promise(resolve => setImmediate(resolve));
    expect(wire.frames.slice(1)).toEqual([
      expect.objectContaining({ type: 'error', cid: 2, code: ERROR.conflict }),
      expect.objectContaining({ type: 'reply', cid: 1 }),
    ]);
    wire.say(renew(await tokenOf(), 3));
    while (wire.frames.length < 4) await new Promise(resolve => setImmediate(resolve));
    expect(wire.frames[3]).toMatchObject({ type: 'reply', cid: 3 });
  });

  test.each([
    ['another person', OTHER, 'phone-1'],
    ['another device', USER, 'phone-2'],
  ])('not by the token of %s', async (_what, userId, deviceId) => {
    const wire = await stage.phone();
    wire.say(renew(await tokenOf(userId, deviceId)));
    while (wire.frames.length < 2) await new Promise(resolve => setImmediate(resolve));
    expect(wire.frames[1]).toMatchObject({ type: 'error', code: ERROR.forbidden });
    expect(wire.data!.identity).toMatchObject({ userId: USER, deviceId: 'phone-1' });
  });
});

const place = (seq: number): ClientFrame => ({
  type: 'location',
  seq,
  latE7: 1,
  lngE7: 2,
  accuracyDm: 50,
  headingDeg: null,
  speedDms: null,
  takenAtMs: null,
});

test('positions are for those who may meet: a merchant has none', async () => {
  const wire = new Wire(stage.sessions);
  wire.say(hello(await tokenOf(USER, 'phone-1', 'merchant')));
  await settled(wire);
  wire.say(place(1));
  expect(wire.frames.at(-1)).toMatchObject({ type: 'error', cid: 0, code: ERROR.forbidden });
  expect(stage.door.heard('location')).toEqual([]);
});

describe('rates', () => {
  const ofKind = (frames: Wire['frames'], type: string) => frames.filter(frame => frame.type === type).length;

  test('all sockets of one user share a bucket: many of them say no more than two', async () => {
    const wires = await Promise.all(Array.from({ length: 5 }, () => stage.phone()));
    const { burst } = RATES.session.location;
    for (const wire of wires) for (let n = 0; n < burst; n++) if (wire.code === null) wire.say(place(n));
    expect(stage.door.heard('location')).toHaveLength(burst * 2);
    expect(counted('rt_rate_limited_total user')).toBeGreaterThan(0);
    expect(counted('rt_rate_limited_total session')).toBe(0);
  });

  test('hanging up and calling again fills no bucket of the user', async () => {
    const { burst } = RATES.session.location;
    for (let calls = 0; calls < 6; calls++) {
      const wire = await stage.phone();
      for (let n = 0; n < burst; n++) if (wire.code === null) wire.say(place(n));
      wire.leave();
      stage.sessions.admission.sweep(stage.clock.monotonicMs());
    }
    expect(stage.door.heard('location')).toHaveLength(burst * 2);
    // forgotten when they are full again, not before
    stage.clock.advance(60_000);
    stage.sessions.admission.sweep(stage.clock.monotonicMs());
    expect(stage.sessions.admission.size).toBe(0);
  });

  test('all sockets of one address share a bucket; another address has its own', async () => {
    stage = new Stage({ sessionIds: ids, revocations: revoked, connectionsPerAddress: 20 });
    const users = Array.from(
      { length: 20 },
      (_, n) => `01900000-0000-7000-8000-0000000001${String(n).padStart(2, '0')}`,
    );
    const wires = await Promise.all(users.map(user => stage.phone(user)));
    const { burst } = RATES.session.location;
    for (const wire of wires) for (let n = 0; n < burst; n++) if (wire.code === null) wire.say(place(n));
    expect(stage.door.heard('location')).toHaveLength(burst * 10);
    expect(counted('rt_rate_limited_total address')).toBeGreaterThan(0);
    const away = new Wire(stage.sessions, '10.9.9.9');
    away.say(hello(await tokenOf(OTHER)));
    await settled(away);
    away.say(place(1));
    expect(stage.door.heard('location')).toHaveLength(burst * 10 + 1);
  });

  test('over it: 429 with the time to wait, the third within ten seconds is 4103', async () => {
    const wire = await stage.phone();
    for (let n = 0; n < RATES.session.location.burst; n++) wire.say(place(n));
    wire.say(place(10));
    expect(wire.frames.at(-1)).toMatchObject({
      type: 'error',
      code: ERROR.rateLimited,
      retryable: true,
      retryAfterMs: 500,
    });
    wire.say(place(11));
    wire.say(place(12));
    expect(wire.code).toBe(CLOSE.rateLimited);
    expect(ofKind(wire.frames, 'error')).toBe(2);
  });

  test('a flood of pings of the transport ends like any other', async () => {
    const wire = await stage.phone();
    for (let n = 0; n < RATES.session.other.burst + 2; n++) stage.sessions.pinged(wire);
    expect(wire.code).toBeNull();
    stage.sessions.pinged(wire);
    expect(wire.code).toBe(CLOSE.rateLimited);
  });
});

describe('attaches', () => {
  test('so many actors are asked at once, the others in turn, and beyond the line 1013 at once', async () => {
    stage.door.holding.add('attach');
    const count = LIMITS.attachingMax + LIMITS.attachQueue;
    const token = await tokenOf();
    const wires = Array.from({ length: count + 1 }, () => new Wire(stage.sessions));
    for (const wire of wires) wire.say(hello(token));
    await Promise.all(wires.map(settled));
    expect(attaches()).toHaveLength(LIMITS.attachingMax);
    expect(wires.filter(wire => wire.code === CLOSE.overloaded)).toHaveLength(1);
    stage.door.answer('attach');
    expect(stage.sessions.attaches.asked).toBe(LIMITS.attachingMax);
    expect(stage.sessions.attaches.waiting).toBe(LIMITS.attachQueue - 1);
    // answers that come at once do not pile up on the stack
    stage.door.holding.clear();
    stage.door.answer('attach', refuse(ERROR.forbidden, 'no'));
    expect(stage.sessions.attaches.waiting).toBe(0);
  });

  test('whoever waits too long in line is told to come later; whoever leaves makes room', async () => {
    stage.door.holding.add('attach');
    const token = await tokenOf();
    const wires = Array.from({ length: LIMITS.attachingMax + 2 }, () => new Wire(stage.sessions));
    for (const wire of wires) wire.say(hello(token));
    await Promise.all(wires.map(settled));
    const inLine = wires.filter(wire => wire.data!.ref === null);
    expect(inLine).toHaveLength(2);
    inLine[0]!.leave();
    expect(stage.sessions.attaches.waiting).toBe(1);
    stage.clock.advance(LIMITS.attachTotalMs);
    stage.sessions.attachAgain();
    expect(inLine[1]!.code).toBe(CLOSE.overloaded);
    expect(stage.sessions.attaches.waiting).toBe(0);
  });

  test('a question that throws gives its place back', async () => {
    const ask = stage.door.ask.bind(stage.door);
    stage.door.ask = () => {
      throw new Error('a bug');
    };
    const wire = await stage.phone();
    expect(wire.code).toBe(CLOSE.internal);
    expect(stage.sessions.attaches.asked).toBe(0);
    stage.door.ask = ask;
    expect((await stage.phone()).code).toBeNull();
  });
});
