/**
 * The end of a person (GDPR; ASVS 5.0: 14.2.4, 14.2.7), at a real node: a copy of everything, then the erasure, then a search
 * through every table of the database for what named her. The ledger stays, under an id that means nobody.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { systemClock, systemScheduler } from '../../infra/clock.ts';
import { loadKeys } from '../../infra/keys.ts';
import { openLocation } from '../../infra/location/index.ts';
import { silent } from '../../infra/postgres/testTown.ts';
import { addService } from '../../infra/serviceAccounts.ts';
import { noMetrics } from '../../infra/streams/testStreams.ts';
import type { LocationPort } from '../../nodes/locationPort.ts';
import { startTestTown, TestPhone, type TestTown, until } from '../e2e/testTown.ts';
import { NEW_YORK } from '../swarm/crowd.ts';
import { auditLedger } from '../swarm/ledgerAudit.ts';
import { auditMarket } from '../swarm/marketAudit.ts';
import type { Person } from '../swarm/rest.ts';
import { openOffer } from '../swarm/shops.ts';
import { type Cast, hireCast } from './cast.ts';

const MS_MAX = 120_000;
const HOUR_MS = 3_600_000;
const ZIP = '98765';
let folder: string;
let town: TestTown;
let cast: Cast;
let database: pg.Client;
let ana: Person;
/** What was sampled of where people were, read with the keys of the node. */
let positions: LocationPort;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'heyblue-erasure-'));
  const file = join(folder, 'services.json');
  const service = addService(file, 'kiosk');
  town = await startTestTown({ HEYBLUE_SERVICE_ACCOUNTS: file, HEYBLUE_HISTORY_REVIEW: 'off' });
  cast = await hireCast(town, service);
  positions = openLocation({
    provider: 'memory',
    ...{ endpoint: '', tracker: '', collection: '', requestsPerS: 1 },
    historyMs: HOUR_MS,
    dynamodbEndpoint: inject('dynamodbEndpoint'),
    region: town.env.AWS_REGION!,
    credentials: {
      accessKeyId: town.env.AWS_ACCESS_KEY_ID!,
      secretAccessKey: town.env.AWS_SECRET_ACCESS_KEY!,
    },
    masters: loadKeys(town.dataDir).qrMasters,
    clock: systemClock(),
    scheduler: systemScheduler,
    log: silent,
    metrics: noMetrics,
  });
  database = new pg.Client({ connectionString: town.databaseUrl });
  await database.connect();
}, MS_MAX);
afterAll(async () => {
  await positions?.close(0);
  await database?.end();
  await town?.stop();
  rmSync(folder, { recursive: true, force: true });
}, MS_MAX);

/** Tables in which some row, as text, has this word. */
const tablesWith = async (word: string): Promise<string[]> => {
  const { rows: tables } = await database.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema') order by 1`,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const { rowCount } = await database.query(
      `select 1 from ${name} t where position(lower($1) in lower(t::text)) > 0 limit 1`,
      [word],
    );
    if (rowCount) found.push(name);
  }
  return found;
};

/** Somebody with a zip code, and the words with which he came. */
const signedUp = async (name: string) => {
  const handle = `${name}-${crypto.randomUUID().slice(0, 8)}`;
  const device = { deviceId: `phone-of-${handle}`, zip: ZIP };
  const signUp = { kind: 'civilian', handle, password: 'correct horse', ...device } as const;
  const up = await town.rest.call<{ userId: string; accessToken: string }>('POST', '/v1/signup', {
    body: signUp,
  });
  expect(up.status).toBe(201);
  const person: Person = { ...signUp, userId: up.body.userId, token: up.body.accessToken };
  return { signUp, person };
};

/** An operator asks at the admin port. */
const operator = async (path: string, method = 'POST') => {
  const answer = await fetch(`${town.node.urls.admin}/admin/${path}`, {
    method,
    headers: { authorization: `Bearer ${cast.of.operator.token}`, 'heyblue-why': 'his letter of May' },
  });
  return { status: answer.status, text: await answer.text() };
};

const erase = (token: string, password: string) =>
  town.rest.call('DELETE', '/v1/me', { token, body: { password } });

it(
  'a copy has everything, the wrong password and a stranger erase nothing, and afterwards nothing names her',
  async () => {
    const { signUp, person } = await signedUp('ana');
    const { handle } = person;
    ana = person;
    const scored = await town.rest.call('POST', '/v1/scoring/transactions', {
      token: cast.serviceToken,
      headers: { 'idempotency-key': crypto.randomUUID() },
      body: { type: 'encounter', officer: cast.of.officer.userId, civilian: ana.userId, method: 'qr' },
    });
    expect(scored.status).toBe(200);
    const hers = new TestPhone(town.node.urls.realtime, ana, NEW_YORK);
    const { phone } = hers;
    await hers.arrive();
    const samples = () => positions.history(ana.userId, Date.now() - HOUR_MS, Date.now() + HOUR_MS);
    await until('a sample of her position to be kept', async () => (await samples()).length > 0);
    const reserved = await phone.command(
      'redeem.reserve',
      { offerId: cast.ids.offer, quantity: 1 },
      crypto.randomUUID(),
    );
    if (!reserved.ok) throw new Error(reserved.message);

    const copy = await town.rest.read<Record<string, never[]>>('/v1/me/export', ana.token);
    expect(copy).toMatchObject({
      profile: { userId: ana.userId, handle, zip: ZIP, kind: 'civilian', badge: null },
      account: { reserved: 5 },
      devices: [{ deviceId: ana.deviceId }],
      encounters: [{ method: 'qr' }],
      movements: [{ reason: expect.any(String) }],
      redemptions: [{ offerId: cast.ids.offer, quantity: 1 }],
      positions: [{ latE7: expect.any(Number), lngE7: expect.any(Number) }],
    });
    // hers alone: nobody else is named in it
    for (const other of [cast.of.officer, cast.of.merchant])
      expect(JSON.stringify(copy)).not.toContain(other.handle);

    expect(await erase(ana.token, 'wrong horse')).toMatchObject({ status: 403 });
    expect(await erase(ana.token, 'correct horse')).toMatchObject({ status: 409 });
    const { redemptionId } = reserved.value;
    expect(await phone.command('redeem.cancel', { redemptionId }, crypto.randomUUID())).toMatchObject({
      ok: true,
    });
    await until('her events and timers to be written', async () =>
      (await tablesWith(ana.userId)).includes('ops.user_event'),
    );
    expect(await tablesWith(handle)).toContain('user_schema.users');
    const merchant = await town.rest.call('DELETE', '/v1/me', {
      token: cast.of.merchant.token,
      body: { password: 'walk-softly-and-say-hey' },
    });
    expect(merchant.status).toBe(409);

    expect(await erase(ana.token, 'correct horse')).toMatchObject({ status: 200, body: { erased: true } });
    expect(await until('the socket to end', () => hers.closed)).toMatchObject({ code: 4_003 });
    await until('the samples of her position to be gone', async () => (await samples()).length === 0);
    expect(await town.rest.call('GET', '/v1/me', { token: ana.token })).toMatchObject({ status: 401 });
    const { kind: _, zip: __, ...signIn } = signUp;
    expect(await town.rest.call('POST', '/v1/signin', { body: signIn })).toMatchObject({ status: 401 });

    expect(await tablesWith(handle)).toEqual([]);
    expect(await tablesWith(ana.deviceId)).toEqual([]);
    // the zip code of a place where people met is nobody's
    const kept = await tablesWith(ana.userId);
    expect(
      kept.filter(name =>
        /^(user_schema|identity_schema\.credential|ops\.(user_event|answer|idempotency))/.test(name),
      ),
    ).toEqual([]);
    expect(kept).toEqual(expect.arrayContaining(['ledger.account', 'ledger.posting', 'meet.encounter']));
    expect(await auditLedger(town.databaseUrl)).toEqual([]);

    // nothing is posted to her any more, and her name is free
    const again = await town.rest.call<{ error: object }>('POST', '/v1/scoring/transactions', {
      token: cast.serviceToken,
      headers: { 'idempotency-key': crypto.randomUUID() },
      body: { type: 'encounter', officer: cast.other.officer.userId, civilian: ana.userId, method: 'qr' },
    });
    expect(again.status).toBeGreaterThanOrEqual(400);
    expect(again.status).toBeLessThan(500);
    expect((await town.rest.call('POST', '/v1/signup', { body: signUp })).status).toBe(201);
  },
  MS_MAX,
);

it(
  'an operator erases somebody who cannot do it himself: his name is gone, the line says by whom and why',
  async () => {
    const { person } = await signedUp('ben');
    const { userId, handle, token } = person;
    const his = new TestPhone(town.node.urls.realtime, person, NEW_YORK);
    await his.arrive();
    const byOperator = async (id: string) => (await operator(`users/${id}/erase`)).status;
    // her customers have reserved
    expect(await byOperator(cast.of.merchant.userId)).toBe(409);
    expect(await byOperator(userId)).toBe(200);
    expect(await until('the socket to end', () => his.closed)).toMatchObject({ code: 4_003 });
    expect(await town.rest.call('GET', '/v1/me', { token })).toMatchObject({ status: 401 });
    expect(await tablesWith(handle)).toEqual([]);
    expect(await byOperator(userId)).toBe(200);
    expect(await byOperator(crypto.randomUUID())).toBe(404);
    const { rows: lines } = await database.query(
      `select action, operator_id, detail ->> 'why' as why from ops.operator_audit where user_id = $1 order by number`,
      [userId],
    );
    const line = { operator_id: cast.of.operator.userId, action: 'user.erase', why: 'his letter of May' };
    expect(lines).toEqual([line, { ...line, action: 'person.erase', why: null }, line]);
    const { rows: read } = await database.query('select zip from users.person where user_id = $1', [userId]);
    expect(read).toEqual([{ zip: null }]);
  },
  MS_MAX,
);

it(
  'an operator takes down what a merchant offers, who can be erased then; what was reserved is still handed over',
  async () => {
    const { userId, token } = cast.other.merchant;
    const shop = { account: cast.other.merchant, tills: [] };
    const offerId = await openOffer(town.node.urls.rest, shop, { title: 'Nothing', points: 5, stock: 5 });
    const ask = (who: string, path: string, body?: object) =>
      town.rest.call<{ redemptionId: string }>('POST', path, {
        token: who,
        headers: { 'idempotency-key': crypto.randomUUID() },
        ...(body && { body }),
      });
    const reserve = () => ask(cast.of.civilian.token, '/v1/redemptions', { offerId });
    const takeDown = () => operator(`offers/${offerId}/withdraw`);
    expect(await operator(`users/${userId}/erase`)).toMatchObject({
      status: 409,
      text: expect.stringContaining('/admin/offers/{id}/withdraw'),
    });
    const reserved = await reserve();
    expect(reserved.status).toBe(201);

    const down = await takeDown();
    expect([down.status, JSON.parse(down.text)]).toEqual([
      200,
      { offerId, merchantId: userId, version: 3, state: 'removed', reserved: 1 },
    ]);
    expect((await reserve()).status).toBe(410);
    const { items } = await town.rest.read<{ items: { id: string }[] }>(
      `/v1/offers?merchant=${userId}`,
      cast.of.civilian.token,
    );
    expect(items.filter(({ id }) => id === offerId)).toEqual([]);
    const listed = await operator(`users/${userId}/offers`, 'GET');
    expect(JSON.parse(listed.text)).toMatchObject({ items: [{ offerId, state: 'removed' }], next: null });
    for (const verb of ['publish', 'withdraw'])
      expect((await ask(token, `/v1/offers/${offerId}/${verb}`)).status).toBe(410);
    expect(await takeDown()).toEqual(down);

    expect((await ask(token, `/v1/redemptions/${reserved.body.redemptionId}/confirm`, {})).status).toBe(200);
    expect((await operator(`users/${userId}/erase`)).status).toBe(200);
    const { rows: lines } = await database.query(
      `select action, detail from ops.operator_audit where user_id = $1 and operator_id = $2 order by number`,
      [userId, cast.of.operator.userId],
    );
    const line = (version: number, state: string) => ({
      action: 'offer.withdraw',
      detail: {
        ...{ offerId, why: 'his letter of May' },
        ...{ before: { merchant: userId, version, state }, after: { state: 'removed' } },
      },
    });
    const erasures = ['user.erase', 'user.erase', 'person.erase'].map(action => ({ action }));
    expect(lines).toMatchObject([
      erasures[0],
      line(2, 'published'),
      { action: 'offer.list', detail: {} },
      line(3, 'removed'),
      ...erasures.slice(1),
    ]);
    expect(await auditLedger(town.databaseUrl)).toEqual([]);
    expect(await auditMarket(town.databaseUrl)).toEqual([]);
  },
  MS_MAX,
);
