import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import { ZenRules } from '../../infra/rules/zenEngine.ts';
import { MemoryRules } from '../../nodes/memory/memoryRules.ts';
import { memoryTown } from '../../nodes/memory/memoryTown.ts';
import { builtInRules } from '../../nodes/rules/builtIn.ts';
import type { MovementRecord } from '../../nodes/rulesPort.ts';
import { ERROR, ok } from '../../protocol/errors.ts';
import { createGateway, type Gateway } from '../index.ts';
import { FakeMarket, OFFER_ID, offerActors, offerOf, REDEMPTION_ID } from '../testing/market.ts';
import { testRules } from '../testing/rules.ts';
import { FakeDirectory, FakeDoor, optionsFor } from '../testing/town.ts';
import { markdown } from './docsMarkdown.ts';

/** What the documents say, compared with what the doors do: over HTTP, as a stranger would. */

interface Operation {
  readonly operationId: string;
  readonly security?: readonly Record<string, unknown>[];
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema: object }[];
  readonly requestBody?: { content: Record<string, { schema: Schema }> };
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
}
interface Schema {
  readonly type?: string;
  readonly properties?: Record<string, Schema>;
  readonly items?: Schema;
  readonly additionalProperties?: boolean;
}
interface OpenApi {
  readonly openapi: string;
  readonly info: { title: string; version: string };
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { securitySchemes: Record<string, unknown> };
  readonly tags: { name: string }[];
}

const ana = { kind: 'civilian', handle: 'ana', password: 'correct horse', deviceId: 'phone-1', zip: '10001' };
const kim = { kind: 'officer', handle: 'kim', password: 'battery staple', deviceId: 'phone-2', badge: 'B7' };

const door = new FakeDoor();
const market = new FakeMarket();
const TRANSFER = '01900000-0000-7000-8000-0000000000c1';

let gateway: Gateway;
let directory: FakeDirectory;
let base: string;
let document: OpenApi;
const ajv = new Ajv2020({ strict: false });

const ask = async (method: string, path: string, body?: unknown, token?: string) => {
  const headers: Record<string, string> = {};
  if (/^\/v1\/(offers|redemptions)/.test(path)) headers['idempotency-key'] = crypto.randomUUID();
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  if (/^\/v1\/(donations|giveaways|fees|scoring)/.test(path))
    headers['idempotency-key'] = crypto.randomUUID();
  const answer = await fetch(base + path, {
    method,
    headers,
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  const type = answer.headers.get('content-type') ?? '';
  return { status: answer.status, type, text, json: type.includes('json') ? JSON.parse(text) : null };
};

beforeAll(async () => {
  door.answers.spend = () => ok({ transferId: TRANSFER, points: -5, balance: 65 });
  door.answers.observe = () => ok({ encounterId: TRANSFER, atMs: 5, officer: {}, civilian: {} });
  const { giving } = memoryTown().people;
  const parties = [{ userId: TRANSFER, points: 5 }];
  const rule = { id: 'donation', version: 1 };
  giving.movement = async () => ({ transferId: TRANSFER, reason: 'donation', rule, atMs: 5, parties });
  const services = [
    { id: TRANSFER, name: 'kiosk', secretSha256: createHash('sha256').update('s').digest('hex') },
  ];
  const scoring = builtInRules(DEFAULT_RULES);
  directory = new FakeDirectory();
  const rules = testRules(DEFAULT_RULES, new ZenRules(), new MemoryRules());
  const options = optionsFor(door, directory, { market });
  const persons = {
    copy: async () => ({ profile: {} }),
    erase: async () => 'erased' as const,
    forget: () => {},
  };
  gateway = createGateway({ ...options, giving, services, scoring, rules, persons });
  base = `http://127.0.0.1:${(await gateway.start()).restPort}`;
  document = (await ask('GET', '/docs/openapi.json')).json;
});
afterAll(() => gateway.stop(0));

const operations = (): [method: string, path: string, operation: Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [
      method,
      path,
      operation,
    ]),
  );

/** Fields that are there and not in the document. */
const undocumented = (value: unknown, schema: Schema, at = ''): string[] => {
  if (Array.isArray(value))
    return schema.items ? value.flatMap(item => undocumented(item, schema.items!, `${at}[]`)) : [];
  if (typeof value !== 'object' || value === null || schema.additionalProperties === true) return [];
  if (schema.properties === undefined) return [];
  return Object.entries(value).flatMap(([name, one]) => {
    const known = schema.properties![name];
    return known === undefined ? [`${at}.${name}`] : undocumented(one, known, `${at}.${name}`);
  });
};

const answersAsDocumented = (method: string, path: string, status: number, body: unknown): void => {
  const { responses } = document.paths[path]![method]!;
  const answer = responses[status] ?? responses[`${String(status)[0]}XX`];
  expect(answer, `${method} ${path} ${status}`).toBeDefined();
  const schema = Object.values(answer!.content!)[0]!.schema;
  expect(ajv.validate(schema, body), `${method} ${path}: ${ajv.errorsText()}`).toBe(true);
  expect(undocumented(body, schema)).toEqual([]);
};

type Call = (
  method: string,
  path: string,
  body?: unknown,
  token?: string,
  url?: string,
) => Promise<Record<string, string>>;

/** Every door of the market, with something behind each. */
const trade = async (
  call: Call,
  { ana, anaId, till, merchant }: Record<'ana' | 'anaId' | 'till' | 'merchant', string>,
): Promise<void> => {
  offerActors(door, offerOf(merchant));
  const row = {
    redemptionId: REDEMPTION_ID,
    offerId: OFFER_ID,
    title: 'Coffee',
    quantity: 1,
    points: 5,
    atMs: 9,
  };
  door.answers.order = () =>
    ok({ ...row, transferId: OFFER_ID, code: '7K2MWX9Q', qr: 'HBR1.X', expiresS: 9 });
  market.listed.push({ ...offerOf(merchant), merchantHandle: 'corner-shop', onHand: 5, reserved: 1 });
  market.reserved.push({
    ...{
      id: REDEMPTION_ID,
      user: anaId,
      merchant,
      offer: OFFER_ID,
      offerTitle: 'Coffee',
      quantity: 1,
      points: 5,
    },
    ...{ code: '7K2MWX9Q', state: 'reserved', atMs: 5, expiresAtMs: 605, transferId: null },
    ...{
      sold: { quantity: 0, points: 0 },
      refunded: { quantity: 0, points: 0 },
      rule: { id: 'r', version: 1 },
    },
  });
  market.moved.push({ ...row, id: OFFER_ID, kind: 'sale' });
  market.sellers.push(row);
  const delta = { onHandDelta: 0, reservedDelta: 1, onHand: 5, reserved: 1 };
  market.movements.push({ ...delta, id: '7', kind: 'allocation', atMs: 5, reason: '' });
  const { id } = await call('post', '/v1/offers', { title: 'Coffee', points: 5 }, till);
  const edit = {
    title: 'Tea',
    description: '',
    kind: 'goods',
    points: 5,
    perUserMax: 0,
    opensAtMs: 0,
    closesAtMs: 0,
  };
  await call(
    'put',
    '/v1/offers/{id}',
    { ...edit, lowStock: 0, placeId: null, version: 1 },
    till,
    `/v1/offers/${id}`,
  );
  for (const name of ['publish', 'withdraw'])
    await call('post', `/v1/offers/{id}/${name}`, undefined, till, `/v1/offers/${id}/${name}`);
  await call('post', '/v1/offers/{id}/stock', { delta: 1, reason: 'new' }, till, `/v1/offers/${id}/stock`);
  await call('get', '/v1/offers/{id}/stock', undefined, till, `/v1/offers/${OFFER_ID}/stock`);
  await call('get', '/v1/offers/{id}', undefined, ana, `/v1/offers/${OFFER_ID}`);
  for (const path of ['/v1/offers', '/v1/redemptions', '/v1/merchant/sales', '/v1/merchant/best-sellers'])
    await call('get', path, undefined, till);
  const day = '/v1/merchant/settlements/2026-11-19';
  await call('get', '/v1/merchant/settlements/{day}', undefined, till, day);
  await call('post', '/v1/redemptions', { offerId: OFFER_ID }, ana);
  const on = `/v1/redemptions/${REDEMPTION_ID}`;
  await call('get', '/v1/redemptions/{id}', undefined, till, on);
  await call('post', '/v1/redemptions/{id}/cancel', undefined, ana, `${on}/cancel`);
  await call('post', '/v1/redemptions/{id}/confirm', {}, till, `${on}/confirm`);
  await call('post', '/v1/redemptions/{id}/refund', { restock: true }, till, `${on}/refund`);
};

/** A machine tells of a meeting. */
const score = async (call: Call, officer: string, civilian: string): Promise<void> => {
  const credentials = { grant_type: 'client_credentials', client_id: TRANSFER, client_secret: 's' };
  const { access_token } = await call('post', '/v1/oauth/token', credentials);
  const encounter = { type: 'encounter', officer, civilian, method: 'qr' };
  for (const path of ['transactions', 'preview'])
    await call('post', `/v1/scoring/${path}`, encounter, access_token);
};

/** What is explained. */
const donationOf = (giver: string): MovementRecord => ({
  id: TRANSFER,
  reason: 'donation',
  rule: { id: 'donation', version: 1, trace: null },
  atMs: 7,
  postings: [
    { account: giver, kind: 'civilian', delta: -5 },
    { account: 'c', kind: 'charity', delta: 5 },
  ],
  encounter: null,
});

/** Every way of giving. */
const give = async (call: Call, token: string, officer: string): Promise<void> => {
  const part = { userId: TRANSFER, points: 5 };
  await call('post', '/v1/donations', { to: [part] }, token);
  await call('post', '/v1/giveaways', part, officer);
  const city = { kind: 'municipality', handle: 'city', password: ana.password, deviceId: 'desk' };
  const { accessToken: desk } = await call('post', '/v1/signup', city);
  const fee = await call('post', '/v1/fees', { kind: 'fee', title: 'Parking', points: 5 }, desk);
  await call('get', '/v1/fees', undefined, token);
  await call('post', '/v1/fees/{id}/payments', undefined, token, `/v1/fees/${fee.id}/payments`);
  await call('post', '/v1/fees/{id}/withdraw', undefined, desk, `/v1/fees/${fee.id}/withdraw`);
  for (const list of ['charities', 'families']) await call('get', `/v1/catalogs/${list}`);
};

describe('OpenAPI 3.1', () => {
  test('keeps to its official schema', async () => {
    expect(await new Validator().validate({ ...structuredClone(document) })).toMatchObject({
      valid: true,
    });
    const { info: _, ...nameless } = structuredClone(document);
    expect(await new Validator().validate({ ...nameless })).toMatchObject({ valid: false });
  });

  test('is well formed: schemas of JSON Schema 2020-12, names that are one of a kind, parameters of paths', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
    const ids = operations().map(([, , { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [method, path, { parameters = [], requestBody, responses, security = [] }] of operations()) {
      expect(['get', 'post', 'put', 'patch', 'delete']).toContain(method);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const named = parameters.filter(one => one.in === 'path');
      expect(named.map(one => one.name)).toEqual(inPath);
      expect(named.every(one => one.required === true)).toBe(true);
      for (const scheme of security.flatMap(one => Object.keys(one)))
        expect(document.components.securitySchemes).toHaveProperty(scheme);
      const schemas: object[] = parameters.map(one => one.schema);
      for (const { schema } of Object.values(requestBody?.content ?? {})) schemas.push(schema);
      for (const [status, { description, content = {} }] of Object.entries(responses)) {
        expect(status).toMatch(/^([1-5]\d\d|[1-5]XX|default)$/);
        expect(description).not.toBe('');
        for (const { schema } of Object.values(content)) schemas.push(schema);
      }
      for (const schema of schemas) expect(() => ajv.compile(schema)).not.toThrow();
    }
  });

  test('names every route that the sources have', () => {
    const folder = new URL('./', import.meta.url);
    for (const name of readdirSync(folder).filter(one => one.endsWith('.ts') && !one.includes('.test.'))) {
      for (const [, path] of readFileSync(new URL(name, folder), 'utf8').matchAll(/'(\/v1\/[\w/:]+)'/g))
        expect(Object.keys(document.paths)).toContain(path!.replace(/:(\w+)/g, '{$1}'));
    }
  });

  test('every operation answers as it says, with no field that it does not name', async () => {
    const tried = new Set<string>();
    const call = async (method: string, path: string, body?: unknown, token?: string, url = path) => {
      const answer = await ask(method.toUpperCase(), url, body, token);
      expect(answer.status, `${method} ${url}: ${answer.text}`).toBeLessThan(300);
      answersAsDocumented(method, path, answer.status, answer.json ?? answer.text);
      tried.add(`${method} ${path}`);
      return answer.json;
    };
    const civilian = await call('post', '/v1/signup', ana);
    const officer = await call('post', '/v1/signup', kim);
    const { handle, password, deviceId } = ana;
    await call('post', '/v1/signin', { handle, password, deviceId });
    const { accessToken } = await call('post', '/v1/device', { handle, password, deviceId: 'phone-3' });
    const { accessToken: token } = await call('post', '/v1/token', undefined, accessToken);
    const codes = ['/v1/qr', '/v1/qr.svg', '/v1/qr.png', '/v1/qr.txt', '/v1/qr/book'];
    for (const path of [
      '/v1/me',
      '/v1/me/devices',
      '/v1/balance',
      '/v1/transactions',
      '/v1/encounters',
      ...codes,
    ])
      await call('get', path, undefined, token);
    const shop = { kind: 'merchant', handle: 'corner-shop', password, deviceId: 'till-1' };
    const { accessToken: till, userId: merchant } = await call('post', '/v1/signup', shop);
    await trade(call, { ana: token, anaId: officer.userId, till, merchant });
    await call('get', '/v1/officers/{id}', undefined, token, `/v1/officers/${officer.userId}`);
    await give(call, token, officer.accessToken);
    await score(call, officer.userId, civilian.userId);
    directory.movements.set(TRANSFER, donationOf(civilian.userId));
    await call('get', '/v1/transfers/{id}/explain', undefined, token, `/v1/transfers/${TRANSFER}/explain`);
    for (const [method, path] of operations()) {
      if (path.startsWith('/docs') || path.startsWith('/.well-known')) await call(method, path);
    }
    await call('get', '/v1/me/export', undefined, token);
    await call('delete', '/v1/me', { password }, till);
    await call('post', '/v1/signout', undefined, token);
    expect([...tried].sort()).toEqual(
      operations()
        .map(([method, path]) => `${method} ${path}`)
        .sort(),
    );
  });

  test('refusals have the one shape and the numbers of the page', async () => {
    const refusals: [status: number, code: number, method: string, path: string, body?: unknown][] = [
      [400, ERROR.malformed, 'POST', '/v1/signin', '{'],
      [401, ERROR.unauthorized, 'GET', '/v1/me'],
      [
        401,
        ERROR.unauthorized,
        'POST',
        '/v1/signin',
        { ...ana, kind: undefined, zip: undefined, password: 'wrong one' },
      ],
      [403, ERROR.forbidden, 'POST', '/v1/signup', { ...kim, handle: 'other', badge: 'X' }],
      [404, ERROR.notFound, 'GET', '/v1/nothing'],
      [409, ERROR.conflict, 'POST', '/v1/signup', { ...kim, handle: 'kim' }],
      [413, ERROR.tooLarge, 'POST', '/v1/signin', { handle: 'a'.repeat(20_000) }],
      [422, ERROR.invalid, 'POST', '/v1/signup', { ...ana, handle: '' }],
    ];
    const page = (await ask('GET', '/docs')).text;
    for (const [status, code, method, path, body] of refusals) {
      const answer = await ask(method, path, body);
      expect([answer.status, answer.json.error.code], `${method} ${path} ${answer.text}`).toEqual([
        status,
        code,
      ]);
      expect(answer.json).toEqual({
        error: { code, message: expect.any(String), retryable: expect.any(Boolean) },
      });
      if (document.paths[path] !== undefined)
        answersAsDocumented(method.toLowerCase(), path, status, answer.json);
    }
    for (const code of Object.values(ERROR)) expect(page).toContain(`<code>${code}</code>`);
  });

  test('operations that need a token say so, and only those', async () => {
    for (const [method, path, { security }] of operations()) {
      const { status } = await ask(
        method.toUpperCase(),
        path.replace('{id}', '01900000-0000-7000-8000-000000000001'),
        undefined,
      );
      expect(status === 401, `${method} ${path}`).toBe(security !== undefined);
    }
  });
});

describe('the pages', () => {
  test('read without anything from elsewhere, and every link leads somewhere', async () => {
    for (const path of ['/docs', '/docs/protocol', '/docs/conformance']) {
      const { type, text } = await ask('GET', path);
      expect(type).toContain('text/html');
      expect(text).not.toMatch(/<(script|link|img|iframe)|@import|url\(|(src|href)="?(https?:)?\/\//);
      for (const [, target] of text.matchAll(/href="([^"]+)"/g)) {
        if (target!.startsWith('#')) expect(text, `${path}${target}`).toContain(`id="${target!.slice(1)}"`);
        else expect((await ask('GET', target!)).status, target).toBe(200);
      }
    }
  });

  test('are what the repository holds', async () => {
    const file = (path: string) => readFileSync(new URL(`../../protocol/${path}`, import.meta.url), 'utf8');
    expect((await ask('GET', '/docs/protocol.md')).text).toBe(file('PROTOCOL.md'));
    expect((await ask('GET', '/docs/vectors.json')).text).toBe(file('generated/vectors.json'));
    expect((await ask('GET', '/docs/asyncapi.json')).text).toBe(file('generated/asyncapi.json'));
  });
});

describe('Markdown', () => {
  test.each([
    ['# A `b` c', '<h1 id="a-b-c">A <code>b</code> c</h1>'],
    ['one\ntwo\n\nthree', '<p>one two</p>\n<p>three</p>'],
    ['- a\n  more\n- b', '<ul><li>a more</li><li>b</li></ul>'],
    ['1. a\n2. b', '<ol><li>a</li><li>b</li></ol>'],
    [
      '| a | b |\n|---|---|\n| `x\\|y` | **z** |',
      '<table><tr><th>a</th><th>b</th></tr><tr><td><code>x|y</code></td><td><b>z</b></td></tr></table>',
    ],
    ['```\n<b> & `x`\n```', '<pre>&lt;b&gt; &amp; `x`</pre>'],
    ['    npm start', '<pre>npm start</pre>'],
    ['[in](#here) [out](http://evil.example)', '<p><a href="#here">in</a> out</p>'],
    ['<script>alert(1)</script> <!-- gone -->', '<p>&lt;script&gt;alert(1)&lt;/script&gt; </p>'],
  ])('%j', (source, became) => {
    expect(markdown(source)).toBe(became);
  });
});
