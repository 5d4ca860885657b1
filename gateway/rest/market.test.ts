/** The doors of the market: who may do what, once and no more, and what is said when it goes wrong. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KEY_CONFLICT, type RedemptionView, type SaleRow } from '../../nodes/marketPort.ts';
import { MemoryRevocations } from '../../nodes/memory/memoryRevocations.ts';
import type { PlaceRecord } from '../../nodes/placesPort.ts';
import type { AccountKind } from '../../protocol/catalogue.ts';
import { ERROR, ok, refuse } from '../../protocol/errors.ts';
import { createPasswords } from '../auth/passwords.ts';
import { createTokens } from '../auth/tokens.ts';
import { requestHash } from '../commands.ts';
import { LIMITS } from '../limits.ts';
import { Revocations } from '../revocations.ts';
import { FakeMarket, OFFER_ID, offerActors, offerOf, REDEMPTION_ID } from '../testing/market.ts';
import { counting, FakeDirectory, FakeDoor, HandClock, roster, signingKey, silent } from '../testing/town.ts';
import { createRest, type Rest } from './app.ts';

const MERCHANT = '01900000-0000-7000-8000-0000000000a1';
const OTHER = '01900000-0000-7000-8000-0000000000a2';
const ANA = '01900000-0000-7000-8000-0000000000c1';

let clock: HandClock;
let door: FakeDoor;
let market: FakeMarket;
let tokens: ReturnType<typeof createTokens>;
let app: Rest;
let places: Map<string, string>;

const doors = (): Promise<Rest> =>
  createRest({
    door,
    market,
    places: { place: async id => (places.has(id) ? ({ owner: places.get(id) } as PlaceRecord) : null) },
    directory: new FakeDirectory(),
    idValidator: roster,
    tokens,
    revocations: new Revocations({
      store: new MemoryRevocations(clock.nowMs),
      bus: null,
      subject: 'x',
      tokenLifeMs: 900_000,
      wallMs: clock.nowMs,
      log: silent,
      metrics: counting(),
    }),
    passwords: createPasswords(),
    log: silent,
    rates: null,
    origins: [],
    trustedProxyHops: 0,
    wallMs: clock.nowMs,
    onDeviceMoved: () => {},
  });

beforeEach(async () => {
  clock = new HandClock();
  door = new FakeDoor();
  market = new FakeMarket();
  places = new Map();
  tokens = createTokens([signingKey()], 900, clock.nowMs);
  app = await doors();
});
afterEach(() => app.close());

const tokenOf = (userId: string, kind: AccountKind): Promise<string> =>
  tokens.mint({ userId, kind, handle: kind, deviceId: 'd' });
const merchant = (): Promise<string> => tokenOf(MERCHANT, 'merchant');
const ana = (): Promise<string> => tokenOf(ANA, 'civilian');

const call = async (
  method: 'GET' | 'POST' | 'PUT',
  url: string,
  token: string,
  payload?: object,
  key: string | null = crypto.randomUUID(),
) => {
  const headers: Record<string, string> = { authorization: `Bearer ${token}` };
  if (key !== null && method === 'POST') headers['idempotency-key'] = key;
  const answer = await app.inject({ method, url, headers, ...(payload && { payload }) });
  return { status: answer.statusCode, headers: answer.headers, body: answer.json() };
};

const NEW = { title: 'Coffee', points: 5 };
const RESERVED = { redemptionId: REDEMPTION_ID, code: '7K2MWX9Q', qr: 'HBR1.X', points: 5, expiresS: 9 };

test('a merchant writes an offer, publishes it, changes it and takes it back; others see it from then on', async () => {
  offerActors(door);
  const [token, other, civilian] = [await merchant(), await tokenOf(OTHER, 'merchant'), await ana()];
  const made = await call('POST', '/v1/offers', token, NEW);
  expect(made).toMatchObject({
    status: 201,
    body: { version: 1, state: 'draft', merchantId: MERCHANT, left: 6 },
  });
  const at = `/v1/offers/${made.body.id}`;
  expect((await call('GET', at, civilian)).status).toBe(404);
  expect(await call('POST', `${at}/publish`, other, undefined, null)).toMatchObject({ status: 404 });
  expect(await call('POST', `${at}/publish`, token, undefined, null)).toMatchObject({
    status: 200,
    body: { version: 2, state: 'published' },
  });
  expect((await call('POST', `${at}/publish`, token, undefined, null)).body.version).toBe(2);
  expect(await call('GET', at, civilian)).toMatchObject({
    status: 200,
    body: { title: 'Coffee', points: 5 },
  });

  const { title: _, ...rest } = offerOf(MERCHANT);
  const { id: __, merchant: ___, state: ____, ...fields } = rest;
  const edit = { ...fields, title: 'Tea', version: 2 };
  expect(await call('PUT', at, token, edit)).toMatchObject({
    status: 200,
    body: { title: 'Tea', version: 3, state: 'published' },
  });
  // the same again is the same, something else in its place is noticed
  expect((await call('PUT', at, token, edit)).body.version).toBe(3);
  expect((await call('PUT', at, token, { ...edit, title: 'Milk' })).status).toBe(409);
  expect((await call('PUT', at, other, edit)).status).toBe(404);
  expect((await call('POST', `${at}/withdraw`, token, undefined, null)).body).toMatchObject({
    version: 4,
    state: 'withdrawn',
  });
});

test('an offer is handed over at a place of its merchant, and is found by it', async () => {
  offerActors(door, offerOf(MERCHANT));
  const place = '01900000-0000-7000-8000-0000000000c1';
  const theirs = '01900000-0000-7000-8000-0000000000c2';
  places.set(place, MERCHANT).set(theirs, OTHER);
  const token = await merchant();
  const made = await call('POST', '/v1/offers', token, { ...NEW, placeId: place.toUpperCase() });
  expect(made).toMatchObject({ status: 201, body: { placeId: place } });
  const { id: _, merchant: __, state: ___, ...edit } = offerOf(MERCHANT);
  for (const placeId of [theirs, OFFER_ID]) {
    expect((await call('POST', '/v1/offers', token, { ...NEW, placeId })).status).toBe(422);
    const changed = await call('PUT', `/v1/offers/${OFFER_ID}`, token, { ...edit, placeId });
    expect(changed).toMatchObject({
      status: 422,
      body: { error: { message: expect.stringContaining('place of yours') } },
    });
  }
  expect((await call('GET', `/v1/offers?place=${place.toUpperCase()}`, await ana())).status).toBe(200);
  expect(market.asked.at(-1)).toEqual([{ merchant: null, place, open: true }]);
});

test.each([
  ['no title', { title: '' }],
  ['a blank title', { title: '   ' }],
  ['a title that is too long', { title: 'x'.repeat(121) }],
  ['a title that bends the screen', { title: 'a\u0007b' }],
  ['no price', { points: 0 }],
  ['a negative price', { points: -5 }],
  ['a fractional price', { points: 1.5 }],
  ['a price of 2^53', { points: 2 ** 53 }],
  ['a price above the limit', { points: LIMITS.offerPointsMax + 1 }],
  ['a text for a price', { points: '5' }],
  ['a negative limit', { perUserMax: -1 }],
  ['an end before the beginning', { opensAtMs: 10, closesAtMs: 10 }],
  ['another kind', { kind: 'weapon' }],
  ['a field that there is not', { stock: 5 }],
])('an offer with %s is refused', async (_what, more) => {
  offerActors(door);
  expect(await call('POST', '/v1/offers', await merchant(), { ...NEW, ...more })).toMatchObject({
    status: 422,
    body: { error: { code: 422, retryable: false } },
  });
  expect(door.asked).toEqual([]);
});

test('stock changes once for a key, never below what is reserved', async () => {
  offerActors(door, offerOf(MERCHANT));
  const at = `/v1/offers/${OFFER_ID}/stock`;
  const token = await merchant();
  const change = (payload: object, key?: string) =>
    call('POST', at, token, { reason: 'counted', ...payload }, key);
  expect(await change({ delta: 5 }, 'k')).toMatchObject({ status: 200, body: { onHand: 15, left: 11 } });
  const again = await change({ delta: 5 }, 'k');
  expect(again).toMatchObject({ status: 200, body: { onHand: 15, left: 11 } });
  expect(again.headers['idempotent-replayed']).toBe('true');
  expect((await change({ delta: 6 }, 'k')).status).toBe(422);
  expect(await change({ delta: -12 })).toMatchObject({ status: 409, body: { error: { retryable: false } } });
  for (const delta of [0, 1.5, 2 ** 53, -(2 ** 53), LIMITS.stockMax + 1, '1'])
    expect((await change({ delta })).status, String(delta)).toBe(422);
  expect((await change({ delta: -1, kind: 'receipt' })).status).toBe(422);
  expect((await call('POST', at, await tokenOf(OTHER, 'merchant'), { delta: 1, reason: 'x' })).status).toBe(
    404,
  );
});

test('a key is for the same however the address is written', async () => {
  offerActors(door, offerOf(MERCHANT));
  const token = await merchant();
  for (const id of [OFFER_ID, OFFER_ID.toUpperCase(), OFFER_ID.replace('-', '%2D')])
    for (const query of ['', '?dry=false']) {
      const body = { delta: 5, reason: 'counted' };
      const said = await call('POST', `/v1/offers/${id}/stock${query}`, token, body, 'k');
      expect(said, id + query).toMatchObject({ status: 200, body: { onHand: 15 } });
    }
  door.answers.order = () => ok(RESERVED);
  const body = { offerId: OFFER_ID };
  for (const query of ['', '?dry=false', '?'])
    expect((await call('POST', `/v1/redemptions${query}`, await ana(), body, 'k')).status).toBe(201);
  expect(door.asked.filter(({ message }) => message.type === 'order')).toHaveLength(1);
});

test('what a request orders is the command of the socket, under a key of its own', async () => {
  door.answers.order = () => ok(RESERVED);
  const body = { offerId: OFFER_ID, quantity: 2 };
  const first = await call('POST', '/v1/redemptions', await ana(), body, 'k');
  expect(first).toMatchObject({ status: 201, body: RESERVED });
  const [{ to, message, options }] = door.asked as [(typeof door.asked)[0]];
  expect(to).toEqual({ kind: 'user', id: ANA });
  expect(message).toMatchObject({ type: 'order', name: 'redeem.reserve', body });
  expect(message.requestHash).toBe(requestHash(50, body));
  expect(options).toMatchObject({ keyed: true });
  // another node, or this one after a restart: the actor gets the same key
  await app.close();
  app = await doors();
  await call('POST', '/v1/redemptions', await ana(), body, 'k');
  expect(door.asked[1]!.message.key).toBe(message.key);
  // another person, another route: another key
  await call('POST', '/v1/redemptions', await tokenOf(OTHER, 'family'), body, 'k');
  expect(door.asked[2]!.message.key).not.toBe(message.key);
});

test('what is only tried needs no key, and is answered as it would be', async () => {
  const preview = { points: 12, balance: 88, title: 'Bread' };
  door.answers.order = () => ok(preview);
  const body = { offerId: OFFER_ID };
  const tried = await call('POST', '/v1/redemptions?dry=true', await ana(), body, null);
  expect(tried).toMatchObject({ status: 200, body: preview });
  const [{ message }] = door.asked as [(typeof door.asked)[0]];
  expect(message).toMatchObject({ type: 'order', dry: true, body: { offerId: OFFER_ID, quantity: 1 } });
  door.answers.order = () => ok(RESERVED);
  expect((await call('POST', '/v1/redemptions?dry=false', await ana(), body, 'k')).status).toBe(201);
  expect(door.asked[1]!.message).not.toHaveProperty('dry');
  expect((await call('POST', '/v1/redemptions?dry=perhaps', await ana(), body, 'k')).status).toBe(422);
});

test('a key: required, answered alike, not to be used for another body, and never twice at once', async () => {
  door.answers.order = () => ok(RESERVED);
  const token = await ana();
  const reserve = (quantity: number, key: string | null) =>
    call('POST', '/v1/redemptions', token, { offerId: OFFER_ID, quantity }, key);
  expect(await reserve(1, null)).toMatchObject({ status: 400, body: { error: { code: 400 } } });
  door.holding.add('order');
  const first = reserve(1, 'k');
  await expect.poll(() => door.asked.length).toBe(1);
  const second = await reserve(1, 'k');
  expect(second).toMatchObject({ status: 409, body: { error: { retryable: true } } });
  expect(second.headers['retry-after']).toBe('1');
  door.answer('order');
  expect((await first).status).toBe(201);
  door.holding.clear();
  expect(await reserve(1, 'k')).toMatchObject({ status: 201, body: RESERVED });
  expect((await reserve(2, 'k')).status).toBe(422);
  expect(door.asked).toEqual([]);
  // the actor remembers what we have forgotten
  door.answers.order = () => KEY_CONFLICT;
  expect((await reserve(2, 'other')).status).toBe(422);
});

test('a refusal for good is an answer like another, a passing one is not kept', async () => {
  const token = await ana();
  const reserve = (key: string) => call('POST', '/v1/redemptions', token, { offerId: OFFER_ID }, key);
  door.answers.order = () => refuse(ERROR.conflict, 'not enough points');
  expect((await reserve('poor')).status).toBe(409);
  door.answers.order = () => refuse(ERROR.unavailable, 'moving', 500);
  expect((await reserve('busy')).status).toBe(503);
  door.answers.order = () => ok(RESERVED);
  const poor = await reserve('poor');
  expect(poor).toMatchObject({ status: 409, body: { error: { message: 'not enough points' } } });
  expect(poor.headers['idempotent-replayed']).toBe('true');
  expect((await reserve('busy')).status).toBe(201);
});

test.each([
  ['officer', 'GET', '/v1/merchant/sales', 403],
  ['municipality', 'POST', '/v1/redemptions', 403],
  ['merchant', 'POST', '/v1/redemptions', 403],
  ['civilian', 'POST', '/v1/offers', 403],
  ['civilian', 'POST', `/v1/redemptions/${REDEMPTION_ID}/confirm`, 403],
  ['family', 'POST', `/v1/redemptions/${REDEMPTION_ID}/refund`, 403],
] as const)('a %s who asks %s %s gets %i', async (kind, method, url, status) => {
  expect((await call(method, url, await tokenOf(ANA, kind), {})).status).toBe(status);
  expect(door.asked).toEqual([]);
});

test.each([
  ['zero', 0],
  ['negative', -1],
  ['fractional', 0.5],
  ['2^53', 2 ** 53],
  ['more than may be', 65_536],
])('a quantity that is %s is refused everywhere', async (_what, quantity) => {
  const till = await merchant();
  const on = `/v1/redemptions/${REDEMPTION_ID}`;
  for (const answer of [
    await call('POST', '/v1/redemptions', await ana(), { offerId: OFFER_ID, quantity }),
    await call('POST', `${on}/confirm`, till, { quantity }),
    await call('POST', `${on}/refund`, till, { quantity, restock: true }),
  ])
    expect(answer.status).toBe(422);
  expect(door.asked).toEqual([]);
});

test('tills confirm, refuse and refund by REST as at their sockets', async () => {
  const said: unknown[] = [];
  door.answers.order = ({ message: { name, body } }) => {
    said.push([name, body]);
    return name === 'till.refuse'
      ? ok({})
      : ok({ transferId: OFFER_ID, redemptionId: REDEMPTION_ID, quantity: 1, points: 5 });
  };
  market.reserved.push(view({}));
  const token = await merchant();
  const on = `/v1/redemptions/${REDEMPTION_ID}`;
  expect((await call('POST', `${on}/confirm`, token, { quantity: 1 })).status).toBe(200);
  expect(await call('POST', `${on}/cancel`, token)).toMatchObject({ status: 200, body: { points: 10 } });
  expect((await call('POST', `${on}/refund`, token, { restock: true })).status).toBe(200);
  expect(said).toEqual([
    ['till.confirm', { redemptionId: REDEMPTION_ID, code: null, quantity: 1 }],
    ['till.refuse', { redemptionId: REDEMPTION_ID }],
    ['till.refund', { redemptionId: REDEMPTION_ID, quantity: null, restock: true }],
  ]);
  door.answers.order = ({ message }) => (message.name === 'redeem.cancel' ? ok({ points: 10 }) : ok({}));
  expect((await call('POST', `${on}/cancel`, await ana())).body).toEqual({ points: 10 });
});

const view = (more: Partial<RedemptionView>): RedemptionView => ({
  id: REDEMPTION_ID,
  user: ANA,
  merchant: MERCHANT,
  offer: OFFER_ID,
  offerTitle: 'Coffee',
  quantity: 2,
  points: 10,
  code: '7K2MWX9Q',
  state: 'reserved',
  atMs: 5,
  expiresAtMs: 605,
  sold: { quantity: 0, points: 0 },
  refunded: { quantity: 0, points: 0 },
  transferId: null,
  rule: { id: 'redeem', version: 1 },
  ...more,
});

test('a redemption is seen by its two sides; the merchant never learns by whom', async () => {
  market.reserved.push(view({}));
  const at = `/v1/redemptions/${REDEMPTION_ID}`;
  const mine = await call('GET', at, await ana());
  expect(mine).toMatchObject({ status: 200, body: { state: 'reserved', code: '7K2MWX9Q', title: 'Coffee' } });
  const theirs = await call('GET', at, await merchant());
  expect(theirs.body).toEqual(mine.body);
  expect(JSON.stringify(theirs.body)).not.toContain(ANA);
  expect((await call('GET', at, await tokenOf(OTHER, 'merchant'))).status).toBe(404);
  market.reserved[0] = view({
    state: 'confirmed',
    sold: { quantity: 2, points: 10 },
    refunded: { quantity: 2, points: 10 },
  });
  expect((await call('GET', at, await ana())).body).toMatchObject({ state: 'refunded', code: null });
  await call('GET', '/v1/redemptions', await merchant());
  await call('GET', '/v1/redemptions', await ana());
  expect(market.asked.slice(-2)).toEqual([[{ merchant: MERCHANT }], [{ user: ANA }]]);
});

test('a list of offers has pages; drafts are for their merchant', async () => {
  for (let n = 1; n <= 3; n++)
    market.listed.push({
      ...offerOf(MERCHANT, { id: `01900000-0000-7000-8000-00000000000${n}` }),
      merchantHandle: 'corner-shop',
      onHand: 5,
      reserved: 1,
    });
  const first = await call('GET', '/v1/offers?limit=2', await ana());
  expect(first.body).toMatchObject({ items: [{ left: 4, merchantHandle: 'corner-shop' }, {}] });
  const last = await call('GET', `/v1/offers?limit=2&before=${first.body.next}`, await ana());
  expect(last.body).toMatchObject({ items: [{}], next: null });
  await call('GET', `/v1/offers?merchant=${MERCHANT}`, await ana());
  await call('GET', `/v1/offers?merchant=${MERCHANT}`, await merchant());
  expect(market.asked.map(([which]) => which)).toEqual([
    { merchant: null, place: null, open: true },
    { merchant: null, place: null, open: true },
    { merchant: MERCHANT, place: null, open: true },
    { merchant: MERCHANT, place: null, open: false },
  ]);
});

const sale = (n: number, more: Partial<SaleRow> = {}): SaleRow => ({
  id: `01900000-0000-7000-8000-00000000010${n}`,
  kind: 'sale',
  redemptionId: REDEMPTION_ID,
  offerId: OFFER_ID,
  title: 'Coffee',
  quantity: 2,
  points: 10,
  atMs: Date.UTC(2026, 10, 19, 12, n),
  ...more,
});

test('a day that is over is told as it is kept', async () => {
  market.moved.push(sale(1));
  market.closed.push({
    sales: { count: 2, quantity: 4, points: 20 },
    refunds: { count: 1, quantity: 1, points: 5 },
    points: 15,
    offers: [{ offerId: OFFER_ID, title: 'Coffee', sold: 4, refunded: 1, points: 15 }],
    checksum: 'c'.repeat(64),
  });
  const report = await call('GET', '/v1/merchant/settlements/2026-11-19', await merchant());
  expect(report).toMatchObject({ status: 200 });
  expect(report.body).toEqual({ day: '2026-11-19', closed: true, ...market.closed[0] });
  expect(market.asked).toEqual([[MERCHANT, '2026-11-19']]);
});

test('a day that is not over is added up as far as it went, and has no checksum', async () => {
  market.moved.push(sale(1), sale(2), sale(3, { kind: 'refund', quantity: 1, points: 5 }));
  const token = await merchant();
  const report = await call('GET', '/v1/merchant/settlements/2026-11-19', token);
  expect(report).toMatchObject({
    status: 200,
    body: {
      closed: false,
      sales: { count: 2, quantity: 4, points: 20 },
      refunds: { count: 1, quantity: 1, points: 5 },
      points: 15,
      offers: [{ offerId: OFFER_ID, title: 'Coffee', sold: 4, refunded: 1, points: 15 }],
      checksum: null,
    },
  });
  expect(market.asked[1]).toEqual([
    MERCHANT,
    { fromMs: Date.UTC(2026, 10, 19), beforeMs: Date.UTC(2026, 10, 20) },
  ]);
  for (const day of ['2026-02-30', '2026-13-01', 'today'])
    expect((await call('GET', `/v1/merchant/settlements/${day}`, token)).status, day).toBe(422);
});

test('a long day is read in portions', async () => {
  const many = LIMITS.settledRows * 2 + 1;
  for (let n = 0; n < many; n++) market.moved.push(sale(1, { id: `row-${n}` }));
  const { body } = await call('GET', '/v1/merchant/settlements/2026-11-19', await merchant());
  expect(body.sales).toEqual({ count: many, quantity: many * 2, points: many * 10 });
  expect(market.asked.length).toBe(4);
});

test('reports span whole days, thirty unless others are named', async () => {
  market.moved.push(sale(1));
  market.sellers.push({ offerId: OFFER_ID, title: 'Coffee', quantity: 2, points: 10 });
  const token = await merchant();
  expect((await call('GET', '/v1/merchant/sales', token)).body.items).toEqual([sale(1)]);
  const today = Date.UTC(2026, 10, 20);
  expect(market.asked.at(-1)![1]).toEqual({ fromMs: today - 29 * 86_400_000, beforeMs: today + 86_400_000 });
  const sellers = await call('GET', '/v1/merchant/best-sellers?from=2026-11-01&to=2026-11-02', token);
  expect(sellers.body.items).toEqual(market.sellers);
  expect(market.asked.at(-1)![1]).toEqual({
    fromMs: Date.UTC(2026, 10, 1),
    beforeMs: Date.UTC(2026, 10, 3),
  });
  for (const span of ['from=2026-11-02&to=2026-11-01', 'from=2026-01-01&to=2026-11-01', 'to=2026-02-30'])
    expect((await call('GET', `/v1/merchant/sales?${span}`, token)).status, span).toBe(422);
});

test('the log of a stock is for its merchant', async () => {
  const own = { ...offerOf(MERCHANT), merchantHandle: 'corner-shop', onHand: 5, reserved: 1 };
  market.listed.push(own);
  market.movements.push(
    {
      id: '12',
      kind: 'sale',
      onHandDelta: -1,
      reservedDelta: -1,
      onHand: 4,
      reserved: 1,
      atMs: 9,
      reason: '',
    },
    {
      id: '11',
      kind: 'receipt',
      onHandDelta: 5,
      reservedDelta: 0,
      onHand: 5,
      reserved: 2,
      atMs: 8,
      reason: 'new',
    },
  );
  const at = `/v1/offers/${OFFER_ID}/stock`;
  const first = await call('GET', `${at}?limit=1`, await merchant());
  expect(first.body).toEqual({ items: [market.movements[0]], next: '12' });
  expect((await call('GET', `${at}?limit=1&before=12`, await merchant())).body.next).toBe(null);
  expect((await call('GET', at, await tokenOf(OTHER, 'merchant'))).status).toBe(404);
});

test('while the store is away everything that it knows is "not now"', async () => {
  market.down = true;
  const token = await merchant();
  for (const path of [
    '/v1/offers',
    '/v1/redemptions',
    `/v1/redemptions/${REDEMPTION_ID}`,
    '/v1/merchant/sales',
    '/v1/merchant/best-sellers',
    '/v1/merchant/settlements/2026-11-19',
  ])
    expect(await call('GET', path, token), path).toMatchObject({
      status: 503,
      body: { error: { retryable: true } },
    });
});
