/** Machines: how they get a token, where it is good, and what becomes of what they tell. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import { MemoryRevocations } from '../../nodes/memory/memoryRevocations.ts';
import { memoryTown } from '../../nodes/memory/memoryTown.ts';
import { builtInRules } from '../../nodes/rules/builtIn.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { createPasswords } from '../auth/passwords.ts';
import { Services } from '../auth/services.ts';
import { createTokens } from '../auth/tokens.ts';
import { RATES } from '../limits.ts';
import { Revocations } from '../revocations.ts';
import { counting, FakeDirectory, FakeDoor, HandClock, roster, signingKey, silent } from '../testing/town.ts';
import { createRest, type Rest } from './app.ts';

const ID = '01900000-0000-7000-8000-0000000000a1';
const KIOSK = '01900000-0000-4000-8000-0000000000d1';
const SECRET = 'a secret that was drawn';
const account = {
  id: KIOSK,
  name: 'kiosk',
  secretSha256: createHash('sha256').update(SECRET).digest('hex'),
};
const credentials = { grant_type: 'client_credentials', client_id: KIOSK, client_secret: SECRET };
const movement = {
  transferId: ID,
  reason: 'donation',
  rule: { id: 'donation', version: 1 },
  atMs: 5,
  parties: [{ userId: ID, points: -5 }],
};

let clock: HandClock;
let door: FakeDoor;
let directory: FakeDirectory;
let tokens: ReturnType<typeof createTokens>;
let revocations: Revocations;
let answer: Result<unknown>;
let app: Rest;
const [officer, civilian] = ['01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000002'];

const doors = (accounts = [account]): Promise<Rest> => {
  const { giving } = memoryTown().people;
  giving.movement = async () => movement;
  return createRest({
    door,
    directory,
    giving,
    services: new Services(accounts),
    scoring: builtInRules(DEFAULT_RULES),
    idValidator: roster,
    tokens,
    revocations,
    passwords: createPasswords(),
    log: silent,
    rates: RATES.rest,
    origins: [],
    trustedProxyHops: 0,
    wallMs: clock.nowMs,
    onDeviceMoved: () => {},
  });
};

beforeEach(async () => {
  clock = new HandClock();
  door = new FakeDoor();
  directory = new FakeDirectory();
  for (const kind of ['officer', 'civilian'] as const) {
    const user = { kind, handle: kind, passwordHash: '', deviceId: 'd', zip: null, badge: null };
    await directory.createUser(user);
  }
  answer = ok({ transferId: ID, points: -5, balance: 65 });
  door.answers.spend = () => answer;
  door.answers.observe = () => ok({ encounterId: ID, atMs: 5, officer: {}, civilian: {} });
  const store = new MemoryRevocations(clock.nowMs);
  const { nowMs: wallMs } = clock;
  const bus = { bus: null, subject: 'x', tokenLifeMs: 900_000, wallMs, log: silent, metrics: counting() };
  revocations = new Revocations({ store, ...bus });
  tokens = createTokens([signingKey()], 900, clock.nowMs, (user, device) =>
    revocations.issuedUntilMs(user, device),
  );
  app = await doors();
});
afterEach(() => app.close());

const post = async (url: string, payload: object, token?: string, key?: string) => {
  const headers = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(key !== undefined && { 'idempotency-key': key }),
  };
  const said = await app.inject({ method: 'POST', url, headers, payload });
  return { status: said.statusCode, headers: said.headers, body: said.json() };
};
const tokenOf = async (): Promise<string> =>
  (await post('/v1/oauth/token', credentials)).body.access_token as string;
const donation = { type: 'donation', from: ID, to: [{ userId: officer, points: 5 }] };
const spends = () => door.asked.filter(one => one.message.type === 'spend').map(one => one.message);

test('a machine gets a token for its secret; whoever is unknown and whoever is wrong hear the same', async () => {
  expect(await post('/v1/oauth/token', credentials)).toMatchObject({
    status: 200,
    body: { token_type: 'Bearer', expires_in: 900, scope: 'service' },
  });
  const wrong = await post('/v1/oauth/token', { ...credentials, client_secret: 'x' });
  const unknown = await post('/v1/oauth/token', { ...credentials, client_id: ID });
  expect([wrong.status, wrong.body]).toEqual([unknown.status, unknown.body]);
  expect(wrong.status).toBe(401);
  expect((await post('/v1/oauth/token', { ...credentials, grant_type: 'password' })).status).toBe(422);
});

test('guessing is slowed down', async () => {
  const wrong = { ...credentials, client_secret: 'x' };
  const codes = new Set<number>();
  for (let i = 0; i <= RATES.rest.address.burst; i++)
    codes.add((await post('/v1/oauth/token', wrong)).status);
  expect(codes).toEqual(new Set([401, 429]));
});

test('its token is good at the doors of machines alone, and that of a person at none of them', async () => {
  const token = await tokenOf();
  const headers = { authorization: `Bearer ${token}` };
  for (const url of ['/v1/me', '/v1/balance', '/v1/fees', '/v1/qr'])
    expect((await app.inject({ url, headers })).statusCode).toBe(401);
  expect((await post('/v1/donations', { to: donation.to }, token, 'k')).status).toBe(401);
  expect(await tokens.verify(token)).toMatchObject({ ok: false, code: ERROR.unauthorized });
  for (const kind of ['operator', 'civilian'] as const) {
    const person = await tokens.mint({ userId: ID, kind, handle: 'x', deviceId: 'service' });
    for (const path of ['transactions', 'preview'])
      expect((await post(`/v1/scoring/${path}`, donation, person, 'k')).status).toBe(401);
  }
  expect((await post('/v1/scoring/transactions', donation, undefined, 'k')).status).toBe(401);
  expect(spends()).toEqual([]);
});

test('a token of an account that is no more, and one that was revoked, is refused', async () => {
  const token = await tokenOf();
  const verified = await tokens.verifyService(token);
  await app.close();
  app = await doors([]);
  expect((await post('/v1/scoring/preview', donation, token)).status).toBe(401);
  await app.close();
  app = await doors();
  await revocations.token(verified.ok ? verified.value.tokenId : '');
  expect((await post('/v1/scoring/preview', donation, token)).status).toBe(401);
});

test('each kind goes to the actor that decides it, and the answer is what the ledger has', async () => {
  const token = await tokenOf();
  const { transferId, rule, atMs, parties } = movement;
  const scored = { transferId, held: false, rule, atMs, parties };
  expect(await post('/v1/scoring/transactions', donation, token, 'a')).toMatchObject({
    status: 200,
    body: { type: 'donation', ...scored },
  });
  await post('/v1/scoring/transactions', { type: 'giveaway', from: ID, to: officer, points: 3 }, token, 'b');
  await post('/v1/scoring/transactions', { type: 'fee', from: ID, fee: officer }, token, 'c');
  expect(spends()).toMatchObject([
    { name: 'points.donate', body: { to: donation.to } },
    { name: 'points.give', body: { userId: officer, points: 3 } },
    { name: 'fee.pay', body: { feeId: officer } },
  ]);
  const encounter = { type: 'encounter', officer, civilian, method: 'qr' };
  expect(await post('/v1/scoring/transactions', encounter, token, 'd')).toMatchObject({
    body: { type: 'encounter', ...scored },
  });
  expect(door.asked.at(-1)).toMatchObject({
    to: { kind: 'pair', id: `${officer}|${civilian}` },
    message: { evidence: { method: 'qr' }, idempotency: { userId: KIOSK } },
  });
});

test('goods for points are reserved for the customer and confirmed by the merchant; refused there, they are given back', async () => {
  const token = await tokenOf();
  const goods = { type: 'redemption', from: ID, merchant: officer, offer: civilian, quantity: 2 };
  const orders = () =>
    door.asked
      .filter(one => one.message.type === 'order')
      .map(one => [one.to.id, (one.message as unknown as { name: string }).name]);
  door.answers.order = () => ok({ redemptionId: ID });
  expect(await post('/v1/scoring/transactions', goods, token, 'a')).toMatchObject({
    status: 200,
    body: { type: 'redemption', transferId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
  });
  expect(orders()).toEqual([
    [ID, 'redeem.reserve'],
    [officer, 'till.confirm'],
  ]);
  door.answers.order = ({ message }) =>
    (message as unknown as { name: string }).name === 'till.confirm'
      ? refuse(ERROR.notFound, 'not of this merchant')
      : ok({ redemptionId: ID });
  expect((await post('/v1/scoring/transactions', goods, token, 'b')).status).toBe(404);
  expect(orders().slice(2)).toEqual([
    [ID, 'redeem.reserve'],
    [officer, 'till.confirm'],
    [ID, 'redeem.cancel'],
  ]);
});

test('goods for points are previewed as the customer would reserve them, and of this merchant only', async () => {
  const token = await tokenOf();
  const goods = { type: 'redemption', from: ID, merchant: officer, offer: civilian, quantity: 2 };
  const rule = { id: 'redemption.price', version: 3 };
  door.answers.order = () => ok({ points: 14, balance: 6, title: 'Bread', merchant: officer, rule });
  expect(await post('/v1/scoring/preview', goods, token)).toMatchObject({
    status: 200,
    body: {
      type: 'redemption',
      transferId: null,
      parties: [
        { userId: ID, points: -14 },
        { userId: officer, points: 14 },
      ],
      rule,
    },
  });
  expect(door.asked.at(-1)!.message).toMatchObject({ type: 'order', name: 'redeem.reserve', dry: true });
  expect((await post('/v1/scoring/preview', { ...goods, merchant: ID }, token)).status).not.toBe(200);
  door.answers.order = () => refuse(ERROR.conflict, 'not enough points');
  expect((await post('/v1/scoring/preview', goods, token)).status).toBe(409);
});

test('once for each key; another body under it is refused, a passing failure is not kept', async () => {
  const token = await tokenOf();
  answer = refuse(ERROR.unavailable, 'not now', 1_000);
  expect((await post('/v1/scoring/transactions', donation, token, 'k')).status).toBe(503);
  answer = ok({ transferId: ID, points: -5, balance: 65 });
  const first = await post('/v1/scoring/transactions', donation, token, 'k');
  const again = await post('/v1/scoring/transactions', donation, token, 'k');
  expect(again.body).toEqual(first.body);
  expect(again.headers['idempotent-replayed']).toBe('true');
  expect(spends()).toHaveLength(2);
  const other = { ...donation, to: [{ userId: officer, points: 6 }] };
  expect((await post('/v1/scoring/transactions', other, token, 'k')).status).toBe(422);
  expect((await post('/v1/scoring/transactions', donation, token)).status).toBe(400);
});

test('an encounter that is held says so, and no points', async () => {
  door.answers.observe = () => ok({ encounterId: ID, atMs: 5, held: true, officer: {}, civilian: {} });
  const encounter = { type: 'encounter', officer, civilian, method: 'qr' };
  expect(await post('/v1/scoring/transactions', encounter, await tokenOf(), 'k')).toMatchObject({
    status: 200,
    body: { held: true, parties: [], rule: null },
  });
});

test('a preview computes and posts nothing', async () => {
  const token = await tokenOf();
  answer = ok({ points: -5, balance: 65, to: donation.to, rule: { id: 'donation', version: 1, trace: 'x' } });
  expect((await post('/v1/scoring/preview', donation, token)).body).toEqual({
    type: 'donation',
    transferId: null,
    held: false,
    parties: [{ userId: ID, points: -5 }, ...donation.to],
    rule: { id: 'donation', version: 1 },
    atMs: null,
  });
  expect(spends()).toMatchObject([{ dry: true }]);
  const encounter = { type: 'encounter', officer, civilian, method: 'qr' };
  expect(await post('/v1/scoring/preview', encounter, token)).toMatchObject({
    body: {
      parties: [
        { userId: civilian, points: 20 },
        { userId: officer, points: 20 },
      ],
      rule: { id: 'encounter.points', version: 1 },
    },
  });
  expect(door.asked.filter(one => one.to.kind === 'pair')).toEqual([]);
});

test.each([
  ['no kind', { from: ID }, 422],
  ['a kind that there is not', { type: 'theft', from: ID }, 422],
  ['zero', { type: 'giveaway', from: ID, to: officer, points: 0 }, 422],
  ['2^53', { type: 'giveaway', from: ID, to: officer, points: 2 ** 53 }, 422],
  ['a fraction', { ...donation, to: [{ userId: officer, points: 0.1 }] }, 422],
  ['nobody', { ...donation, to: [] }, 422],
  ['an officer who is a civilian', { type: 'encounter', officer: civilian, civilian, method: 'qr' }, 404],
  ['a civilian who does not exist', { type: 'encounter', officer, civilian: ID, method: 'qr' }, 404],
  ['a proof that there is not', { type: 'encounter', officer, civilian, method: 'rumour' }, 422],
])('%s is refused', async (_what, body, status) => {
  const token = await tokenOf();
  expect((await post('/v1/scoring/transactions', body, token, 'k')).status).toBe(status);
  expect((await post('/v1/scoring/preview', body, token)).status).toBe(status);
});
