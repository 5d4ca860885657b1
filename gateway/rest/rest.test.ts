import jsqr from 'jsqr';
import { PNG } from 'pngjs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MemoryDevices } from '../../nodes/memory/memoryDevices.ts';
import { MemoryRevocations } from '../../nodes/memory/memoryRevocations.ts';
import { ERROR, refuse } from '../../protocol/errors.ts';
import { createPasswords } from '../auth/passwords.ts';
import { createTokens } from '../auth/tokens.ts';
import { LIMITS, RATES } from '../limits.ts';
import { Revocations } from '../revocations.ts';
import { counting, FakeDirectory, FakeDoor, HandClock, roster, signingKey, silent } from '../testing/town.ts';
import { createRest, type Rest } from './app.ts';
import type { RestOptions } from './context.ts';

/** The REST doors over a directory in memory; sockets are elsewhere (`gateway.test.ts`). */

const ana = { kind: 'civilian', handle: 'Ana', password: 'correct horse', deviceId: 'phone-1', zip: '10001' };
const kim = { kind: 'officer', handle: 'kim', password: 'battery staple', deviceId: 'phone-2', badge: 'B7' };

let clock: HandClock;
let door: FakeDoor;
let directory: FakeDirectory;
let tokens: ReturnType<typeof createTokens>;
let moved: string[];
let store: MemoryRevocations;
let revocations: Revocations;
let app: Rest;

const revocationsOf = (store: MemoryRevocations): Revocations =>
  new Revocations({
    store,
    bus: null,
    subject: 'x',
    tokenLifeMs: 900_000,
    wallMs: clock.nowMs,
    log: silent,
    metrics: counting(),
  });

const doors = (rest: Partial<RestOptions> = {}): Promise<Rest> =>
  createRest({
    door,
    directory,
    idValidator: roster,
    tokens,
    revocations,
    passwords: createPasswords(),
    log: silent,
    rates: RATES.rest,
    origins: ['https://heyblue.example'],
    trustedProxyHops: 0,
    wallMs: clock.nowMs,
    onDeviceMoved: (userId, deviceId) => moved.push(`${userId} ${deviceId}`),
    ...rest,
  });

beforeEach(async () => {
  clock = new HandClock();
  door = new FakeDoor();
  directory = new FakeDirectory();
  moved = [];
  store = new MemoryRevocations(clock.nowMs);
  revocations = revocationsOf(store);
  tokens = createTokens([signingKey()], 900, clock.nowMs, (user, device) =>
    revocations.issuedUntilMs(user, device),
  );
  app = await doors();
});
afterEach(() => app.close());

const post = async (url: string, payload?: object, headers: Record<string, string> = {}) => {
  const answer = await app.inject({ method: 'POST', url, headers, ...(payload && { payload }) });
  return { status: answer.statusCode, headers: answer.headers, body: answer.json() };
};
const get = async (url: string, token?: string) => {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await app.inject({ method: 'GET', url, headers });
  return { status: answer.statusCode, headers: answer.headers, body: answer.json() };
};
const failed = (status: number, code = status, retryable = false) => ({
  status,
  body: { error: { code, message: expect.any(String), retryable } },
});

test('sign up, sign in, a fresh token: each says the same person on the same device', async () => {
  const up = await post('/v1/signup', ana);
  expect(up).toMatchObject({
    status: 201,
    body: { expiresInS: 900 },
    headers: { 'cache-control': 'no-store' },
  });
  const { handle, password, deviceId } = ana;
  const inside = await post('/v1/signin', { handle: 'ANA', password, deviceId });
  expect(inside).toMatchObject({ status: 200, body: { userId: up.body.userId } });
  const fresh = await post('/v1/token', undefined, { authorization: `Bearer ${inside.body.accessToken}` });
  expect(fresh.status).toBe(200);
  expect(await tokens.verify(fresh.body.accessToken)).toMatchObject({
    value: { userId: up.body.userId, kind: 'civilian', handle: handle.toLowerCase(), deviceId },
  });
  const { passwordHash } = [...directory.people.values()][0]!;
  expect(passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
});

test('every kind signs up, except the operator; an officer needs a badge on the roster', async () => {
  for (const kind of ['merchant', 'charity', 'family', 'municipality']) {
    expect((await post('/v1/signup', { ...ana, kind, handle: kind })).status).toBe(201);
  }
  expect(await post('/v1/signup', { ...ana, kind: 'operator', handle: 'root' })).toMatchObject(failed(403));
  expect(await post('/v1/signup', { ...kim, badge: 'X1' })).toMatchObject(failed(403));
  expect(await post('/v1/signup', { ...kim, badge: undefined })).toMatchObject(failed(403));
  expect(await post('/v1/signup', { ...kim, badge: 'B7\0' })).toMatchObject(failed(422));
  expect(await post('/v1/signup', { ...ana, badge: 'B7' })).toMatchObject(failed(422));
  expect((await post('/v1/signup', kim)).status).toBe(201);
  expect(await post('/v1/signup', { ...kim, handle: 'lee' })).toMatchObject(failed(409));
});

test('a taken handle is 409; a wrong password and an unknown handle get the same answer', async () => {
  await post('/v1/signup', ana);
  expect(await post('/v1/signup', { ...ana, handle: 'ANA', deviceId: 'x' })).toMatchObject(failed(409));
  const { deviceId } = ana;
  const wrong = await post('/v1/signin', { handle: 'ana', password: 'wrong horse', deviceId });
  const unknown = await post('/v1/signin', { handle: 'nobody', password: 'wrong horse', deviceId });
  expect(wrong).toMatchObject(failed(401));
  expect(unknown.body).toEqual(wrong.body);
});

test('an unknown handle costs a password check like a known one', async () => {
  await app.close();
  const checked: (string | null)[] = [];
  const real = createPasswords();
  app = await doors({
    passwords: {
      ...real,
      check: (password, stored) => {
        checked.push(stored);
        return real.check(password, stored);
      },
    },
  });
  await post('/v1/signin', { handle: 'nobody', password: 'wrong horse', deviceId: 'phone-1' });
  expect(checked).toEqual([null]);
});

test('a merchant signs in on each till: all are linked, up to a number, until the account is moved to one', async () => {
  const shop = { handle: 'shop', password: 'correct horse', deviceId: 'till-1' };
  await post('/v1/signup', { ...shop, kind: 'merchant' });
  const there = await post('/v1/signin', { ...shop, deviceId: 'till-2' });
  expect(await tokens.verify(there.body.accessToken)).toMatchObject({ value: { deviceId: 'till-2' } });
  expect((await post('/v1/signin', shop)).status).toBe(200);
  const bearer = { authorization: `Bearer ${there.body.accessToken}` };
  const fresh = await post('/v1/token', undefined, bearer);
  expect(await tokens.verify(fresh.body.accessToken)).toMatchObject({ value: { deviceId: 'till-2' } });
  for (let n = 3; n <= LIMITS.devicesLinkedMax + 2; n++) {
    const status = n <= LIMITS.devicesLinkedMax + 1 ? 200 : 409;
    expect((await post('/v1/signin', { ...shop, deviceId: `till-${n}` })).status).toBe(status);
  }
  expect((await post('/v1/device', shop)).status).toBe(200);
  expect(moved).toHaveLength(1);
  expect((await post('/v1/token', undefined, bearer)).status).toBe(401);
});

test('one device per account: elsewhere is 409, moving ends the old one', async () => {
  const { body: old } = await post('/v1/signup', ana);
  const there = { handle: 'ana', password: ana.password, deviceId: 'phone-9' };
  const refused = await post('/v1/signin', there);
  expect(refused).toMatchObject(failed(409));
  expect(refused.body.error.message).toContain('/v1/device');
  expect(await post('/v1/device', { ...there, password: 'wrong horse' })).toMatchObject(failed(401));
  expect(moved).toEqual([]);
  const now = await post('/v1/device', there);
  expect(now.status).toBe(200);
  expect(moved).toEqual([`${old.userId} phone-9`]);
  expect((await get('/v1/me', now.body.accessToken)).status).toBe(200);
  expect(await get('/v1/me', old.accessToken)).toMatchObject(failed(401));
  expect(await post('/v1/token', undefined, { authorization: `Bearer ${old.accessToken}` })).toMatchObject(
    failed(401),
  );
  expect((await post('/v1/device', there)).status).toBe(200);
  expect(await post('/v1/signin', ana as never)).toMatchObject(failed(422));
});

test('a move is known after a restart, also by doors that had no part in it, and asks the directory nothing', async () => {
  const { body: old } = await post('/v1/signup', ana);
  const { body: stays } = await post('/v1/signup', { ...ana, handle: 'bob' });
  await post('/v1/device', { handle: 'ana', password: ana.password, deviceId: 'phone-9' });
  await app.close();
  clock.advance(2_000);
  const later = revocationsOf(store);
  await later.start();
  app = await doors({ revocations: later });
  directory.down = true;
  expect(await get('/v1/balance', old.accessToken)).toMatchObject(failed(401));
  expect((await get('/v1/balance', stays.accessToken)).status).toBe(200);
  later.stop();
});

test('signing out ends this token, or all of them; a later one is good', async () => {
  const { body: one } = await post('/v1/signup', ana);
  const signIn = { handle: 'ana', password: ana.password, deviceId: ana.deviceId };
  const { body: two } = await post('/v1/signin', signIn);
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  expect(await post('/v1/signout', undefined, bearer(one.accessToken))).toMatchObject({
    status: 200,
    body: { stored: true },
  });
  expect((await get('/v1/me', one.accessToken)).status).toBe(401);
  expect((await get('/v1/me', two.accessToken)).status).toBe(200);
  expect((await post('/v1/signout?everywhere=true', undefined, bearer(two.accessToken))).status).toBe(200);
  expect((await get('/v1/me', two.accessToken)).status).toBe(401);
  expect((await post('/v1/signout', undefined, bearer(two.accessToken))).status).toBe(401);
  const { body: three } = await post('/v1/signin', signIn);
  expect((await get('/v1/me', three.accessToken)).status).toBe(200);
});

test('signing out while the store is away is 503 and holds; the same token stores it, and is good for nothing else', async () => {
  const signIn = { handle: 'ana', password: ana.password, deviceId: ana.deviceId };
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  await post('/v1/signup', ana);
  for (const [url, stored] of [
    ['/v1/signout', 1],
    ['/v1/signout?everywhere=true', 2],
  ] as const) {
    const { body: one } = await post('/v1/signin', signIn);
    const away = vi.spyOn(store, 'add').mockRejectedValue(new Error('no connection'));
    const out = () => post(url, undefined, bearer(one.accessToken));
    const refused = await out();
    expect(refused).toMatchObject({ ...failed(503, 503, true), headers: { 'retry-after': '1' } });
    expect(refused.body.error.message).toContain('repeat it');
    expect(await get('/v1/me', one.accessToken)).toMatchObject(failed(401));
    expect(await post('/v1/token', undefined, bearer(one.accessToken))).toMatchObject(failed(401));
    // somebody who came in afterwards is not thrown out by the repeat
    clock.advance(2_000);
    const { body: later } = await post('/v1/signin', signIn);
    expect((await out()).status).toBe(503);
    away.mockRestore();
    expect(await out()).toMatchObject({ status: 200, body: { stored: true } });
    expect(store.size).toBe(stored);
    expect(await out()).toMatchObject(failed(401));
    expect((await get('/v1/me', later.accessToken)).status).toBe(200);
  }
});

test('a move whose revocation is not stored is 503; asked for again it is whole', async () => {
  const { body: old } = await post('/v1/signup', ana);
  const away = vi.spyOn(store, 'add').mockRejectedValue(new Error('no connection'));
  const move = () => post('/v1/device', { handle: 'ana', password: ana.password, deviceId: 'phone-9' });
  expect(await move()).toMatchObject(failed(503, 503, true));
  expect(await get('/v1/me', old.accessToken)).toMatchObject(failed(401));
  away.mockRestore();
  expect((await move()).status).toBe(200);
});

test('a move that broke off half way is made whole by asking again', async () => {
  const { body: old } = await post('/v1/signup', ana);
  // the account was moved, and the node died before it could tell anybody
  await directory.moveDevice(old.userId, 'phone-9');
  expect((await get('/v1/balance', old.accessToken)).status).toBe(200);
  expect((await post('/v1/token', undefined, { authorization: `Bearer ${old.accessToken}` })).status).toBe(
    401,
  );
  await post('/v1/device', { handle: 'ana', password: ana.password, deviceId: 'phone-9' });
  expect(await get('/v1/balance', old.accessToken)).toMatchObject(failed(401));
});

test('Idempotency-Key: a repeat gets the same account, another body 422, none is shared between bodies', async () => {
  const key = { 'idempotency-key': 'k-1' };
  const first = await post('/v1/signup', ana, key);
  const again = await post('/v1/signup', ana, key);
  expect(again).toMatchObject({ status: 201, body: { userId: first.body.userId } });
  expect([first.headers['idempotent-replayed'], again.headers['idempotent-replayed']]).toEqual([
    undefined,
    'true',
  ]);
  expect(await post('/v1/signup', { ...ana, handle: 'eva' }, key)).toMatchObject(failed(422));
  expect(directory.people.size).toBe(1);
  clock.advance(86_400_001);
  expect((await post('/v1/signup', { ...ana, handle: 'eva' }, key)).status).toBe(201);
});

test('Idempotency-Key: two at once make one account; the second is told to come back', async () => {
  const key = { 'idempotency-key': 'k-1' };
  const both = await Promise.all([post('/v1/signup', ana, key), post('/v1/signup', ana, key)]);
  expect(both.map(one => one.status).sort()).toEqual([201, 409]);
  const told = both.find(one => one.status === 409)!;
  expect(told).toMatchObject({ ...failed(409, 409, true), headers: { 'retry-after': '1' } });
});

test('Idempotency-Key: after a restart the account itself is the memory', async () => {
  const key = { 'idempotency-key': 'k-1' };
  const first = await post('/v1/signup', ana, key);
  await app.close();
  app = await doors();
  const again = await post('/v1/signup', ana, key);
  expect(again).toMatchObject({
    status: 201,
    body: { userId: first.body.userId },
    headers: { 'idempotent-replayed': 'true' },
  });
  expect(
    await post('/v1/signup', { ...ana, password: 'other horse' }, { 'idempotency-key': 'k-2' }),
  ).toMatchObject(failed(409));
});

test('Idempotency-Key: a refusal is not kept, and a replay never brings an old device back', async () => {
  const key = { 'idempotency-key': 'k-1' };
  directory.down = true;
  expect(await post('/v1/signup', ana, key)).toMatchObject(failed(503, 503, true));
  directory.down = false;
  expect((await post('/v1/signup', ana, key)).status).toBe(201);
  await post('/v1/device', { handle: 'ana', password: ana.password, deviceId: 'phone-9' });
  expect(await post('/v1/signup', ana, key)).toMatchObject(failed(409));
});

test('points at a moment are read from the ledger, whatever zone it is said in', async () => {
  const { body: me } = await post('/v1/signup', ana);
  const nowMs = clock.nowMs();
  const then = (at: string) => get(`/v1/balance?at=${encodeURIComponent(at)}`, me.accessToken);
  const past = new Date(Math.floor(nowMs / 1_000) * 1_000 - 60_000);
  const answer = { balance: past.getTime() / 1_000, at: past.toISOString() };
  expect((await then(past.toISOString())).body).toEqual(answer);
  const inAthens = new Date(past.getTime() + 7_200_000).toISOString().replace('Z', '+02:00');
  expect((await then(inAthens)).body).toEqual(answer);
  for (const wrong of ['yesterday', '2026-11-21', '2026-11-21T18:00:00', '2026-13-41T18:00:00Z', '', '0']) {
    expect(await then(wrong)).toMatchObject(failed(422));
  }
  expect(await then(new Date(nowMs + 1_000).toISOString())).toMatchObject(failed(422));
  expect(await get('/v1/balance?when=now', me.accessToken)).toMatchObject(failed(422));
  directory.down = true;
  expect(await then(past.toISOString())).toMatchObject(failed(503, 503, true));
});

test('what a person may read: profile, points from the actor, pages, officers by handle and number', async () => {
  const { body: me } = await post('/v1/signup', ana);
  const { body: officer } = await post('/v1/signup', kim);
  const token = me.accessToken;
  expect((await get('/v1/me', token)).body).toEqual({
    userId: me.userId,
    kind: 'civilian',
    handle: 'ana',
    zip: '10001',
    createdAtMs: 5,
  });
  expect((await get('/v1/balance', token)).body).toEqual({ balance: 70, version: 3 });
  expect(door.asked.at(-1)!.to).toEqual({ kind: 'user', id: me.userId });
  expect((await get(`/v1/officers/${officer.userId}`, token)).body).toEqual({
    handle: 'kim',
    encounterCount: 12,
  });
  expect(await get(`/v1/officers/${me.userId}`, token)).toMatchObject(failed(404));
  expect(await get('/v1/officers/root', token)).toMatchObject(failed(422));
  const seen: string[] = [];
  for (let next: string | null = ''; next !== null; ) {
    const before = next === '' ? '' : `&before=${next}`;
    const page: { items: { id: string }[]; next: string | null } = (
      await get(`/v1/encounters?limit=2${before}`, token)
    ).body;
    seen.push(...page.items.map(one => one.id.at(-1)!));
    next = page.next;
  }
  expect(seen).toEqual(['5', '4', '3', '2', '1']);
  expect((await get('/v1/transactions', token)).body).toMatchObject({
    items: [{ delta: 10, rule: 'encounter@1' }, {}, {}, {}, {}],
    next: null,
  });
});

test.each(['limit=0', 'limit=101', 'limit=ten', 'before=x', 'page=2'])('?%s is 422', async query => {
  const { body } = await post('/v1/signup', ana);
  expect(await get(`/v1/encounters?${query}`, body.accessToken)).toMatchObject(failed(422));
});

test('a QR code as a picture by itself, paced for each person', async () => {
  const { body: me } = await post('/v1/signup', ana);
  const picture = (path: string, token = me.accessToken) =>
    app.inject({ method: 'GET', url: `/v1/qr.${path}`, headers: { authorization: `Bearer ${token}` } });
  const svg = await picture('svg');
  expect([svg.statusCode, svg.headers['content-type'], svg.headers['cache-control']]).toEqual([
    200,
    'image/svg+xml',
    'no-store',
  ]);
  expect(svg.headers.expires).toBe(new Date(1_795_000_000_000).toUTCString());
  expect(svg.body).toMatch(/^<svg/);
  expect((await picture('txt')).body).toContain('█');
  for (const [scale, path] of [
    [8, 'png'],
    [16, 'png?scale=16'],
  ] as const) {
    const { headers, rawPayload } = await picture(path);
    expect(headers['content-type']).toBe('image/png');
    const png = PNG.sync.read(rawPayload);
    expect(png.width % scale).toBe(0);
    expect(jsqr.default(new Uint8ClampedArray(png.data), png.width, png.height)?.data).toBe('HB1:TEST');
  }
  for (const bad of ['png?scale=17', 'png?scale=3', 'png?scale=x', 'svg?scale=8'])
    expect((await picture(bad)).statusCode, bad).toBe(422);
  for (let i = 0; i < RATES.rest.code.burst; i++) await picture('svg');
  const slow = await picture('svg');
  expect([slow.statusCode, slow.headers['retry-after']]).toEqual([429, '1']);
  const { body: kims } = await post('/v1/signup', kim);
  expect((await picture('svg', kims.accessToken)).statusCode).toBe(200);
  expect((await picture('svg', 'nobody')).statusCode).toBe(401);
});

test('pictures of everybody together are paced, for each costs the node milliseconds; a book is none', async () => {
  await app.close();
  app = await doors({ rates: { ...RATES.rest, picture: { perS: 1, burst: 1 } } });
  const { body: me } = await post('/v1/signup', ana);
  const { body: other } = await post('/v1/signup', kim);
  expect((await get('/v1/qr', me.accessToken)).status).toBe(200);
  expect(await get('/v1/qr', other.accessToken)).toMatchObject(failed(429, 429, true));
  expect((await get('/v1/qr/book', other.accessToken)).status).toBe(200);
  clock.advance(1_000);
  expect((await get('/v1/qr', other.accessToken)).status).toBe(200);
});

test('the book of codes: for the linked device of who meets people', async () => {
  const { body: me } = await post('/v1/signup', ana);
  expect(await get('/v1/qr/book', me.accessToken)).toMatchObject({
    status: 200,
    headers: { 'cache-control': 'no-store' },
    body: { kind: 'civilian', kid: 1, key: '00', handles: [{ day: 20_775, handle: '11' }] },
  });
  const { body: shop } = await post('/v1/signup', { ...ana, kind: 'merchant', handle: 'shop' });
  expect(await get('/v1/qr/book', shop.accessToken)).toMatchObject(failed(403));
  expect(await get('/v1/qr/book')).toMatchObject(failed(401));
});

test('the devices that a person was seen on: newest first, which of them asks, nobody else', async () => {
  const devices = new MemoryDevices(clock.nowMs);
  const { body } = await post('/v1/signup', ana);
  expect((await get('/v1/me/devices', body.accessToken)).body).toEqual({ items: [] });
  await app.close();
  app = await doors({ devices });
  devices.saw(body.userId, 'phone-0', null);
  clock.advance(60_000);
  devices.saw(body.userId, ana.deviceId, 'heyblue/1.4');
  devices.saw(kim.handle, 'phone-2', 'heyblue/1.4');
  const nowMs = clock.nowMs();
  expect((await get('/v1/me/devices', body.accessToken)).body).toEqual({
    items: [
      { deviceId: 'phone-1', app: 'heyblue/1.4', firstSeenMs: nowMs, lastSeenMs: nowMs, current: true },
      {
        deviceId: 'phone-0',
        app: null,
        firstSeenMs: nowMs - 60_000,
        lastSeenMs: nowMs - 60_000,
        current: false,
      },
    ],
  });
  expect(await get('/v1/me/devices')).toMatchObject(failed(401));
});

test('a QR code as SVG, PNG and text; not for a merchant', async () => {
  const { body: me } = await post('/v1/signup', ana);
  const svg = await get('/v1/qr', me.accessToken);
  expect(svg.body).toMatchObject({ token: 'HB1:TEST', expiresS: 1_795_000_000, format: 'svg' });
  const [head, data] = svg.body.image.split(',');
  expect(head).toBe('data:image/svg+xml;base64');
  expect(Buffer.from(data, 'base64').toString()).toMatch(/^<svg/);
  expect((await get('/v1/qr?format=png', me.accessToken)).body.image).toMatch(
    /^data:image\/png;base64,iVBOR/,
  );
  expect((await get('/v1/qr?format=text', me.accessToken)).body.image).toContain('█');
  expect(await get('/v1/qr?format=gif', me.accessToken)).toMatchObject(failed(422));
  const { body: shop } = await post('/v1/signup', { ...ana, kind: 'merchant', handle: 'shop' });
  expect(await get('/v1/qr', shop.accessToken)).toMatchObject(failed(403));
});

test.each([
  ['nothing', undefined],
  ['nonsense', 'Bearer x'],
  ['another scheme', 'Basic YTpi'],
])('%s instead of a token is 401', async (_what, authorization) => {
  const answer = await app.inject({ url: '/v1/me', headers: authorization ? { authorization } : {} });
  expect({ status: answer.statusCode, body: answer.json() }).toMatchObject(failed(401));
  expect(answer.headers['www-authenticate']).toContain('Bearer');
});

test('an expired token is 401 with 498 inside', async () => {
  const { body } = await post('/v1/signup', ana);
  clock.advance(900_000 + LIMITS.clockSkewMs);
  expect(await get('/v1/me', body.accessToken)).toMatchObject(failed(401, ERROR.tokenExpired));
});

test('an actor that refuses is passed on: full 503, late 504, bug 500', async () => {
  const { body } = await post('/v1/signup', ana);
  for (const [code, retryable] of [
    [ERROR.unavailable, true],
    [ERROR.timeout, true],
    [ERROR.internal, false],
  ] as const) {
    door.answers.balance = () => refuse(code, 'x');
    expect(await get('/v1/balance', body.accessToken)).toMatchObject(failed(code, code, retryable));
  }
});

test('the directory away: 503, retryable, and nothing of why', async () => {
  const { body } = await post('/v1/signup', ana);
  directory.down = true;
  const { handle, password, deviceId } = ana;
  for (const answer of [
    await post('/v1/signin', { handle, password, deviceId }),
    await post('/v1/device', { handle, password, deviceId }),
    await get('/v1/me', body.accessToken),
    await get('/v1/encounters', body.accessToken),
    await get(`/v1/officers/${body.userId}`, body.accessToken),
  ]) {
    expect(answer).toMatchObject(failed(503, 503, true));
    expect(JSON.stringify(answer.body)).not.toContain('10.0.0.7');
  }
});

test('a badge service that is away is 503 as well', async () => {
  await app.close();
  app = await doors({
    idValidator: {
      validate: async () => {
        throw new Error('ENOTFOUND badges');
      },
    },
  });
  expect(await post('/v1/signup', kim)).toMatchObject(failed(503, 503, true));
});

test.each([
  ['no body', undefined, 422],
  ['an empty object', {}, 422],
  ['a field too many', { ...ana, admin: true }, 422],
  ['a number for a text', { ...ana, handle: 7 }, 422],
  ['a short handle', { ...ana, handle: 'a' }, 422],
  ['a handle with spaces', { ...ana, handle: 'a b c' }, 422],
  ['a short password', { ...ana, password: 'short' }, 422],
  ['a very long password', { ...ana, password: 'x'.repeat(129) }, 422],
  ['a kind that does not exist', { ...ana, kind: 'king' }, 422],
  ['an empty device', { ...ana, deviceId: '' }, 422],
  ['a zip that is none', { ...ana, zip: 'ABC' }, 422],
  ['an array', [ana], 422],
])('sign-up with %s is refused', async (_what, payload, status) => {
  expect(await post('/v1/signup', payload as object)).toMatchObject(failed(status));
  expect(directory.people.size).toBe(0);
});

test.each([
  ['bad JSON', { payload: '{"a":', headers: { 'content-type': 'application/json' } }, 400],
  ['__proto__', { payload: '{"__proto__":{"x":1}}', headers: { 'content-type': 'application/json' } }, 400],
  ['an empty JSON body', { payload: '', headers: { 'content-type': 'application/json' } }, 400],
  ['plain text', { payload: '{}', headers: { 'content-type': 'text/plain' } }, 400],
  ['XML', { payload: '<a/>', headers: { 'content-type': 'application/xml' } }, 400],
  ['10 MB', { payload: `"${'x'.repeat(10_000_000)}"`, headers: { 'content-type': 'application/json' } }, 413],
])('%s is one documented error', async (_what, request, status) => {
  const answer = await app.inject({ method: 'POST', url: '/v1/signin', ...request });
  expect({ status: answer.statusCode, body: answer.json() }).toMatchObject(failed(status));
  expect(answer.payload).not.toMatch(/\.ts|node_modules|at /);
});

test('10 MB over a real socket is 413, and the door stays open', async () => {
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  const body = 'x'.repeat(10_000_000);
  const answer = await fetch(`${url}/v1/signin`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' },
  });
  expect(answer.status).toBe(413);
  expect((await answer.json()).error.code).toBe(413);
  expect((await fetch(`${url}/.well-known/jwks.json`)).status).toBe(200);
});

test('unknown routes and methods are 404, a broken URL 400, all in the one shape', async () => {
  expect(await get('/v1/nothing')).toMatchObject(failed(404));
  expect(await post('/v1/me')).toMatchObject(failed(404));
  expect(await get('/v1/officers/%zz')).toMatchObject(failed(400));
});

test('a bug is 500 without a trace of it', async () => {
  const { body } = await post('/v1/signup', ana);
  door.ask = () => {
    throw new Error('secret of /srv/app.ts');
  };
  const answer = await get('/v1/balance', body.accessToken);
  expect(answer).toMatchObject(failed(500));
  expect(JSON.stringify(answer.body)).not.toContain('secret');
});

test('guessing is slowed down for the guesser, not for the owner of the handle', async () => {
  await app.close();
  app = await doors({
    rates: { ...RATES.rest, handle: { perS: 0.1, burst: 2 }, address: { perS: 1, burst: 5 } },
    trustedProxyHops: 1,
  });
  await post('/v1/signup', ana);
  const { deviceId, password } = ana;
  const guess = () => post('/v1/signin', { handle: 'ana', password: 'wrong horse', deviceId });
  await guess();
  await guess();
  const slow = await guess();
  expect(slow).toMatchObject({ ...failed(429, 429, true), headers: { 'retry-after': '10' } });
  expect(await post('/v1/signin', { handle: 'ana', password, deviceId })).toMatchObject(
    failed(429, 429, true),
  );
  const elsewhere = { 'x-forwarded-for': '10.9.9.9' };
  expect((await post('/v1/signin', { handle: 'ana', password, deviceId }, elsewhere)).status).toBe(200);
  clock.advance(10_000);
  expect((await post('/v1/signin', { handle: 'ana', password, deviceId })).status).toBe(200);
  const many = await Promise.all(
    Array.from({ length: 8 }, (_, i) => post('/v1/signin', { handle: `x${i}x`, password, deviceId })),
  );
  expect(many.filter(one => one.status === 429)).toHaveLength(4);
});

test('pages of allowed origins may call, others are not invited', async () => {
  const ask = (origin: string) =>
    app.inject({
      method: 'OPTIONS',
      url: '/v1/signin',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
  const good = await ask('https://heyblue.example');
  expect(good.statusCode).toBe(204);
  expect(good.headers['access-control-allow-origin']).toBe('https://heyblue.example');
  expect(good.headers['access-control-allow-headers']).toContain('idempotency-key');
  expect((await ask('https://evil.example')).headers['access-control-allow-origin']).toBeUndefined();
});

test('every route is documented, with a schema for each answer', async () => {
  const { body } = await get('/docs/openapi.json');
  expect(body.openapi).toMatch(/^3\.1/);
  expect(Object.keys(body.paths).sort()).toEqual([
    '/.well-known/jwks.json',
    '/docs',
    '/docs/asyncapi.json',
    '/docs/conformance',
    '/docs/openapi.json',
    '/docs/protocol',
    '/docs/protocol.md',
    '/docs/vectors.json',
    '/v1/balance',
    '/v1/device',
    '/v1/encounters',
    '/v1/me',
    '/v1/me/devices',
    '/v1/officers/{id}',
    '/v1/qr',
    '/v1/qr.png',
    '/v1/qr.svg',
    '/v1/qr.txt',
    '/v1/qr/book',
    '/v1/signin',
    '/v1/signout',
    '/v1/signup',
    '/v1/token',
    '/v1/transactions',
  ]);
  for (const path of Object.values<Record<string, { responses: Record<string, { content?: object }> }>>(
    body.paths,
  )) {
    for (const { responses } of Object.values(path)) {
      expect(Object.keys(responses)).toContain('4XX');
      for (const answer of Object.values(responses)) expect(answer.content).toBeDefined();
    }
  }
  const page = await app.inject('/docs');
  expect(page.headers['content-type']).toContain('text/html');
  expect(page.payload).toContain('/v1/signup');
  expect(page.payload).not.toMatch(/(src|href)="?(https?:)?\/\//);
});

test('the keys that verify our tokens are published', async () => {
  const { body, headers } = await get('/.well-known/jwks.json');
  expect(body.keys).toEqual([
    { kty: 'OKP', crv: 'Ed25519', x: expect.any(String), kid: 'k1', alg: 'EdDSA', use: 'sig' },
  ]);
  expect(headers['cache-control']).toContain('max-age');
});

test('every request is timed by how it ended: for the service level, whose fault it was counts', async () => {
  await app.close();
  const metrics = counting();
  app = await doors({ metrics });
  const { body } = await post('/v1/signup', ana);
  await get('/v1/nothing');
  door.ask = () => {
    throw new Error('a bug');
  };
  await get('/v1/balance', body.accessToken);
  for (const result of ['ok', 'refused', 'failed'])
    expect(metrics.observed.get(`rt_request_seconds ${result}`), result).toHaveLength(1);
});
