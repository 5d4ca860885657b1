/** What customers and tills may get wrong, through sockets and REST of a real node: one documented answer each, nothing moves. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeClientFrame } from '../../protocol/codec.ts';
import type { ServerFrame } from '../../protocol/frames.ts';
import { uuidToBytes } from '../../protocol/ids.ts';
import { auditLedger } from '../swarm/ledgerAudit.ts';
import { auditMarket } from '../swarm/marketAudit.ts';
import { Phone } from '../swarm/phone.ts';
import { type SeededAccount, seedAccounts } from '../swarm/seed.ts';
import { givePoints, openOffer, type Shop, seedShops } from '../swarm/shops.ts';
import { startTestTown, type TestTown, until } from './testTown.ts';

const REDEEM_S = 10;
let town: TestTown;
let ana: SeededAccount;
let shops: Shop[];
let offerId: string;
let phone: Phone;
let till: Phone;
let other: Phone;
const raw: ServerFrame[] = [];

beforeAll(async () => {
  town = await startTestTown({ HEYBLUE_REDEEM_S: String(REDEEM_S) });
  const target = { town: { databaseUrl: town.databaseUrl }, dataDir: town.dataDir };
  ana = (await seedAccounts(target, ['civilian']))[0]!;
  await givePoints(target, [ana], 100);
  shops = await seedShops(target, 2, 1);
  offerId = await openOffer(town.node.urls.rest, shops[0]!, { title: 'Coffee', points: 5, stock: 10 });
  const url = town.node.urls.realtime;
  phone = new Phone({ url, identity: ana, onRaw: frame => raw.push(frame) });
  till = new Phone({ url, identity: shops[0]!.tills[0]! });
  other = new Phone({ url, identity: shops[1]!.tills[0]! });
  for (const one of [phone, till, other]) await one.connect();
  for (const one of [till, other])
    expect(await one.command('till.open', { till: 'till-1' })).toMatchObject({ ok: true });
}, 60_000);
afterAll(async () => {
  for (const one of [phone, till, other]) one?.drop();
  await town?.stop();
}, 60_000);

const key = (): string => crypto.randomUUID();
const reserve = async (quantity = 1) => {
  const reserved = await phone.command('redeem.reserve', { offerId, quantity }, key());
  if (!reserved.ok) throw new Error(reserved.message);
  return reserved.value;
};
const confirm = (
  from: Phone,
  redemptionId: string | null,
  code: string | null,
  quantity: number | null = null,
) => from.command('till.confirm', { redemptionId, code, quantity }, key());

it('codes of another merchant, used twice, above what was reserved, refunds above what was paid', async () => {
  const { redemptionId, code, qr } = await reserve(2);
  expect(await confirm(other, null, qr)).toMatchObject({ ok: false, code: 404 });
  expect(await confirm(other, redemptionId, null)).toMatchObject({ ok: false, code: 404 });
  expect(await confirm(till, redemptionId, null, 3)).toMatchObject({ ok: false, code: 409 });
  expect(await confirm(till, redemptionId, null, 0)).toMatchObject({ ok: false, code: 422 });
  expect(await confirm(till, null, code)).toMatchObject({ ok: true, value: { quantity: 2, points: 10 } });
  expect(await confirm(till, null, code)).toMatchObject({ ok: false, code: 404 });
  expect(await confirm(till, redemptionId, null)).toMatchObject({ ok: false, code: 409 });
  const refund = (quantity: number) =>
    till.command('till.refund', { redemptionId, quantity, restock: true }, key());
  expect(await refund(3)).toMatchObject({ ok: false, code: 409 });
  expect(await refund(0)).toMatchObject({ ok: false, code: 422 });
  expect(await refund(2)).toMatchObject({ ok: true, value: { points: 10 } });
  expect(await refund(1)).toMatchObject({ ok: false, code: 409 });
});

it('quantities that are none, and a key that was used for something else', async () => {
  for (const quantity of [-1, 65_536, 2 ** 53 - 1]) {
    const cid = 70_000 + raw.length;
    const body = [uuidToBytes(offerId), quantity];
    phone.raw(encodeClientFrame({ type: 'command', cid, op: 50, body, idem: key() }));
    const answer = await until('an answer', () => raw.find(one => one.type === 'error' && one.cid === cid));
    expect(answer, String(quantity)).toMatchObject({ code: 400 });
  }
  expect(await phone.command('redeem.reserve', { offerId, quantity: 0 }, key())).toMatchObject({ code: 422 });
  expect(await phone.command('redeem.reserve', { offerId, quantity: 11 }, key())).toMatchObject({
    code: 409,
  });
  const once = key();
  expect(await phone.command('redeem.reserve', { offerId, quantity: 1 }, once)).toMatchObject({ ok: true });
  expect(await phone.command('redeem.reserve', { offerId, quantity: 2 }, once)).toMatchObject({ code: 409 });
});

it('what is over is over: a clear answer, points and stock are back; stock is not set below what is reserved', async () => {
  const { redemptionId, code } = await reserve(4);
  const headers = { 'idempotency-key': key() };
  const body = { delta: -7, reason: 'broken' };
  const path = `/v1/offers/${offerId}/stock`;
  const { token } = shops[0]!.account;
  expect(await town.rest.call('POST', path, { token, headers, body })).toMatchObject({ status: 409 });
  const left = () => town.rest.read<{ left: number; onHand: number }>(`/v1/offers/${offerId}`, token);
  await until('the reservation to be over', async () => (await left()).left === 10, 30_000);
  expect(await confirm(till, redemptionId, null)).toMatchObject({ ok: false, code: 410 });
  expect(await confirm(till, null, code)).toMatchObject({ ok: false, code: 404 });
  expect((await town.rest.balance(ana.token)).balance).toBe(100);
  expect([...(await auditMarket(town.databaseUrl)), ...(await auditLedger(town.databaseUrl))]).toEqual([]);
}, 60_000);
