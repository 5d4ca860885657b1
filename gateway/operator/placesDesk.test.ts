/** Operators load the geography over the admin port into a real store; whatever is wrong changes nothing. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { cellOf, regionId } from '../../actors/geo/grid.ts';
import { NodeAtlas } from '../../infra/places/atlas.ts';
import { readAreas } from '../../infra/places/mapThread.ts';
import { PgPlaceStore } from '../../infra/postgres/placeStore.ts';
import { type TestDatabase, testDatabase } from '../../infra/postgres/testDatabase.ts';
import { MemoryAudit } from '../../nodes/memory/memoryAudit.ts';
import { createGateway, type Gateway, type Ports } from '../index.ts';
import { counting, FakeDirectory, FakeDoor, optionsFor, silent } from '../testing/town.ts';
import { OPERATOR } from './limits.ts';

const HUB = '01900000-0000-7000-8000-0000000000a1';
const CELL = regionId(cellOf(40.5, -73.5));
const square = (lng: number, lat: number) => [
  [
    [lng, lat],
    [lng + 1, lat],
    [lng + 1, lat + 1],
    [lng, lat + 1],
    [lng, lat],
  ],
];
const file = (...zips: string[]) => ({
  type: 'FeatureCollection',
  features: zips.map((zip, i) => ({
    type: 'Feature',
    properties: { zip, other: `o${i}` },
    geometry: { type: 'Polygon', coordinates: square(-74 + i, 40) },
  })),
});
const place = { kind: 'hub', name: 'The old hall', lat: 40.7, lng: -73.9, radiusM: 60 };

let database: TestDatabase;
let store: PgPlaceStore;
let gateway: Gateway;
let ports: Ports;
let audit: MemoryAudit;
let auditDown = false;
let token: string;

const ask = async (
  method: string,
  path: string,
  body?: object | string | Uint8Array,
  as: string | null = token,
) => {
  const answer = await fetch(`http://127.0.0.1:${ports.adminPort}${path}`, {
    method,
    headers: { 'heyblue-why': 'a test', ...(as !== null && { authorization: `Bearer ${as}` }) },
    ...(body !== undefined && {
      body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
    }),
  });
  const text = await answer.text();
  return { status: answer.status, json: text.startsWith('{') ? JSON.parse(text) : null, text };
};
const rest = async (path: string, body: object) => {
  const answer = await fetch(`http://127.0.0.1:${ports.restPort}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  return (await answer.json()) as { accessToken: string };
};
const actions = async () =>
  (await audit.newest(100)).map(({ action, detail }) => ({ action, detail })).reverse();
const atlas = () =>
  new NodeAtlas({
    store,
    scheduler: { immediate: run => run(), after: () => () => {} },
    log: silent,
    metrics: counting(),
  });

beforeAll(async () => {
  database = await testDatabase(inject('databaseUrl'));
  store = new PgPlaceStore({ url: database.appUrl, log: silent });
  await store.tried();
});
afterAll(async () => {
  await store.close();
  await database.drop();
});

beforeEach(async () => {
  await database.sql('delete from geo.zip');
  await database.sql('delete from geo.place');
  audit = new MemoryAudit(Date.now);
  auditDown = false;
  gateway = createGateway(
    optionsFor(new FakeDoor(), new FakeDirectory(), {
      auditLog: {
        append: async entry => {
          if (auditDown) throw new Error('no connection');
          await audit.append(entry);
        },
        newest: (limit, userId) => audit.newest(limit, userId),
      },
      places: { store, readAreas },
    }),
  );
  ports = await gateway.start();
  const who = { handle: 'olga', password: 'correct horse' };
  await ask('POST', '/admin/operators', who, null);
  token = (await rest('/v1/signin', { ...who, deviceId: 'console-1' })).accessToken;
});
afterEach(() => gateway.stop(0));

describe('zip codes', () => {
  test('are counted, tried without being taken, and replaced as a whole', async () => {
    expect((await ask('GET', '/admin/zips')).json).toMatchObject({ areas: 0 });
    const tried = await ask('PUT', '/admin/zips?dryRun=true', file('10001', '10002'));
    expect(tried).toMatchObject({
      status: 200,
      json: { dryRun: true, version: null, areas: 2, features: 2, polygons: 2, vertices: 10, slivers: 0 },
    });
    expect((await ask('GET', '/admin/zips')).json).toMatchObject({ areas: 0 });
    const done = await ask('PUT', '/admin/zips', file('10001', '10002'));
    expect(done.json).toMatchObject({ dryRun: false, areas: 2 });
    expect((await ask('GET', '/admin/zips')).json).toEqual({ version: done.json.version, areas: 2 });
    const named = await ask('PUT', '/admin/zips?property=other&dryRun=false', file('10001'));
    expect(named.status).toBe(200);
    const node = atlas();
    await node.look();
    expect(node.zipOf(CELL)).toBe('o0');
    expect(await actions()).toEqual([
      {
        action: 'operator.create',
        detail: { why: 'a test', handle: 'olga', before: null, after: { kind: 'operator' } },
      },
      { action: 'zips.look', detail: {} },
      {
        action: 'zips.replace',
        detail: { areas: 2, features: 2, polygons: 2, vertices: 10, slivers: 0, dryRun: true },
      },
      { action: 'zips.look', detail: {} },
      {
        action: 'zips.replace',
        detail: {
          why: 'a test',
          ...{ areas: 2, features: 2, polygons: 2, vertices: 10, slivers: 0, dryRun: false },
          before: { version: 0, areas: 0 },
          after: { areas: 2 },
        },
      },
      { action: 'zips.look', detail: {} },
      {
        action: 'zips.replace',
        detail: {
          why: 'a test',
          ...{ areas: 1, features: 1, polygons: 1, vertices: 5, slivers: 0, dryRun: false },
          before: { version: done.json.version, areas: 2 },
          after: { areas: 1 },
        },
      },
    ]);
  });

  test('that are not right change nothing and leave no line', async () => {
    await ask('PUT', '/admin/zips', file('10001'));
    const before = await store.versions();
    const lines = (await actions()).length;
    const open = file('10002');
    open.features[0]!.geometry.coordinates[0]!.pop();
    for (const [body, status, word] of [
      ['', 400, 'not_json'],
      ['{"type":', 400, 'not_json'],
      [Uint8Array.from([0xff, 0xfe]), 400, 'not_json'],
      ['[]', 422, 'not_a_collection'],
      [open, 422, 'ring_not_closed'],
      [file('<b>'), 422, 'bad_code'],
      ['['.repeat(100_000), 400, 'not_json'],
    ] as const) {
      const refused = await ask('PUT', '/admin/zips', body as object);
      expect(refused.json.error.message).toMatch(new RegExp(`^${word}: `));
      expect(refused.status).toBe(status);
    }
    expect((await ask('PUT', '/admin/zips?dryRun=perhaps', file('10001'))).status).toBe(422);
    expect(await store.versions()).toEqual(before);
    expect((await actions()).length).toBe(lines);
  });

  test('more bytes than there may be are refused before they are read', async () => {
    const refused = await new Promise<number>((resolve, reject) => {
      const url = new URL(`http://127.0.0.1:${ports.adminPort}/admin/zips`);
      void import('node:http').then(({ request }) => {
        const sent = request(url, {
          method: 'PUT',
          headers: { authorization: `Bearer ${token}`, 'heyblue-why': 'a test', 'content-length': 2 ** 30 },
        });
        sent.on('response', answer => {
          resolve(answer.statusCode!);
          sent.destroy();
        });
        sent.on('error', reject);
        sent.write('{');
      });
    });
    expect(refused).toBe(413);
  });

  test('are for operators, whose line stands first', async () => {
    expect((await ask('PUT', '/admin/zips', file('1'), null)).status).toBe(401);
    const { accessToken } = await rest('/v1/signup', {
      kind: 'merchant',
      handle: 'shop',
      password: 'correct horse',
      deviceId: 'till-1',
    });
    for (const [method, path] of [
      ['GET', '/admin/zips'],
      ['PUT', '/admin/zips'],
      ['GET', '/admin/places'],
      ['PUT', `/admin/places/${HUB}`],
      ['DELETE', `/admin/places/${HUB}`],
      ['GET', '/admin/reports/zips?from=2026-11-21&to=2026-11-21'],
    ] as const)
      expect(
        (await ask(method, path, method === 'PUT' ? file('1') : undefined, accessToken)).status,
        path,
      ).toBe(403);
    auditDown = true;
    const before = await store.versions();
    expect((await ask('PUT', '/admin/zips', file('1'))).status).toBe(503);
    expect((await ask('PUT', `/admin/places/${HUB}`, place)).status).toBe(503);
    expect((await ask('GET', '/admin/places')).status).toBe(503);
    expect(await store.versions()).toEqual(before);
  });
});

describe('places', () => {
  test('are put, listed, changed and taken away, with a line that says which and not where', async () => {
    const made = await ask('PUT', `/admin/places/${HUB.toUpperCase()}`, place);
    expect(made).toMatchObject({
      status: 200,
      json: { ...place, id: HUB, active: true, owner: null, poster: 0 },
    });
    const changed = await ask('PUT', `/admin/places/${HUB}`, {
      ...place,
      active: false,
      poster: 2,
      owner: HUB,
    });
    expect(changed.json).toMatchObject({ number: made.json.number, active: false, poster: 2, owner: HUB });
    expect((await ask('GET', '/admin/places')).json).toEqual({ items: [changed.json], next: null });
    expect((await ask('GET', `/admin/places?after=${HUB}`)).json).toEqual({ items: [], next: null });
    expect((await ask('DELETE', `/admin/places/${HUB}`)).status).toBe(200);
    expect((await ask('DELETE', `/admin/places/${HUB}`)).status).toBe(404);
    const lines = await actions();
    const first = { kind: 'hub', radiusM: 60, active: true, poster: 0, owner: null };
    const second = { kind: 'hub', radiusM: 60, active: false, poster: 2, owner: HUB };
    const changes = lines.filter(line => line.action !== 'places.list').slice(1);
    expect(changes).toEqual([
      { action: 'place.put', detail: { why: 'a test', placeId: HUB, before: null, after: first } },
      {
        action: 'place.put',
        detail: {
          why: 'a test',
          placeId: HUB,
          before: { ...first, version: made.json.version },
          after: second,
        },
      },
      {
        action: 'place.delete',
        detail: {
          why: 'a test',
          placeId: HUB,
          before: { ...second, version: changed.json.version },
          after: null,
        },
      },
      { action: 'place.delete', detail: { why: 'a test', placeId: HUB, before: null, after: null } },
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/40\.7|407000000|73\.9|739000000/);
  });

  test('that are not right are refused', async () => {
    for (const wrong of [
      { kind: 'bank' },
      { name: '' },
      { name: 'x'.repeat(81) },
      { name: 'a\nb' },
      { lat: 90.1 },
      { lng: -181 },
      { lat: 1e9 },
      { lat: '40' },
      { radiusM: 9 },
      { radiusM: 1_001 },
      { radiusM: 20.5 },
      { poster: 65_536 },
      { owner: 'somebody' },
      { colour: 'red' },
    ])
      expect(
        (await ask('PUT', `/admin/places/${HUB}`, { ...place, ...wrong })).status,
        JSON.stringify(wrong),
      ).toBe(422);
    expect((await ask('PUT', `/admin/places/${HUB}`, '{"lat":NaN}')).status).toBe(400);
    expect((await ask('PUT', '/admin/places/1', place)).status).toBe(404);
    expect((await ask('GET', '/admin/places?after=1')).status).toBe(404);
    expect((await ask('POST', `/admin/places/${HUB}`, place)).status).toBe(404);
    expect((await store.places()).places).toEqual([]);
  });
});

describe('participation by zip code', () => {
  test('is counted by day; where few met, it is not said how few', async () => {
    const people = OPERATOR.reportPeopleMin;
    const meet = (day: string, zip: string | null, civilians: number, officer: string) =>
      database.sql(
        `insert into meet.encounter (id, officer, civilian, method, cell, at, officer_points, civilian_points, zip)
         select gen_random_uuid(), $1, gen_random_uuid(), 'qr', '', $2::timestamptz, 1, 1, $3 from generate_series(1, $4)`,
        [officer, `${day}T23:59:59.9Z`, zip, civilians],
      );
    await meet('2026-03-01', '10001', people - 1, HUB);
    await meet('2026-03-01', '10002', people - 2, HUB);
    await meet('2026-03-02', '10001', people, HUB);
    await meet('2026-03-02', '10001', people, HUB.replace('a1', 'a2'));
    await meet('2026-03-02', null, people, HUB);
    const report = await ask('GET', '/admin/reports/zips?from=2026-03-01&to=2026-03-02');
    expect(report.json).toEqual({
      from: '2026-03-01',
      to: '2026-03-02',
      peopleMin: people,
      complete: true,
      rows: [
        { day: '2026-03-01', zip: '10001', encounters: people - 1, people },
        { day: '2026-03-01', zip: '10002', encounters: null, people: null },
        { day: '2026-03-02', zip: '10001', encounters: 2 * people, people: 2 * people + 2 },
        { day: '2026-03-02', zip: null, encounters: people, people: people + 1 },
      ],
    });
    expect((await actions()).at(-1)).toEqual({
      action: 'report.zips',
      detail: { from: '2026-03-01', to: '2026-03-02' },
    });
    expect((await ask('GET', '/admin/reports/zips?from=2026-03-02&to=2026-03-02')).json.rows.length).toBe(2);
  });

  test('is asked for by days that are days, and not for years', async () => {
    for (const query of [
      '',
      'from=2026-11-21',
      'from=2026-11-21&to=2026-11-20',
      'from=2026-02-30&to=2026-03-01',
      'from=2026-1-1&to=2026-01-02',
      "from=2026-11-21'--&to=2026-11-21",
      'from=2026-01-01&to=2026-12-31',
    ])
      expect((await ask('GET', `/admin/reports/zips?${query}`)).status, query).toBe(422);
  });
});
