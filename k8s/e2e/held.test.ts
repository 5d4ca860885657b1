/**
 * A phone that calls its positions simulated: its meetings wait for an operator, who pays one and refuses another. Both
 * people hear of every step, every step of the operator stands in the audit log, and kill -9 between any two changes
 * nothing. Real node, real database, real sockets.
 */
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { auditLedger } from '../swarm/ledgerAudit.ts';
import { startTestTown, type TestPhone, type TestTown, until } from './testTown.ts';

const MS_MAX = 90_000;

let town: TestTown;
let database: pg.Client;
let operator: string;
beforeAll(async () => {
  town = await startTestTown();
  database = new pg.Client({ connectionString: town.databaseUrl });
  await database.connect();
  const account = { handle: 'olga', password: 'correct horse' };
  expect((await admin('POST', '/admin/operators', account)).status).toBe(201);
  const { body } = await town.rest.call<{ accessToken: string }>('POST', '/v1/signin', {
    body: { ...account, deviceId: 'console-1' },
  });
  operator = body.accessToken;
});
afterAll(async () => {
  await database?.end();
  await town?.stop();
});

const admin = async (method: string, path: string, body?: object) => {
  const answer = await fetch(`${town.node.urls.admin}${path}`, {
    method,
    headers: {
      'heyblue-why': 'a test',
      ...(operator !== undefined && { authorization: `Bearer ${operator}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, json: await answer.json().catch(() => null) };
};

interface Couple {
  readonly officer: TestPhone;
  readonly civilian: TestPhone;
  readonly encounterId: string;
}

/** Face to face, with a phone of whose position the system says that it is simulated. */
const metFalsely = async (eastM: number): Promise<Couple> => {
  const [officer, civilian] = [await town.phone('officer', 0, eastM), await town.phone('civilian', 5, eastM)];
  await officer.connect();
  await civilian.arrive();
  await civilian.reportSimulated();
  const { token } = await officer.must('qr.show', {});
  const { encounterId, points } = await civilian.must('qr.scan', { token });
  expect(points).toBe(0);
  return { officer, civilian, encounterId };
};

const bothHear = async (
  { officer, civilian, encounterId }: Couple,
  name: 'encounter.held' | 'encounter.completed' | 'encounter.rejected',
): Promise<void> => {
  for (const phone of [officer, civilian]) expect(await phone.event(name)).toMatchObject({ encounterId });
};

const killed = async (...couples: readonly Couple[]): Promise<void> => {
  await town.node.kill('SIGKILL');
  await town.node.restart();
  for (const { officer, civilian } of couples) {
    for (const phone of [officer, civilian]) {
      await until('the socket to end', () => !phone.phone.isConnected);
      await phone.connect(true);
    }
  }
};

const balances = ({ officer, civilian }: Couple): Promise<number[]> =>
  Promise.all([officer, civilian].map(async ({ person }) => (await town.rest.balance(person.token)).balance));

const times = (phone: TestPhone, name: string): number =>
  phone.events.filter(event => event.name === name).length;

it(
  'is held, told to both, listed, released or rejected by an operator, and audited, through kill -9',
  async () => {
    const good = await metFalsely(0);
    const bad = await metFalsely(1_000);
    await bothHear(good, 'encounter.held');
    await bothHear(bad, 'encounter.held');
    await killed(good, bad);

    const { json: listed } = await admin('GET', '/admin/holds');
    expect(listed.holds.map((one: { encounterId: string }) => one.encounterId)).toEqual([
      good.encounterId,
      bad.encounterId,
    ]);
    for (const hold of listed.holds) expect(hold).toMatchObject({ method: 'qr', reasons: ['simulated'] });
    expect([...(await balances(good)), ...(await balances(bad))]).toEqual([0, 0, 0, 0]);

    expect(await admin('POST', `/admin/holds/${good.encounterId}/release`)).toMatchObject({ status: 200 });
    expect(await admin('POST', `/admin/holds/${bad.encounterId}/reject`)).toMatchObject({ status: 200 });
    // before either phone has heard, perhaps
    await killed(good, bad);
    await bothHear(good, 'encounter.completed');
    await bothHear(bad, 'encounter.rejected');
    await killed(good, bad);
    // a verdict that is given again changes nothing, another one is refused
    expect(await admin('POST', `/admin/holds/${good.encounterId}/release`)).toMatchObject({ status: 200 });
    expect(await admin('POST', `/admin/holds/${good.encounterId}/reject`)).toMatchObject({ status: 409 });
    expect(await admin('POST', `/admin/holds/${bad.encounterId}/release`)).toMatchObject({ status: 409 });
    expect((await admin('GET', '/admin/holds')).json).toEqual({ holds: [] });
    await killed(good, bad);

    expect(await balances(good)).toEqual([20, 20]);
    expect(await balances(bad)).toEqual([0, 0]);
    for (const { officer, civilian } of [good, bad]) {
      for (const phone of [officer, civilian]) expect(times(phone, 'encounter.held')).toBe(1);
    }
    expect(times(good.officer, 'encounter.completed') + times(good.civilian, 'encounter.completed')).toBe(2);
    expect(times(bad.officer, 'encounter.rejected') + times(bad.civilian, 'encounter.rejected')).toBe(2);
    expect(times(bad.officer, 'encounter.completed') + times(bad.civilian, 'encounter.completed')).toBe(0);
    const { rows } = await database.query(
      `select action, detail->>'encounterId' as id from ops.operator_audit
         where action like 'hold.%' and operator_id is not null order by number`,
    );
    expect(rows).toEqual([
      { action: 'hold.list', id: null },
      { action: 'hold.release', id: good.encounterId },
      { action: 'hold.reject', id: bad.encounterId },
      { action: 'hold.release', id: good.encounterId },
      { action: 'hold.reject', id: good.encounterId },
      { action: 'hold.release', id: bad.encounterId },
      { action: 'hold.list', id: null },
    ]);
    expect(await auditLedger(town.databaseUrl)).toEqual([]);
  },
  MS_MAX,
);
