/** Operators take an offer down, once and for all, and only operators do; what its actor says is what they are told. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { OfferRecord } from '../../nodes/marketPort.ts';
import { MemoryAudit } from '../../nodes/memory/memoryAudit.ts';
import { MemoryRevocations } from '../../nodes/memory/memoryRevocations.ts';
import { ERROR, refuse } from '../../protocol/errors.ts';
import { createGateway, type Gateway, type Ports } from '../index.ts';
import { LIMITS } from '../limits.ts';
import { FakeMarket, OFFER_ID, offerActors, offerOf } from '../testing/market.ts';
import { type Asked, asOperator } from '../testing/operator.ts';
import { FakeDirectory, FakeDoor, optionsFor } from '../testing/town.ts';

const MERCHANT = '01900000-0000-7000-8000-0000000000a1';
const NONE = '01900000-0000-7000-8000-0000000000ff';

let gateway: Gateway;
let ports: Ports;
let audit: MemoryAudit;
let door: FakeDoor;
let market: FakeMarket;
let offers: Map<string, OfferRecord>;
let operatorId: string;
let token: string;

const call = (port: number, method: string, path: string, more: Partial<Asked> = {}) =>
  asOperator(port, method, path, { as: token, ...more });
const withdraw = (offerId: string, more: { as?: string | null; why?: string | null } = {}) =>
  call(ports.adminPort, 'POST', `/admin/offers/${offerId}/withdraw`, more);
const post = async (path: string, body: object) =>
  (await call(ports.restPort, 'POST', path, { body, as: null })).body as {
    userId: string;
    accessToken: string;
  };
const lines = async (of = 'offer.withdraw') =>
  (await audit.newest(100)).filter(({ action }) => action === of).reverse();
const removals = () => door.asked.filter(({ message }) => message.type === 'remove');

beforeEach(async () => {
  audit = new MemoryAudit(Date.now);
  door = new FakeDoor();
  market = new FakeMarket();
  offers = offerActors(door, offerOf(MERCHANT, { version: 7 }));
  gateway = createGateway({
    ...optionsFor(door, new FakeDirectory()),
    revocationStore: new MemoryRevocations(Date.now),
    auditLog: audit,
    market,
  });
  ports = await gateway.start();
  const operator = { handle: 'desk', password: 'correct horse' };
  await call(ports.adminPort, 'POST', '/admin/operators', { body: operator, as: null });
  ({ userId: operatorId, accessToken: token } = await post('/v1/signin', {
    ...operator,
    deviceId: 'desk-1',
  }));
});
afterEach(() => gateway.stop(0));

test('an offer is taken down by its actor; the line says whose it was and how it stood, and again it is the same', async () => {
  const down = {
    status: 200,
    body: { offerId: OFFER_ID, merchantId: MERCHANT, version: 8, state: 'removed', reserved: 4 },
  };
  expect(await withdraw(OFFER_ID.toUpperCase())).toEqual(down);
  expect(offers.get(OFFER_ID)).toEqual(offerOf(MERCHANT, { version: 8, state: 'removed' }));
  expect(await withdraw(OFFER_ID)).toEqual(down);
  expect(removals().map(({ to, options }) => [to, options?.keyed])).toEqual(
    [1, 2].map(() => [{ kind: 'offer', id: OFFER_ID }, true]),
  );
  const line = (version: number, state: string) => ({
    operatorId,
    userId: MERCHANT,
    detail: {
      offerId: OFFER_ID,
      why: 'a letter of 3 May',
      before: { merchant: MERCHANT, version, state },
      after: { state: 'removed' },
    },
  });
  expect(await lines()).toMatchObject([line(7, 'published'), line(8, 'removed')]);
});

test('an actor that cannot be asked: nothing is done and no line stands; one that does not answer: the line stands', async () => {
  const { look } = door.answers;
  door.answers.look = () => refuse(ERROR.unavailable, 'it moves to another node', 500);
  expect((await withdraw(OFFER_ID)).status).toBe(503);
  expect([await lines(), removals()]).toEqual([[], []]);
  door.answers.look = look!;
  const { remove } = door.answers;
  door.answers.remove = () => refuse(ERROR.timeout, 'no answer in time');
  expect((await withdraw(OFFER_ID)).status).toBe(504);
  expect(await lines()).toHaveLength(1);
  door.answers.remove = remove!;
  expect(await withdraw(OFFER_ID)).toMatchObject({ status: 200, body: { state: 'removed' } });
  expect(await lines()).toHaveLength(2);
});

test('not without a why, not by others, and of what is no offer nothing is known', async () => {
  const ana = await post('/v1/signup', {
    kind: 'civilian',
    handle: 'ana',
    password: 'correct horse',
    deviceId: 'phone-1',
  });
  expect((await withdraw(OFFER_ID, { why: null })).status).toBe(422);
  expect((await withdraw(OFFER_ID, { as: null })).status).toBe(401);
  expect((await withdraw(OFFER_ID, { as: ana.accessToken })).status).toBe(403);
  expect((await withdraw('coffee')).status).toBe(404);
  expect([await lines(), removals()]).toEqual([[], []]);
  expect((await withdraw(NONE)).status).toBe(404);
  expect(await lines()).toMatchObject([{ userId: null, detail: { offerId: NONE, before: null } }]);
  expect(offers.get(OFFER_ID)?.state).toBe('published');
});

test('what a merchant offers is listed, whatever its state, and whoever looks leaves a line', async () => {
  const ids = Array.from({ length: LIMITS.page + 1 }, (_, n) => OFFER_ID.slice(0, -3) + (900 - n));
  const states = ['draft', 'published', 'withdrawn', 'removed'] as const;
  for (const [n, id] of ids.entries()) {
    const offer = offerOf(MERCHANT, { id, state: states[n % 4]!, closesAtMs: 5 });
    market.listed.push({ ...offer, merchantHandle: 'cafe', onHand: 3, reserved: 1 });
  }
  const list = (path: string) => call(ports.adminPort, 'GET', `/admin/users/${path}`, { why: null });
  const first = await list(`${MERCHANT.toUpperCase()}/offers`);
  expect(first).toMatchObject({ status: 200, body: { next: ids.at(-2) } });
  const items = first.body.items as object[];
  expect(items).toHaveLength(LIMITS.page);
  expect(items[3]).toEqual({
    offerId: ids[3],
    ...{ version: 1, state: 'removed', title: 'Coffee', opensAtMs: 0, closesAtMs: 5, onHand: 3, reserved: 1 },
  });
  const rest = await list(`${MERCHANT}/offers?before=${ids.at(-2)}`);
  expect(rest.body).toMatchObject({ items: [{ offerId: ids.at(-1) }], next: null });
  expect(market.asked).toEqual([1, 2].map(() => [{ merchant: MERCHANT, place: null, open: false }]));
  expect(await lines('offer.list')).toMatchObject([{ userId: MERCHANT }, { userId: MERCHANT }]);
  for (const none of ['cafe/offers', `${MERCHANT}/offers?before=x`])
    expect((await list(none)).status).toBe(404);
  market.down = true;
  expect((await list(`${MERCHANT}/offers`)).status).toBe(503);
});
