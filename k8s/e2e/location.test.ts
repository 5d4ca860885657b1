/**
 * A node with a location service beside it: what phones report while they share is sampled there under names that tell
 * nothing, switching off removes it, and nothing of it stands in logs or metrics. The service is the local one of the
 * tests; the way is the real one, from the socket to the request.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { StartFailure } from '../../infra/embedded/index.ts';
import { startNode } from '../../infra/embedded/town.ts';
import { type TestLocationServer, testLocationServer } from '../../infra/location/testLocationServer.ts';
import { NEW_YORK } from '../swarm/crowd.ts';
import { startTestTown, type TestTown, until } from './testTown.ts';

let server: TestLocationServer;
let town: TestTown;
beforeAll(async () => {
  server = await testLocationServer();
  town = await startTestTown({
    LOCATION_PROVIDER: 'amazon',
    LOCATION_ENDPOINT: server.url,
    LOCATION_TRACKER: 'town',
    HEYBLUE_LOG_LEVEL: 'debug',
  });
});
afterAll(async () => {
  await town?.stop();
  await server?.close();
});

const devices = () => server.trackers.get('town')?.devices ?? [];

it('a shared position is sampled once a minute, and gone when the person switches off', async () => {
  const officer = await town.phone('officer');
  const civilian = await town.phone('civilian', 3_000);
  await officer.arrive();
  await civilian.arrive();
  await officer.report();
  await until('two people at the tracker', () => devices().length === 2);
  const updates = server.requests.filter(one => one.operation === 'BatchUpdateDevicePosition');
  expect(updates.reduce((sum, one) => sum + one.items, 0)).toBe(2);
  for (const name of devices()) {
    expect(name).toMatch(/^[0-9a-f]{32}$/);
    expect(name).not.toContain(officer.person.userId.replaceAll('-', '').slice(0, 12));
  }
  await officer.must('location.stop', {});
  await until('the officer to be forgotten', () => devices().length === 1);
});

it('while the service is away phones notice nothing, and an opt-out is repeated until it is done', async () => {
  const civilian = await town.phone('civilian', 6_000);
  const before = devices().length;
  await civilian.arrive();
  await until('one more at the tracker', () => devices().length === before + 1);
  server.behaviour = 'away';
  await civilian.must('location.stop', {});
  await civilian.must('location.share', {});
  await civilian.report();
  const asked = () => server.requests.length;
  const seen = asked();
  server.behaviour = 'throttle';
  await until('the opt-out to be repeated', () => asked() > seen + 3);
  await civilian.must('location.stop', {});
  server.behaviour = 'well';
  await until('the civilian to be forgotten', () => devices().length === before, 60_000);
}, 90_000);

it('the operator reads what the service says of both positions of a held encounter', async () => {
  const [officer, civilian] = [await town.phone('officer', 12_000), await town.phone('civilian', 12_000)];
  const place = { lat: NEW_YORK.lat, lng: NEW_YORK.lng };
  server.locate('127.0.0.1', [place.lng, place.lat], true);
  await officer.connect();
  await civilian.arrive();
  await civilian.reportSimulated();
  const { token: code } = await officer.must('qr.show', {});
  const { encounterId } = await civilian.must('qr.scan', { token: code });
  const account = { handle: 'olga', password: 'correct horse' };
  const admin = async (method: string, path: string, token = '', body?: object) => {
    const answer = await fetch(`${town.node.urls.admin}${path}`, {
      method,
      headers: { 'heyblue-why': 'a test', ...(token !== '' && { authorization: `Bearer ${token}` }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    return answer.json();
  };
  await admin('POST', '/admin/operators', '', account);
  const { body } = await town.rest.call<{ accessToken: string }>('POST', '/v1/signin', {
    body: { ...account, deviceId: 'console-1' },
  });
  const held = await until('an opinion', async () => {
    const { holds } = await admin('GET', '/admin/holds', body.accessToken);
    return holds[0]?.positions.civilian ? holds : null;
  });
  // the officer, in mode `qr`, has no position that anybody could ask about
  expect(held).toMatchObject([
    { encounterId, reasons: ['simulated'], positions: { officer: null, civilian: 'proxy' } },
  ]);
  expect(server.requests.filter(one => one.operation === 'VerifyDevicePosition')).toHaveLength(1);
});

it('the devices that a person was seen on', async () => {
  const civilian = await town.phone('civilian', 9_000);
  await civilian.connect();
  const { token, deviceId } = civilian.person;
  interface Seen {
    readonly items: readonly { readonly deviceId: string; readonly current: boolean }[];
  }
  const seen = await until('the device to be written', async () => {
    const { body } = await town.rest.call<Seen>('GET', '/v1/me/devices', { token });
    return body.items.length > 0 ? body.items : null;
  });
  expect(seen).toMatchObject([{ deviceId, current: true, app: expect.any(String) }]);
});

it('no coordinate in the log or among the metrics', async () => {
  const log = readFileSync(join(town.dataDir, 'node.log'), 'utf8');
  const metrics = await (await fetch(`${town.node.urls.admin}/metrics`)).text();
  expect(metrics).toMatch(/heyblue_location_samples_total\{result="kept"\} [3-9]/);
  expect(metrics).toMatch(
    /heyblue_location_requests_total\{operation="BatchUpdateDevicePosition",result="ok"\}/,
  );
  const [lat = '', lng = ''] = [NEW_YORK.lat, NEW_YORK.lng].map(one => Math.abs(one).toFixed(2));
  for (const part of [lat, lng, lat.replace('.', ''), lng.replace('.', '')])
    for (const text of [log, metrics])
      expect(text.split(/[^\d.]/).filter(word => word.startsWith(part))).toEqual([]);
});

it('a wrong setting stops the start with one sentence', async () => {
  const start = (change: Record<string, string>) =>
    startNode({ env: { ...town.env, ...change }, output: 'ignore' });
  await expect(start({ LOCATION_PROVIDER: 'memory' })).rejects.toThrow(
    new StartFailure('LOCATION_ENDPOINT is of no use without LOCATION_PROVIDER=amazon.'),
  );
});
