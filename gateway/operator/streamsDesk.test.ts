/** What the streams told, to the person and to operators, from a real read model; each look of an operator has its line. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { DeadLetterTable } from '../../infra/dynamodb/deadLetterTable.ts';
import { awsAt } from '../../infra/outbox/testOutbox.ts';
import { type TestDatabase, testDatabase } from '../../infra/postgres/testDatabase.ts';
import { silent } from '../../infra/postgres/testTown.ts';
import { PgUsersDomain } from '../../infra/postgres/usersDomain.ts';
import { openDeadLetters } from '../../infra/streams/deadLetters.ts';
import { noFacts } from '../../infra/streams/facts.ts';
import { MemoryAudit } from '../../nodes/memory/memoryAudit.ts';
import { createGateway, type Gateway, type Ports } from '../index.ts';
import { counting, FakeDirectory, FakeDoor, optionsFor } from '../testing/town.ts';

const OFFICER = randomUUID();
const DONOR = randomUUID();
const OFFER = randomUUID();
const AT = '2026-11-21T10:00:00.000Z';

let database: TestDatabase;
let domain: PgUsersDomain;
let deadLetters: ReturnType<typeof openDeadLetters>;
let gateway: Gateway;
let ports: Ports;
let audit: MemoryAudit;
let token: string;
let own: { userId: string; accessToken: string };

const call = async (port: number, method: string, path: string, as: string | null, body?: object) => {
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
const admin = (method: string, path: string, as: string | null = token) =>
  call(ports.adminPort, method, `/admin${path}`, as);
const mine = (path: string) => call(ports.restPort, 'GET', `/v1${path}`, own.accessToken);

beforeAll(async () => {
  database = await testDatabase(inject('databaseUrl'));
  domain = new PgUsersDomain({ url: database.appUrl, log: silent });
  await domain.tried();
  const { endpoint: dynamodbEndpoint, ...aws } = awsAt(inject('dynamodbEndpoint'));
  deadLetters = openDeadLetters({ ...aws, dynamodbEndpoint, store: domain, metrics: counting() });
});
afterAll(async () => {
  deadLetters.close();
  await domain.close();
  await database.drop();
});
beforeEach(async () => {
  audit = new MemoryAudit(Date.now);
  const options = optionsFor(new FakeDoor(), new FakeDirectory());
  gateway = createGateway({ ...options, auditLog: audit, domain: { users: domain, deadLetters } });
  ports = await gateway.start();
  const operator = { handle: 'desk', password: 'correct horse' };
  await call(ports.adminPort, 'POST', '/admin/operators', null, operator);
  const signIn = { ...operator, deviceId: 'desk-1' };
  token = (await call(ports.restPort, 'POST', '/v1/signin', null, signIn)).body.accessToken as string;
  const person = { kind: 'civilian', handle: 'ann', password: 'correct horse', deviceId: 'phone' };
  own = (await call(ports.restPort, 'POST', '/v1/signup', null, person)).body as typeof own;
});
afterEach(() => gateway.stop(0));

/** So many meetings of a civilian with one officer, a donation to him and a sale of his: whoever he is. */
const told = async (userId: string, meetings: number): Promise<void> => {
  const facts = noFacts();
  for (let i = 0; i < meetings; i++) {
    const event_id = randomUUID();
    facts.events.push(event_id);
    facts.encounters.push({
      ...{ event_id, civilian: userId, officer: OFFICER, method: 'qr', zip: '10001', at: AT },
      ...{ civilian_points: 10, officer_points: 5 },
    });
    facts.transactions.push({
      ...{ event_id, user_id: userId, type: 'encounter.recorded', reason: 'encounter', at: AT },
      ...{ delta: 10, balance: 10 * (i + 1), version: i + 1, rule_id: 'encounter', rule_version: 1 },
    });
  }
  const [gift, sale] = [randomUUID(), randomUUID()];
  facts.events.push(gift, sale);
  facts.donations.push({ event_id: gift, beneficiary: userId, donor: DONOR, points: 7, at: AT });
  facts.sales.push({
    ...{ event_id: sale, redemption_id: randomUUID(), merchant: userId, offer: OFFER, customer: DONOR },
    ...{ quantity: 2, points: 6, at: AT },
  });
  await domain.project(facts);
};
const actions = async () => (await audit.newest(100)).map(({ action }) => action).reverse();

test('everybody reads his own, and nothing of who gave', async () => {
  await told(own.userId, 2);
  expect(await mine('/officers-met')).toMatchObject({
    status: 200,
    body: { items: [{ officerId: OFFICER, encounters: 2, lastAtMs: Date.parse(AT) }] },
  });
  const donations = await mine('/donations');
  expect(donations.body).toMatchObject({ items: [{ points: 7, donorKind: null }], next: null });
  expect(JSON.stringify(donations.body)).not.toContain(DONOR);
  expect((await mine('/goods-sold')).body).toMatchObject({
    items: [{ offerId: OFFER, sales: 1, quantity: 2, points: 6 }],
  });
  expect((await call(ports.restPort, 'GET', '/v1/officers-met', null)).status).toBe(401);
});

test('operators ask about anybody, page by page, and each question has its line', async () => {
  const userId = randomUUID();
  await told(userId, 3);
  const person = `/people/${userId}`;
  expect((await admin('GET', `${person}/officers-met`)).body).toMatchObject({
    items: [{ officerId: OFFICER, encounters: 3 }],
    complete: true,
  });
  const { body } = await admin('GET', `${person}/transactions`);
  const items = body.items as { id: string }[];
  expect(items).toHaveLength(3);
  const rest = await admin('GET', `${person}/transactions?before=${items[0]!.id}`);
  expect(rest.body.items).toEqual(items.slice(1));
  expect((await admin('GET', `${person}/donations`)).body).toMatchObject({ items: [{ donorId: DONOR }] });
  expect((await admin('GET', `${person}/goods-sold`)).body).toMatchObject({ items: [{ offerId: OFFER }] });
  expect(await actions()).toEqual(['operator.create', ...Array.from({ length: 5 }, () => 'domain.look')]);
  for (const [path, status] of [
    ['/people/nobody/officers-met', 404],
    [`${person}/transactions?before=x`, 422],
    ['/reports/participation?from=2026-02-30&to=2026-03-01', 422],
    ['/reports/participation?from=2026-01-01&to=2026-12-31', 422],
    ['/dead-letters?consumer=U', 422],
    ['/dead-letters?after=x', 404],
  ] as const)
    expect((await admin('GET', path)).status, path).toBe(status);
  expect((await admin('GET', `${person}/donations`, own.accessToken)).status).toBe(403);
  expect((await admin('GET', `${person}/donations`, null)).status).toBe(401);
});

test('few people in a zip code are not counted out loud', async () => {
  const report = '/reports/participation?from=2026-11-21&to=2026-11-21';
  await database.sql('delete from users.participation');
  await told(randomUUID(), 2);
  expect((await admin('GET', report)).body).toMatchObject({
    complete: true,
    rows: [{ day: '2026-11-21', zip: '10001', civilians: null, officers: null, encounters: null }],
  });
  for (let i = 0; i < 4; i++) await told(randomUUID(), 1);
  expect((await admin('GET', report)).body.rows).toEqual([
    { day: '2026-11-21', zip: '10001', civilians: 5, officers: 1, encounters: 6 },
  ]);
});

test('a record that could not be taken is listed without what it says, and replayed once it can', async () => {
  const signal = new AbortController().signal;
  const table = new DeadLetterTable(awsAt(inject('dynamodbEndpoint')), Date.now);
  const stream = `s-${randomUUID()}`;
  const shard = 'shardId-000000000000';
  const put = (sequence: string, event: string) => {
    const record = { sequence, key: 'k', arrivedAtMs: 1, bytes: Buffer.from(event) };
    return table.add('users', stream, shard, { record, why: 'the database refuses it' }, signal);
  };
  const userId = randomUUID();
  const registered = JSON.stringify({
    ...{ stamp: { shard: 1, epoch: 0, seq: 1 }, trace: null, id: randomUUID(), source: 'heyblue.users' },
    ...{ type: 'user.registered', version: 1, detailType: 'user.registered.v1', time: AT, subject: userId },
    ...{ seq: 1, correlationId: null, causationId: null, userId },
    data: { userId, kind: 'family', zip: '10002' },
  });
  await put('1', registered);
  await put('2', 'not json');
  const ids = ['1', '2'].map(sequence => `${stream}/${shard}/${sequence}`);
  const listed = await admin('GET', `/dead-letters?consumer=users&after=${stream}/${shard}/0`);
  const ours = (listed.body.items as { id: string; stream: string }[]).filter(one => one.stream === stream);
  expect(ours.map(one => one.id)).toEqual(ids);
  expect(JSON.stringify(listed.body)).not.toContain('10002');
  const replay = (id: string) => admin('POST', `/dead-letters/replay?consumer=users&id=${id}`);
  expect((await replay(ids[0]!)).status).toBe(200);
  expect(await database.sql('select zip from users.person where user_id = $1', [userId])).toEqual([
    { zip: '10002' },
  ]);
  expect((await replay(ids[0]!)).status).toBe(404);
  expect((await replay(ids[1]!)).status).toBe(409);
  expect((await admin('POST', '/dead-letters/replay?id=x')).status).toBe(404);
  await table.remove('users', ids[1]!, signal);
  table.close();
  expect(await actions()).toEqual([
    'operator.create',
    'dead.list',
    'dead.replay',
    'dead.replay',
    'dead.replay',
  ]);
});
