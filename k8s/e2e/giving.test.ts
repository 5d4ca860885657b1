/**
 * Giving and paying on a real node with real sockets, database, DynamoDB and streams: operators say who may receive, a machine
 * scores meetings, people give, split, pay, and every phone hears of its points once, also through kill -9. Whatever is
 * wrong with an amount, an account or a key has its one documented answer, and moves nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CATALOGS_TABLE, catalogKey } from '../../infra/dynamodb/catalogTarget.ts';
import { addService } from '../../infra/serviceAccounts.ts';
import { auditLedger } from '../swarm/ledgerAudit.ts';
import type { Answer } from '../swarm/rest.ts';
import { openOffer } from '../swarm/shops.ts';
import { startTestTown, type TestPhone, type TestTown, until } from './testTown.ts';

const MS_MAX = 90_000;
const CAP = 100;

interface Moved {
  readonly transferId: string;
  readonly points: number;
  readonly balance: number;
  readonly error?: { readonly code: number; readonly message: string; readonly retryable: boolean };
}

let town: TestTown;
let folder: string;
let machine: string;
let operator: string | undefined;
let ana: TestPhone;
let officer: TestPhone;
let colleague: TestPhone;
let soup: TestPhone;
let smiths: TestPhone;
let unverified: TestPhone;
let city: TestPhone;

const admin = async (method: string, path: string, body?: object) => {
  const answer = await fetch(`${town.node.urls.admin}/admin${path}`, {
    method,
    headers: {
      'heyblue-why': 'a test',
      ...(operator !== undefined && { authorization: `Bearer ${operator}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};

/** A POST with a key; again while it may be tried again. */
const post = <T = Moved>(path: string, token: string, body?: object, key: string = crypto.randomUUID()) =>
  until(`${path} to be decided`, async (): Promise<Answer<T> | null> => {
    const headers = { 'idempotency-key': key };
    const answer = await town.rest.call<T>('POST', path, { token, headers, ...(body && { body }) });
    return answer.status === 503 || answer.status === 504 ? null : answer;
  });
const give = (from: TestPhone, path: string, body?: object, key?: string) =>
  post(`/v1/${path}`, from.person.token, body, key);
const score = (body: object, key?: string) => post<Scored>('/v1/scoring/transactions', machine, body, key);

interface Scored {
  readonly transferId: string;
  readonly parties: readonly { readonly userId: string; readonly points: number }[];
  readonly rule: { readonly id: string; readonly version: number };
}

const idOf = (phone: TestPhone): string => phone.person.userId;
const balanceOf = async (phone: TestPhone): Promise<number> =>
  (await town.rest.balance(phone.person.token)).balance;
const heard = (phone: TestPhone, transferId: string) =>
  phone.events.filter(event => event.name === 'points.changed' && event.body.transferId === transferId);
const hearsOnce = (phone: TestPhone, transferId: string) =>
  until('the points to be told', () => heard(phone, transferId).length > 0).then(() =>
    expect(heard(phone, transferId)).toHaveLength(1),
  );

/** Lets somebody meet so many others of the other kind, as a machine tells it: 20 points each. */
const earn = async (phone: TestPhone, meetings: number): Promise<void> => {
  for (let i = 0; i < meetings; i++) {
    const isOfficer = phone.person.kind === 'officer';
    const other = await town.phone(isOfficer ? 'civilian' : 'officer');
    const [one, two] = isOfficer ? [phone, other] : [other, phone];
    const met = { type: 'encounter', officer: idOf(one), civilian: idOf(two), method: 'qr' };
    expect(await score(met)).toMatchObject({ status: 200, body: { held: false } });
  }
};

const list = async (phone: TestPhone, catalog: 'charities' | 'families', verify = true): Promise<string> => {
  const id = crypto.randomUUID();
  const entry = { name: `Entry of ${phone.person.handle}`, account: idOf(phone), zip: '10001' };
  expect((await admin('PUT', `/catalogs/${catalog}/${id}`, entry)).status).toBe(200);
  if (verify) expect((await admin('POST', `/catalogs/${catalog}/${id}/verify`)).status).toBe(200);
  return id;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'heyblue-giving-'));
  const file = join(folder, 'services.json');
  const { id, secret } = addService(file, 'kiosk');
  town = await startTestTown({ HEYBLUE_SERVICE_ACCOUNTS: file, HEYBLUE_HISTORY_REVIEW: 'off' });
  const credentials = { grant_type: 'client_credentials', client_id: id, client_secret: secret };
  const granted = await town.rest.call<{ access_token: string }>('POST', '/v1/oauth/token', {
    body: credentials,
  });
  machine = granted.body.access_token;
  const account = { handle: 'olga', password: 'correct horse' };
  expect((await admin('POST', '/operators', account)).status).toBe(201);
  const signedIn = await town.rest.call<{ accessToken: string }>('POST', '/v1/signin', {
    body: { ...account, deviceId: 'console-1' },
  });
  operator = signedIn.body.accessToken;
  [ana, officer, colleague, soup, smiths, unverified, city] = [
    await town.phone('civilian'),
    await town.phone('officer'),
    await town.phone('officer'),
    await town.phone('charity'),
    await town.phone('family'),
    await town.phone('charity'),
    await town.phone('municipality'),
  ];
  for (const phone of [ana, officer, colleague, soup, smiths, unverified, city]) await phone.connect();
  await list(smiths, 'families');
  await list(unverified, 'charities', false);
  await earn(ana, 6);
  await earn(officer, 6);
}, MS_MAX);
afterAll(async () => {
  await town?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('in a town', { timeout: MS_MAX }, () => {
  it('a charity that is verified is listed, and stands in DynamoDB', async () => {
    const id = await list(soup, 'charities');
    const listed = await town.rest.read<{ items: { userId: string }[] }>('/v1/catalogs/charities');
    expect(listed.items.map(one => one.userId)).toEqual([idOf(soup)]);
    const dynamodb = new DynamoDBClient({
      endpoint: town.env.DYNAMODB_ENDPOINT!,
      region: 'us-east-1',
      credentials: { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' },
    });
    const Key = { pk: { S: catalogKey({ kind: 'charity', id }) } };
    await until('the entry in DynamoDB', async () => {
      const read = new GetItemCommand({ TableName: CATALOGS_TABLE, Key });
      const { Item } = await dynamodb.send(read).catch(() => ({ Item: undefined }));
      return Item?.status?.S === 'verified' && Item.account?.S === idOf(soup);
    });
    dynamodb.destroy();
  });

  it('a machine sells goods for points: tried, sold once through a kill, refused and given back', async () => {
    const merchant = await town.phone('merchant');
    const shop = { account: merchant.person, tills: [] };
    const offer = await openOffer(town.node.urls.rest, shop, { title: 'Bread', points: 7, stock: 3 });
    const goods = { type: 'redemption', from: idOf(ana), merchant: idOf(merchant), offer, quantity: 2 };
    const parties = [
      { userId: idOf(ana), points: -14 },
      { userId: idOf(merchant), points: 14 },
    ];
    const preview = (body: object) =>
      town.rest.call<Scored>('POST', '/v1/scoring/preview', { token: machine, body });
    expect(await preview(goods)).toMatchObject({ status: 200, body: { transferId: null, parties } });
    const before = await balanceOf(ana);
    const key = crypto.randomUUID();
    const cut = score(goods, key).catch(() => null);
    await town.node.kill();
    await cut;
    await town.node.restart();
    for (const phone of [ana, officer, colleague, soup, smiths, unverified, city]) await phone.connect(true);
    const sold = await score(goods, key);
    expect(sold).toMatchObject({ status: 200, body: { type: 'redemption' } });
    expect(new Set(sold.body.parties)).toEqual(new Set(parties));
    expect(await score(goods, key)).toMatchObject({ status: 200, body: sold.body });
    expect([await balanceOf(ana), await balanceOf(merchant)]).toEqual([before - 14, 14]);
    expect((await score(goods)).status).toBe(409);
    const strange = await town.phone('merchant');
    expect((await score({ ...goods, merchant: idOf(strange), quantity: 1 })).status).toBe(404);
    // what was set aside for it is free again
    expect(await preview({ ...goods, quantity: 1 })).toMatchObject({ status: 200 });
    expect(await balanceOf(ana)).toBe(before - 14);
  });

  it('gifts leave once and arrive at each, told once; a kill changes neither that nor the cap of a day', async () => {
    const to = [
      { userId: idOf(soup), points: 15 },
      { userId: idOf(smiths), points: 5 },
    ];
    const before = await balanceOf(ana);
    const [key, giftKey] = [crypto.randomUUID(), crypto.randomUUID()];
    const first = await give(ana, 'donations', { to }, key);
    expect(first).toMatchObject({ status: 200, body: { points: -20, balance: before - 20 } });
    for (const phone of [ana, soup, smiths]) await hearsOnce(phone, first.body.transferId);
    const gift = (points: number, as?: string) =>
      give(officer, 'giveaways', { userId: idOf(colleague), points }, as);
    const given = await gift(CAP - 10, giftKey);
    expect(given).toMatchObject({ status: 200, body: { points: 10 - CAP } });
    await hearsOnce(colleague, given.body.transferId);

    await town.node.kill();
    await town.node.restart();
    for (const phone of [ana, officer, colleague, soup, smiths, unverified, city]) await phone.connect(true);
    expect(await give(ana, 'donations', { to }, key)).toMatchObject({ status: 200, body: first.body });
    expect(await gift(CAP - 10, giftKey)).toMatchObject({ status: 200, body: given.body });
    // forgotten at the door, not in the ledger
    const other = { to: [{ userId: idOf(soup), points: 2 }] };
    expect((await give(ana, 'donations', other, key)).status).toBe(422);
    expect([await balanceOf(soup), await balanceOf(smiths)]).toEqual([15, 5]);
    for (const phone of [ana, soup, smiths]) expect(heard(phone, first.body.transferId)).toHaveLength(1);
    expect((await gift(11)).status).toBe(409);
    expect((await gift(10)).status).toBe(200);
    expect((await gift(1)).status).toBe(409);
    expect(heard(colleague, given.body.transferId)).toHaveLength(1);
  });

  it('the same over the socket', async () => {
    const before = await balanceOf(soup);
    const { transferId } = await ana.must('points.donate', { to: [{ userId: idOf(soup), points: 1 }] });
    await hearsOnce(soup, transferId);
    expect(await balanceOf(soup)).toBe(before + 1);
  });

  it('a fine is published, paid once, and the municipality hears of it', async () => {
    const fine = { kind: 'fine', title: 'Parking', points: 10, handle: ana.person.handle };
    const published = await post<{ id: string }>('/v1/fees', city.person.token, fine);
    expect(published.status).toBe(201);
    const mine = await town.rest.read<{ items: { id: string; paid: boolean }[] }>(
      '/v1/fees',
      ana.person.token,
    );
    expect(mine.items).toMatchObject([{ id: published.body.id, paid: false }]);
    const path = `fees/${published.body.id}/payments`;
    const paid = await give(ana, path);
    expect(paid).toMatchObject({ status: 200, body: { points: -10 } });
    await hearsOnce(city, paid.body.transferId);
    expect((await give(ana, path)).status).toBe(409);
    const feeId = published.body.id;
    expect(await ana.phone.command('fee.pay', { feeId }, crypto.randomUUID())).toMatchObject({ code: 409 });
    expect((await give(ana, `fees/${feeId}/withdraw`)).status).toBe(403);
    expect((await post(`/v1/fees/${feeId}/withdraw`, city.person.token)).status).toBe(409);
  });

  it('a machine scores every kind, once, and previews without posting', async () => {
    const donation = { type: 'donation', from: idOf(ana), to: [{ userId: idOf(smiths), points: 2 }] };
    const before = await balanceOf(ana);
    const preview = await town.rest.call<Scored>('POST', '/v1/scoring/preview', {
      token: machine,
      body: donation,
    });
    const parties = [
      { userId: idOf(ana), points: -2 },
      { userId: idOf(smiths), points: 2 },
    ];
    const rule = { id: 'donation', version: 1 };
    expect(preview).toMatchObject({ status: 200, body: { transferId: null, parties, rule } });
    expect(await balanceOf(ana)).toBe(before);
    const key = crypto.randomUUID();
    const first = await score(donation, key);
    expect(first).toMatchObject({ status: 200, body: { parties, rule } });
    expect((await score(donation, key)).body).toEqual(first.body);
    expect(await balanceOf(ana)).toBe(before - 2);
    await hearsOnce(smiths, first.body.transferId);

    const [one, two] = [await town.phone('officer'), await town.phone('civilian')];
    await two.connect();
    const met = { type: 'encounter', officer: idOf(one), civilian: idOf(two), method: 'hey' };
    const meeting = crypto.randomUUID();
    const scored = await score(met, meeting);
    expect(scored).toMatchObject({ status: 200, body: { rule: { id: 'encounter.points', version: 1 } } });
    expect(scored.body.parties).toHaveLength(2);
    expect(await two.event('encounter.completed')).toMatchObject({ points: 10, balance: 10 });
    expect((await score(met, meeting)).body).toEqual(scored.body);
    expect((await score(met)).status).toBe(409);
    expect(await balanceOf(two)).toBe(10);

    const fee = await post<{ id: string }>('/v1/fees', city.person.token, {
      kind: 'fee',
      title: 'Library card',
      points: 3,
    });
    expect(await score({ type: 'fee', from: idOf(two), fee: fee.body.id })).toMatchObject({
      body: {
        parties: [
          { userId: idOf(two), points: -3 },
          { userId: idOf(city), points: 3 },
        ],
      },
    });
    const gift = { type: 'giveaway', from: idOf(colleague), to: idOf(one), points: 1 };
    expect(await score(gift)).toMatchObject({ status: 200, body: { rule: { id: 'giveaway' } } });
  });

  it('operators limit an account and close it', async () => {
    const donate = (points: number) => give(ana, 'donations', { to: [{ userId: idOf(soup), points }] });
    const limits = { entryMax: 1, dayMax: null };
    expect((await admin('PUT', `/accounts/${idOf(ana)}/limits`, limits)).body).toMatchObject(limits);
    expect((await donate(2)).status).toBe(409);
    expect((await donate(1)).status).toBe(200);
    await admin('PUT', `/accounts/${idOf(ana)}/limits`, { entryMax: null, dayMax: null });
    expect((await admin('POST', `/accounts/${idOf(smiths)}/close`)).body).toMatchObject({ closed: true });
    expect((await give(ana, 'donations', { to: [{ userId: idOf(smiths), points: 1 }] })).status).toBe(410);
    expect((await admin('POST', `/accounts/${idOf(smiths)}/open`)).body).toMatchObject({ closed: false });
    expect((await give(ana, 'donations', { to: [{ userId: idOf(smiths), points: 1 }] })).status).toBe(200);
  });

  describe('bad input', () => {
    const amounts: readonly (readonly [string, unknown])[] = [
      ['zero', 0],
      ['negative', -1],
      ['fractional', 1.5],
      ['2^53', 2 ** 53],
      ['above the limit', 1_000_000_000_001],
    ];
    it.each(amounts)('an amount that is %s: 422, and 422 or 400 over the socket', async (_what, points) => {
      const before = await balanceOf(ana);
      const body = { to: [{ userId: idOf(soup), points }] };
      expect((await give(ana, 'donations', body)).status).toBe(422);
      const gift = { userId: idOf(colleague), points };
      expect((await give(officer, 'giveaways', gift)).status).toBe(422);
      expect((await score({ type: 'donation', from: idOf(ana), ...body })).status).toBe(422);
      expect((await post('/v1/fees', city.person.token, { kind: 'fee', title: 'x', points })).status).toBe(
        422,
      );
      const said = await ana.phone
        .command('points.donate', body as never, crypto.randomUUID())
        .catch(() => ({ ok: false, code: 400 }));
      expect(said.ok === false && [400, 422]).toContain((said as { code: number }).code);
      expect(await balanceOf(ana)).toBe(before);
    });

    it('accounts that are unknown, foreign, unverified or one’s own; more than there is', async () => {
      const before = await balanceOf(ana);
      const to = (userId: string, points = 1) => ({ to: [{ userId, points }] });
      const status = async (body: object) => (await give(ana, 'donations', body)).status;
      expect(await status(to(crypto.randomUUID()))).toBe(404);
      expect(await status(to(idOf(officer)))).toBe(403);
      expect(await status(to(idOf(unverified)))).toBe(409);
      expect(await status(to(idOf(ana)))).toBe(422);
      expect(await status(to(idOf(soup), 1_000_000))).toBe(409);
      expect(await status({ to: [...to(idOf(soup)).to, ...to(idOf(soup)).to] })).toBe(422);
      expect((await give(officer, 'giveaways', { userId: idOf(officer), points: 1 })).status).toBe(422);
      expect((await give(officer, 'giveaways', { userId: idOf(ana), points: 1 })).status).toBe(403);
      expect((await give(smiths, 'donations', to(idOf(soup)))).status).toBe(403);
      expect((await give(soup, 'donations', to(idOf(smiths)))).status).toBe(403);
      expect((await give(ana, `fees/${crypto.randomUUID()}/payments`)).status).toBe(404);
      expect(await balanceOf(ana)).toBe(before);
    });

    it('a key is required, and means one body', async () => {
      const body = { to: [{ userId: idOf(soup), points: 1 }] };
      const { token } = ana.person;
      expect((await town.rest.call('POST', '/v1/donations', { token, body })).status).toBe(400);
      const key = crypto.randomUUID();
      const first = await give(ana, 'donations', body, key);
      expect(first.status).toBe(200);
      const other = { to: [{ userId: idOf(soup), points: 2 }] };
      expect((await give(ana, 'donations', other, key)).status).toBe(422);
    });

    it('a token of a person at the doors of machines, and the other way round', async () => {
      const body = { type: 'donation', from: idOf(ana), to: [{ userId: idOf(soup), points: 1 }] };
      expect((await post('/v1/scoring/transactions', ana.person.token, body)).status).toBe(401);
      expect((await post('/v1/donations', machine, { to: body.to })).status).toBe(401);
    });
  });

  it('in the end the ledger adds up', async () => {
    expect(await auditLedger(town.databaseUrl)).toEqual([]);
  });
});
