/**
 * Everything that a stranger, a broken app or a cheat may say: each gets one documented answer, changes nothing, and
 * kills nothing. A bystander is connected all the time, and in the end must not have noticed.
 */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createTokens } from '../../gateway/auth/tokens.ts';
import { StartFailure, temporaryDatabase } from '../../infra/embedded/index.ts';
import { startNode } from '../../infra/embedded/town.ts';
import { loadKeys } from '../../infra/keys.ts';
import { COMMANDS, ERROR, encodeClientFrame, type Refusal, SUBPROTOCOL } from '../../protocol/index.ts';
import { deviceKey, mintToken } from '../../protocol/qr.ts';
import { positionAt } from '../swarm/crowd.ts';
import { Phone, type PhoneIdentity } from '../swarm/phone.ts';
import { clientFrame, RawSocket } from '../swarm/socket.ts';
import { startTestTown, type TestPhone, type TestTown, until } from './testTown.ts';

let town: TestTown;
let bystander: TestPhone;
let officer: TestPhone;
let civilian: TestPhone;
let pid: number;

beforeAll(async () => {
  town = await startTestTown();
  pid = town.node.pid;
  bystander = await town.phone('civilian', 5_000, 0);
  officer = await town.phone('officer', 0, 0);
  civilian = await town.phone('civilian', 5, 0);
  await bystander.arrive();
  await officer.arrive();
  await civilian.arrive();
});
afterAll(() => town?.stop());

/** The close code that the server gives to somebody who sends this after HELLO, or instead of it. */
const closeFor = async (
  bytes: Uint8Array,
  how: { text?: boolean; stranger?: boolean } = {},
): Promise<number> => {
  const closed = Promise.withResolvers<number>();
  const frame = clientFrame(how.text ? 1 : 2, bytes);
  const hello = encodeClientFrame({
    type: 'hello',
    version: 1,
    token: victim.person.token,
    deviceId: victim.person.deviceId,
    app: 'test',
    resume: null,
  });
  let welcomed = false;
  const socket: RawSocket = new RawSocket({
    url: town.node.urls.realtime,
    subprotocol: SUBPROTOCOL,
    onOpen: () => (how.stranger ? socket.sendFrame(frame) : socket.send(hello)),
    onMessage: () => {
      if (!welcomed && !how.stranger) socket.sendFrame(frame);
      welcomed = true;
    },
    onClose: code => closed.resolve(code),
  });
  return closed.promise;
};
let victim: TestPhone;
beforeAll(async () => {
  victim = await town.phone('civilian');
});

const u8 = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);

describe('frames', () => {
  it.each([
    ['text', 1003, new TextEncoder().encode('{"hello":1}'), { text: true }],
    ['a text as the first frame', 1003, new TextEncoder().encode('hello'), { text: true, stranger: true }],
    ['noise', 4000, u8(0xc1, 0xff, 0x00), {}],
    ['noise as the first frame', 4000, u8(0xc1), { stranger: true }],
    ['something else than HELLO first', 4000, u8(0x92, 4, 1), { stranger: true }],
    ['an empty message', 4000, u8(), {}],
    ['a truncated frame', 4000, u8(0x95, 1, 1), {}],
    ['trailing bytes', 4000, u8(0x92, 4, 1, 0), {}],
    ['nesting', 4000, u8(0x94, 1, 1, 1, ...new Array(60).fill(0x91), 0x90), {}],
    ['8,000 levels of nesting', 4000, u8(0x94, 1, 1, 1, ...new Array(8_000).fill(0x91), 0x90), {}],
    ['an extension', 4000, u8(0x92, 0xd4, 0x00, 0x00, 1), {}],
    ['not a number as a latitude', 4000, u8(0x95, 3, 1, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0, 0, 0), {}],
    ['bad UTF-8', 4000, u8(0x95, 1, 1, 1, 0x91, 0xa2, 0xc3, 0x28, 0xc0), {}],
    ['more than 8 KB', 1009, new Uint8Array(9_000).fill(0xc0), {}],
    [
      'HELLO twice',
      4000,
      encodeClientFrame({ type: 'hello', version: 1, token: 'x', deviceId: 'x', app: 'x', resume: null }),
      {},
    ],
  ] as const)('%s: closed with %i', async (_what, code, bytes, how) => {
    expect(await closeFor(bytes, how)).toBe(code);
  });

  it('more than any message may have: cut off', async () => {
    expect([1006, 1009]).toContain(await closeFor(new Uint8Array(100_000)));
  });
});

/** The refusal of a raw command. */
const refused = (
  phone: TestPhone,
  op: number,
  body: readonly unknown[],
  idem: string | null,
): Promise<Refusal> => {
  const answered = Promise.withResolvers<Refusal>();
  const cid = 4_000_000_000;
  const socket = new Phone({
    url: town.node.urls.realtime,
    identity: phone.person,
    onEvent: () => {},
    onRaw: frame => {
      if (frame.type === 'error' && frame.cid === cid)
        answered.resolve({ ok: false, ...frame } as unknown as Refusal);
    },
  });
  socket
    .connect()
    .then(() => socket.raw(encodeClientFrame({ type: 'command', cid, op, body, idem })), answered.reject);
  return answered.promise.finally(() => socket.drop());
};

describe('commands', () => {
  it.each([
    ['an operation that does not exist', 999, [], null, 404],
    ['a body that is too short', COMMANDS['hey.say'].code, [], crypto.randomUUID(), 400],
    ['a body of another type', COMMANDS['instant.set'].code, ['yes'], crypto.randomUUID(), 400],
    ['a text that is too long', COMMANDS['qr.scan'].code, ['x'.repeat(200)], crypto.randomUUID(), 400],
    ['a change without an idempotency key', COMMANDS['location.share'].code, [], null, 400],
    [
      'something for officers only',
      COMMANDS['hey.accept'].code,
      [new Uint8Array(16)],
      crypto.randomUUID(),
      403,
    ],
  ] as const)('%s', async (_what, op, body, idem, code) => {
    expect(await refused(victim, op, body, idem)).toMatchObject({ code, retryable: false });
  });

  const say = (phone: TestPhone, officerId: string, key: string = crypto.randomUUID()) =>
    phone.phone.command('hey.say', { officerId }, key);

  it('hey to oneself, to a civilian, to nobody, from an officer', async () => {
    expect(await say(civilian, civilian.person.userId)).toMatchObject({ ok: false, code: 422 });
    expect(await say(civilian, bystander.person.userId)).toMatchObject({ ok: false });
    expect(await say(civilian, crypto.randomUUID())).toMatchObject({ ok: false, retryable: false });
    expect(await say(officer, officer.person.userId)).toMatchObject({ ok: false, code: 403 });
  });

  it('hey to an officer of another area looks like an officer who does not exist', async () => {
    const there = await say(bystander, officer.person.userId);
    const nowhere = await say(bystander, crypto.randomUUID());
    expect(there).toMatchObject({ ok: false, code: 404 });
    expect(nowhere).toMatchObject({ ok: false, code: 404 });
  });

  it('accepting a hey that is over, or never was', async () => {
    const gone = await officer.phone.command(
      'hey.accept',
      { heyId: crypto.randomUUID() },
      crypto.randomUUID(),
    );
    expect(gone).toMatchObject({ ok: false, code: 410 });
    const said = await civilian.must('hey.say', { officerId: officer.person.userId });
    await officer.must('hey.decline', { heyId: said.heyId });
    const declined = await officer.phone.command('hey.accept', { heyId: said.heyId }, crypto.randomUUID());
    expect(declined).toMatchObject({ ok: false, code: 410 });
    expect(await civilian.event('hey.closed')).toEqual({ heyId: said.heyId, reason: 'declined' });
  });

  it('one idempotency key for two different requests', async () => {
    const key = crypto.randomUUID();
    await civilian.must('instant.set', { on: true }, key);
    expect(await civilian.phone.command('instant.set', { on: false }, key)).toMatchObject({
      ok: false,
      code: 409,
    });
    await civilian.must('instant.set', { on: false });
  });
});

describe('positions', () => {
  /** What the server says to one position of a fresh connection. */
  const refusalOf = async (lat: number, lng: number, takenAtMs: number): Promise<Refusal> => {
    const before = civilian.refusals.length;
    civilian.phone.position({ ...positionAt({ lat: 0, lng: 0 }, takenAtMs), latE7: lat, lngE7: lng });
    return until('a refusal of the position', () => civilian.refusals[before]);
  };

  it('outside the globe, from the future, from long ago', async () => {
    expect(await refusalOf(900_000_001, 0, Date.now())).toMatchObject({ code: 422 });
    expect(await refusalOf(0, 1_800_000_001, Date.now())).toMatchObject({ code: 422 });
    expect(await refusalOf(0, 0, Date.now() + 3_600_000)).toMatchObject({ code: 422 });
    expect(await refusalOf(0, 0, Date.now() - 3_600_000)).toMatchObject({ ok: false });
  });

  it('with a sequence number that does not rise', async () => {
    const fresh = await town.phone('civilian', 5, 5);
    await fresh.arrive();
    const { latE7, lngE7, accuracyDm } = positionAt(fresh.point, 0);
    const repeat = {
      seq: 1,
      latE7,
      lngE7,
      accuracyDm,
      headingDeg: null,
      speedDms: null,
      takenAtMs: Date.now(),
    };
    fresh.phone.raw(encodeClientFrame({ type: 'location', ...repeat }));
    expect(await until('a refusal', () => fresh.refusals[0])).toMatchObject({ code: 409 });
  });

  it('faster than allowed: told to slow down, then closed with 4103', async () => {
    const hasty = await town.phone('civilian', 5, 9);
    await hasty.arrive();
    for (let i = 0; i < 50; i++) hasty.phone.position(positionAt(hasty.point, Date.now()));
    expect(await until('the close', () => hasty.closed)).toMatchObject({ code: 4103 });
    expect(hasty.refusals[0]).toMatchObject({ code: 429, retryable: true });
  });

  it('of somebody who does not share', async () => {
    const shy = await town.phone('officer', 5, 7);
    await shy.connect();
    shy.phone.position(positionAt(shy.point, Date.now()));
    expect(await until('a refusal', () => shy.refusals[0])).toMatchObject({ code: 409 });
  });
});

describe('codes', () => {
  /** Patient with the limit on scans, which is not what these are about. */
  const scan = (phone: TestPhone, token: string) =>
    until('an answer other than "slower"', async () => {
      const result = await phone.phone.command('qr.scan', { token }, crypto.randomUUID());
      if (result.ok || result.code !== ERROR.rateLimited) return result;
      await pause(result.retryAfterMs);
      return null;
    });
  let shownBy: TestPhone;
  let scanner: TestPhone;
  beforeAll(async () => {
    shownBy = await town.phone('civilian');
    scanner = await town.phone('officer');
    await shownBy.connect();
    await scanner.connect();
  });

  it('foreign, forged, of the wrong kind, one’s own', async () => {
    expect(await scan(scanner, 'https://example.com/')).toMatchObject({ ok: false, code: 422 });
    const { token } = await shownBy.must('qr.show', {});
    const forged = token.slice(0, -1) + (token.endsWith('0') ? '1' : '0');
    expect(await scan(scanner, forged)).toMatchObject({ ok: false, code: 422 });
    const anotherCivilian = await town.phone('civilian');
    await anotherCivilian.connect();
    expect(await scan(anotherCivilian, token)).toMatchObject({ ok: false, code: 422 });
    expect(await scan(shownBy, token)).toMatchObject({ ok: false, code: 422 });
  });

  it('too old, from the future, signed with another key', async () => {
    const master = loadKeys(town.dataDir).qrMasters.get(1)!;
    const presenter = { userNumber: 1, deviceNumber: 1 };
    const mint = (nowMs: number, key: Uint8Array) =>
      mintToken({ ...presenter, kind: 'civilian', kid: 1, master: key, nowMs, nonce: 7, flags: 0 });
    expect(deviceKey(master, presenter)).toHaveLength(32);
    expect(await scan(scanner, mint(Date.now() - 120_000, master))).toMatchObject({ ok: false, code: 410 });
    expect(await scan(scanner, mint(Date.now() + 120_000, master))).toMatchObject({ ok: false, code: 422 });
    expect(await scan(scanner, mint(Date.now(), new Uint8Array(32)))).toMatchObject({ ok: false, code: 422 });
  });

  it('used before', async () => {
    const { token } = await shownBy.must('qr.show', {});
    await scanner.must('qr.scan', { token });
    expect(await scan(scanner, token)).toMatchObject({ ok: false, code: 409 });
    const anotherOfficer = await town.phone('officer');
    await anotherOfficer.connect();
    expect(await scan(anotherOfficer, token)).toMatchObject({ ok: false, code: 409 });
  });
});

describe('tokens', () => {
  const base64 = (value: object | Buffer): string =>
    (Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))).toString('base64url');
  const claims = () =>
    JSON.parse(Buffer.from(victim.person.token.split('.')[1]!, 'base64url').toString()) as object;
  const header = () =>
    JSON.parse(Buffer.from(victim.person.token.split('.')[0]!, 'base64url').toString()) as { kid: string };
  const signed = (head: object, body: object): string => {
    const key = loadKeys(town.dataDir).signingKeys[0]!;
    const text = `${base64(head)}.${base64(body)}`;
    return `${text}.${base64(sign(null, Buffer.from(text), key.privateKey))}`;
  };
  const bad: readonly (readonly [string, number, () => string | Promise<string>])[] = [
    ['no token at all', 4002, () => ''],
    ['noise', 4002, () => 'a.b.c'],
    ['alg none', 4002, () => `${base64({ ...header(), alg: 'none' })}.${base64(claims())}.`],
    [
      'the public key used as a secret',
      4002,
      () => {
        const text = `${base64({ ...header(), alg: 'HS256' })}.${base64(claims())}`;
        const key = loadKeys(town.dataDir).signingKeys[0]!.publicKey.export({ format: 'der', type: 'spki' });
        return `${text}.${base64(createHmac('sha256', key).update(text).digest())}`;
      },
    ],
    ['another audience', 4002, () => signed(header(), { ...claims(), aud: 'somebody-else' })],
    ['another issuer', 4002, () => signed(header(), { ...claims(), iss: 'somebody-else' })],
    [
      'an expired one',
      4101,
      () => signed(header(), { ...claims(), exp: Math.floor(Date.now() / 1000) - 60 }),
    ],
    [
      'changed claims',
      4002,
      () => {
        const [head, , signature] = victim.person.token.split('.');
        return `${head}.${base64({ ...claims(), sub: officer.person.userId })}.${signature}`;
      },
    ],
    [
      'a key of somebody else',
      4002,
      () => {
        const key = { kid: header().kid, ...generateKeyPairSync('ed25519') };
        return createTokens([key], 900).mint({ ...victim.person });
      },
    ],
  ];

  it.each(bad)('%s: closed with %i, and 401 over REST', async (_what, code, make) => {
    const token = await make();
    const identity: PhoneIdentity = { ...victim.person, token };
    await expect(new Phone({ url: town.node.urls.realtime, identity }).connect()).rejects.toThrow(`${code}`);
    const answer = await town.rest.call<{ error: { retryable: boolean } }>('GET', '/v1/me', { token });
    expect(answer.status).toBe(401);
    expect(answer.body.error.retryable).toBe(false);
  });

  it('a token on another device', async () => {
    const identity = { ...victim.person, deviceId: 'stolen' };
    await expect(new Phone({ url: town.node.urls.realtime, identity }).connect()).rejects.toThrow('4002');
  });
});

describe('REST bodies', () => {
  const signUp = (body: unknown, headers: Record<string, string> = {}) =>
    town.rest.call<{ error: { code: number; message: string } }>('POST', '/v1/signup', { body, headers });
  const person = () => ({
    kind: 'civilian',
    handle: `h-${crypto.randomUUID().slice(0, 8)}`,
    password: 'long enough',
    deviceId: 'd',
  });

  it.each([
    ['not JSON', '{"kind":'],
    ['not an object', [1, 2, 3]],
    ['nothing in it', {}],
    ['an unknown kind', { kind: 'king', handle: 'abc', password: 'long enough', deviceId: 'd' }],
    ['a short password', { kind: 'civilian', handle: 'abc', password: 'x', deviceId: 'd' }],
    [
      'a field too many',
      { kind: 'civilian', handle: 'abcd', password: 'long enough', deviceId: 'd', admin: true },
    ],
    ['a number for a handle', { kind: 'civilian', handle: 7, password: 'long enough', deviceId: 'd' }],
  ])('%s', async (_what, body) => {
    const answer = await signUp(body);
    expect([400, 422]).toContain(answer.status);
    expect(answer.body.error.message.length).toBeGreaterThan(5);
    expect(answer.body.error.message).not.toMatch(/node_modules|at .*\.ts/);
  });

  it('10 MB', async () => {
    // The server may hang up before it has read all of it: that is an answer too.
    const answer = await signUp({ ...person(), zip: 'x'.repeat(10_000_000) }).catch(() => ({ status: 413 }));
    expect(answer.status).toBe(413);
  });

  it('an officer without a badge, with an unknown badge, an operator', async () => {
    expect((await signUp({ ...person(), kind: 'officer' })).status).toBeGreaterThanOrEqual(400);
    expect(
      (await signUp({ ...person(), kind: 'officer', badge: 'NOT-A-BADGE' })).status,
    ).toBeGreaterThanOrEqual(400);
    expect((await signUp({ ...person(), kind: 'operator' })).status).toBe(403);
  });

  it('a handle that is taken; one idempotency key for two people', async () => {
    const taken = { ...person(), handle: civilian.person.handle };
    expect((await signUp(taken)).status).toBe(409);
    const headers = { 'idempotency-key': crypto.randomUUID() };
    expect((await signUp(person(), headers)).status).toBe(201);
    expect((await signUp(person(), headers)).status).toBe(422);
  });

  it('what is not there', async () => {
    expect((await town.rest.call('GET', '/v1/nothing')).status).toBe(404);
    const officers = (id: string) =>
      town.rest.call('GET', `/v1/officers/${id}`, { token: civilian.person.token });
    expect((await officers(crypto.randomUUID())).status).toBe(404);
    expect((await officers(bystander.person.userId)).status).toBe(404);
    expect((await officers('not-an-id')).status).toBe(422);
  });
});

describe('a second node', () => {
  it('on a port in use says so in one sentence', async () => {
    const { port } = new URL(town.node.urls.rest);
    const database = await temporaryDatabase(inject('databaseUrl'));
    const env = {
      ...town.env,
      DATABASE_URL: database.url,
      HEYBLUE_DATA_DIR: join(town.dataDir, 'second'),
      HEYBLUE_REST_PORT: port,
      HEYBLUE_REALTIME_PORT: '0',
      HEYBLUE_ADMIN_PORT: '0',
    };
    const started = startNode({ env, output: 'ignore' });
    await expect(started).rejects.toThrow(port);
    await expect(started).rejects.toThrow(StartFailure);
    await database.drop();
  });
});

describe('after all that', () => {
  it('the same node serves, and the bystander has not noticed', async () => {
    expect(town.node.pid).toBe(pid);
    expect((await fetch(`${town.node.urls.admin}/readyz`)).status).toBe(200);
    expect(bystander.closed).toBeNull();
    await bystander.report();
    expect(await town.rest.balance(bystander.person.token)).toEqual({ balance: 0, version: 0 });
    expect(await town.rest.balance(victim.person.token)).toEqual({ balance: 0, version: 0 });
  });
});
