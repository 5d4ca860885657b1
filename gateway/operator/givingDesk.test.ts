/** Operators say who may receive and what an account may spend; nobody else does, and each deed has its line. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MemoryAudit } from '../../nodes/memory/memoryAudit.ts';
import { MemoryGiving } from '../../nodes/memory/memoryGiving.ts';
import { MemoryLedger } from '../../nodes/memory/memoryLedger.ts';
import type { AccountKind } from '../../protocol/catalogue.ts';
import { ERROR, ok, refuse } from '../../protocol/errors.ts';
import { createGateway, type Gateway, type Ports } from '../index.ts';
import { FakeDirectory, FakeDoor, optionsFor } from '../testing/town.ts';

const ENTRY = '01900000-0000-7000-8000-0000000000a1';
const CHARITY = '01900000-0000-7000-8000-0000000000b1';
const NOBODY = '01900000-0000-7000-8000-0000000000ff';

let gateway: Gateway;
let ports: Ports;
let audit: MemoryAudit;
let ledger: MemoryLedger;
let door: FakeDoor;
let token: string;

const call = async (port: number, method: string, path: string, body?: object, as: string | null = token) => {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      'heyblue-why': 'a test',
      ...(as !== null && { authorization: `Bearer ${as}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};
const admin = (method: string, path: string, body?: object, as: string | null = token) =>
  call(ports.adminPort, method, `/admin${path}`, body, as);

beforeEach(async () => {
  audit = new MemoryAudit(Date.now);
  ledger = new MemoryLedger(Date.now);
  ledger.openAccount(CHARITY);
  const kindOf = (id: string): AccountKind | null => (id === CHARITY ? 'charity' : null);
  const giving = new MemoryGiving(ledger, { kindOf, idOf: () => null }, Date.now);
  const directory = new FakeDirectory();
  door = new FakeDoor();
  gateway = createGateway({ ...optionsFor(door, directory), auditLog: audit, giving });
  ports = await gateway.start();
  const operator = { handle: 'desk', password: 'correct horse' };
  await call(ports.adminPort, 'POST', '/admin/operators', operator, null);
  const signIn = { ...operator, deviceId: 'desk-1' };
  token = (await call(ports.restPort, 'POST', '/v1/signin', signIn, null)).body.accessToken as string;
});
afterEach(() => gateway.stop(0));

const entry = { name: 'Soup Kitchen', registration: '12-3456789', account: CHARITY, zip: '10001' };
const actions = async () => (await audit.newest(100)).map(({ action }) => action).reverse();

test('an entry is made, verified and suspended; everybody reads the verified ones, without what is for operators', async () => {
  const list = () => call(ports.restPort, 'GET', '/v1/catalogs/charities', undefined, null);
  expect(await admin('PUT', `/catalogs/charities/${ENTRY}`, entry)).toMatchObject({
    status: 200,
    body: { status: 'listed', version: 1 },
  });
  expect((await list()).body).toEqual({ items: [], next: null });
  expect(await admin('POST', `/catalogs/charities/${ENTRY}/verify`)).toMatchObject({
    body: { status: 'verified' },
  });
  const { name, zip } = entry;
  expect((await list()).body).toEqual({
    items: [{ id: ENTRY, userId: CHARITY, kind: 'charity', name, zip }],
    next: null,
  });
  expect(await admin('POST', `/catalogs/charities/${ENTRY}/suspend`)).toMatchObject({ status: 200 });
  expect((await list()).body.items).toEqual([]);
  expect((await admin('GET', '/catalogs/charities')).body).toMatchObject({
    items: [{ id: ENTRY, status: 'suspended', registration: '12-3456789' }],
  });
  expect(await actions()).toEqual([
    'operator.create',
    'catalog.put',
    'catalog.verify',
    'catalog.suspend',
    'catalog.list',
  ]);
  const suspended = (await audit.newest(2))[1]!.detail;
  expect(suspended).toMatchObject({ before: { status: 'verified' }, after: { status: 'suspended' } });
  // neither name nor registration: the trail is for ever
  expect(JSON.stringify(await audit.newest(100))).not.toMatch(new RegExp(`${name}|12-3456789`));
});

test('accounts get limits, are closed, and opened again', async () => {
  expect((await admin('GET', `/accounts/${CHARITY}`)).body).toEqual({
    id: CHARITY,
    balance: 0,
    reserved: 0,
    closed: false,
    entryMax: null,
    dayMax: null,
  });
  const limits = { entryMax: 50, dayMax: null };
  expect((await admin('PUT', `/accounts/${CHARITY}/limits`, limits)).body).toMatchObject(limits);
  expect((await admin('POST', `/accounts/${CHARITY}/close`)).body).toMatchObject({ closed: true });
  expect(ledger.accounts.get(CHARITY)!.closed).toBe(true);
  expect((await admin('POST', `/accounts/${CHARITY}/open`)).body).toMatchObject({ closed: false });
  const lines = await audit.newest(100);
  expect(lines.filter(line => line.userId === CHARITY).map(line => line.action)).toEqual([
    'account.open',
    'account.close',
    'account.limit',
    'account.look',
  ]);
  expect(lines.find(line => line.action === 'account.limit')!.detail).toEqual({
    why: 'a test',
    before: { closed: false, entryMax: null, dayMax: null },
    after: limits,
  });
});

test('what an entry brought an account is taken back by its actor, after the line with the reason', async () => {
  const value = { transferId: ENTRY, points: -5, balance: 0 };
  door.answers.reverse = () => ok(value);
  const correction = { transferId: ENTRY, why: 'paid twice by the import' };
  expect(await admin('POST', `/accounts/${CHARITY}/reverse`, correction)).toEqual({
    status: 200,
    body: value,
  });
  expect(door.asked.at(-1)).toMatchObject({
    to: { kind: 'user', id: CHARITY },
    message: { type: 'reverse', transferId: ENTRY },
  });
  expect((await audit.newest(1))[0]).toMatchObject({
    action: 'account.reverse',
    userId: CHARITY,
    detail: correction,
  });
  door.answers.reverse = () => refuse(ERROR.conflict, 'not enough points');
  expect((await admin('POST', `/accounts/${CHARITY}/reverse`, correction)).status).toBe(409);
});

test.each([
  ['a correction without a reason', 'POST', `/accounts/${CHARITY}/reverse`, { transferId: ENTRY }, 422],
  ['a correction of no entry', 'POST', `/accounts/${CHARITY}/reverse`, { transferId: 'x', why: 'y' }, 422],
  ['a correction of nobody', 'POST', '/accounts/x/reverse', { transferId: ENTRY, why: 'y' }, 404],
  ['an account that does not exist', 'GET', `/accounts/${NOBODY}`, undefined, 404],
  ['no id', 'POST', '/accounts/x/close', undefined, 404],
  ['no id of an entry', 'POST', '/catalogs/charities/x/verify', undefined, 404],
  ['an entry that does not exist', 'POST', `/catalogs/families/${ENTRY}/verify`, undefined, 404],
  ['a catalogue of something else', 'GET', '/catalogs/merchants', undefined, 404],
  ['limits below nothing', 'PUT', `/accounts/${CHARITY}/limits`, { entryMax: -1, dayMax: null }, 422],
  ['half a point', 'PUT', `/accounts/${CHARITY}/limits`, { entryMax: 0.5, dayMax: null }, 422],
  ['2^53', 'PUT', `/accounts/${CHARITY}/limits`, { entryMax: 2 ** 53, dayMax: null }, 422],
  ['no limits at all', 'PUT', `/accounts/${CHARITY}/limits`, {}, 422],
  ['an account of another kind', 'PUT', `/catalogs/families/${ENTRY}`, { name: 'x', account: CHARITY }, 422],
  ['a name with a line break', 'PUT', `/catalogs/charities/${ENTRY}`, { name: 'a\nb' }, 422],
])('%s is refused', async (_what, method, path, body, status) => {
  const answer = await call(ports.adminPort, method, `/admin${path}`, body).catch(() => ({ status: 404 }));
  expect(answer.status).toBe(status);
});

test('only operators', async () => {
  expect((await admin('GET', `/accounts/${CHARITY}`, undefined, null)).status).toBe(401);
  const ana = { kind: 'civilian', handle: 'ana', password: 'correct horse', deviceId: 'p' };
  const person = await call(ports.restPort, 'POST', '/v1/signup', ana, null);
  const as = person.body.accessToken as string;
  expect((await admin('POST', `/accounts/${CHARITY}/close`, undefined, as)).status).toBe(403);
  expect((await admin('PUT', `/catalogs/charities/${ENTRY}`, entry, as)).status).toBe(403);
  expect(ledger.accounts.get(CHARITY)!.closed).toBe(false);
});
