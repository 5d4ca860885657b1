/**
 * What is away comes back, and meanwhile nothing that was said is lost: the node itself by kill -9, PostgreSQL, the
 * streams, the table of balances. The servers are behind wires that the test cuts; nobody else notices.
 */
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { agreement } from '../swarm/agreement.ts';
import { auditLedger } from '../swarm/ledgerAudit.ts';
import { startTestTown, type TestPhone, type TestTown, until } from './testTown.ts';

let town: TestTown;

beforeAll(async () => {
  town = await startTestTown({ HEYBLUE_LOCATION_RATE: '1000' });
});
afterAll(() => town?.stop());

const stores = () => ({
  databaseUrl: town.databaseUrl,
  dynamodbEndpoint: inject('dynamodbEndpoint'),
  kinesisEndpoint: inject('kinesisEndpoint'),
  awsEnv: inject('awsEnv'),
});

/** PostgreSQL, DynamoDB and both streams say the same about everybody of this town. */
const storesAgree = async (registered: readonly TestPhone[] = []): Promise<void> => {
  const ids = registered.map(phone => phone.person.userId);
  const { problems, transfers } = await agreement(stores(), {
    patienceMs: 15_000,
    shared: true,
    registered: ids,
  });
  expect(problems).toEqual([]);
  expect(transfers).toBeGreaterThan(0);
};

/** What a person's actor says is what PostgreSQL has, and that is what DynamoDB shows (`storesAgree`). */
const actorsAgree = async (people: readonly TestPhone[]): Promise<void> => {
  const client = new Client({ connectionString: town.databaseUrl });
  await client.connect();
  for (const { person } of people) {
    const { rows } = await client.query<{ balance: number; version: number }>(
      'select balance::int, version::int from ledger.account where account_id = $1',
      [person.userId],
    );
    expect(await town.rest.balance(person.token)).toMatchObject(rows[0]!);
  }
  await client.end();
};

interface Met {
  readonly items: readonly { readonly officerId: string; readonly encounters: number }[];
}
/** The read model of the streams knows whom a civilian met. */
const readModelKnows = (officer: TestPhone, civilian: TestPhone) =>
  until('the read model', async () => {
    const { items } = await town.rest.read<Met>('/v1/officers-met', civilian.person.token);
    return items.length === 1 && items[0]!.officerId === officer.person.userId;
  });

/** Two who are connected, and who have not met. */
const two = async (): Promise<readonly [TestPhone, TestPhone]> => {
  const officer = await town.phone('officer');
  const civilian = await town.phone('civilian');
  await officer.connect();
  await civilian.connect();
  return [officer, civilian];
};

const told = (phone: TestPhone) =>
  phone.events.filter(event => event.name === 'encounter.completed').map(event => event.body);

const meetByCode = async (officer: TestPhone, civilian: TestPhone) => {
  const { token } = await officer.must('qr.show', {});
  return civilian.must('qr.scan', { token });
};

describe('kill -9 of the node', () => {
  it('keeps points, answers a repeated command as before, and the phones come back', async () => {
    const [officer, civilian] = await two();
    const { token } = await officer.must('qr.show', {});
    const key = crypto.randomUUID();
    const outcome = await civilian.must('qr.scan', { token }, key);
    await town.node.kill('SIGKILL');
    await until('the phone to notice', () => civilian.closed);
    await town.node.restart();

    // the ring of events is put together again from what is stored: no snapshot, and nothing is told twice
    const welcome = await civilian.connect(true);
    expect(welcome.resumed).toBe(true);
    await until('the meeting to be told', () => told(civilian).length > 0);
    expect(told(civilian)).toMatchObject([{ balance: outcome.balance }]);
    expect(civilian.events.filter(event => event.name === 'snapshot')).toHaveLength(1);
    expect(await civilian.must('qr.scan', { token }, key)).toEqual(outcome);
    expect(await town.rest.balance(civilian.person.token)).toMatchObject({ balance: outcome.balance });
    expect(await officer.connect(true)).toMatchObject({ resumed: true });
    await until('the officer to be told', () => told(officer).length > 0);
    expect(told(officer)).toHaveLength(1);
    expect(await town.rest.balance(officer.person.token)).toMatchObject({ balance: outcome.points });
    await storesAgree([officer, civilian]);
  });

  it('a phone that only lost its connection resumes without a gap', async () => {
    const [officer, civilian] = await two();
    civilian.phone.drop();
    await until('the drop', () => civilian.closed);
    const { token } = await town.rest.read<{ token: string }>('/v1/qr?format=text', civilian.person.token);
    await officer.must('qr.scan', { token });
    const before = civilian.events.length;
    const welcome = await civilian.connect(true);
    expect(welcome.resumed).toBe(true);
    await until('the missed event', () => civilian.events.length > before);
    expect(civilian.events.slice(before).map(event => event.name)).toEqual(['encounter.completed']);
  });
});

describe('PostgreSQL away', () => {
  it('mutations say "try again", positions go on, and afterwards everything works', async () => {
    const [officer, civilian] = await two();
    await officer.must('location.share', {});
    await officer.report();
    await civilian.report();
    const { token } = await officer.must('qr.show', {});
    const key = crypto.randomUUID();
    town.wires.postgres.cut();

    const refused = await civilian.phone.command('qr.scan', { token }, key);
    expect(refused).toMatchObject({ ok: false, retryable: true });
    await officer.report();
    await civilian.report();
    expect(officer.closed).toBeNull();
    const signUp = await town.rest.call<{ error: { retryable: boolean } }>('POST', '/v1/signup', {
      body: { kind: 'civilian', handle: `late-${key.slice(0, 8)}`, password: 'long enough', deviceId: 'd' },
    });
    expect(signUp).toMatchObject({ status: 503, body: { error: { retryable: true } } });
    expect((await fetch(`${town.node.urls.admin}/livez`)).status).toBe(200);

    await town.wires.postgres.heal();
    const outcome = await civilian.must('qr.scan', { token }, key);
    expect(await town.rest.balance(civilian.person.token)).toMatchObject({ balance: outcome.balance });
    expect(outcome.balance).toBe(outcome.points);
  });
});

describe('Kinesis and DynamoDB away', () => {
  it('meetings go on, and the streams and balances catch up by themselves', async () => {
    town.wires.kinesis.cut();
    town.wires.dynamodb.cut();
    const people = [...(await two()), ...(await two())] as const;
    const first = await meetByCode(people[0], people[1]);
    await meetByCode(people[2], people[3]);
    expect(first.points).toBeGreaterThan(0);
    expect(await town.rest.balance(people[1].person.token)).toMatchObject({ balance: first.balance });

    const before = await agreement(stores(), { patienceMs: 0, shared: true });
    expect(before.problems.length).toBeGreaterThan(0);
    await town.wires.kinesis.heal();
    await town.wires.dynamodb.heal();
    await storesAgree(people);
    await actorsAgree(people);
    await readModelKnows(people[0], people[1]);
    await readModelKnows(people[2], people[3]);
  });

  it('after a burst of movements a balance is the same in actor, PostgreSQL and DynamoDB', async () => {
    const pairs = [await two(), await two(), await two()];
    const people = pairs.flat();
    const civilians = pairs.map(([, civilian]) => civilian);
    await Promise.all(
      pairs.map(async ([officer]) => {
        for (const civilian of civilians) await meetByCode(officer, civilian);
      }),
    );
    await storesAgree(people);
    await actorsAgree(people);
  });
});

it('in the end the ledger adds up', async () => {
  expect(await auditLedger(town.databaseUrl)).toEqual([]);
});
