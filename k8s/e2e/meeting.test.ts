/** The promise of the whole town, with real processes: two phones meet, both earn, and every store tells the same story. */
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { agreement } from '../swarm/agreement.ts';
import { auditLedger } from '../swarm/ledgerAudit.ts';
import { startTestTown, type TestPhone, type TestTown, until } from './testTown.ts';

let town: TestTown;

beforeAll(async () => {
  const settings = { HEYBLUE_DWELL_S: '2', HEYBLUE_DWELL_FIXES: '2', HEYBLUE_LOCATION_RATE: '1000' };
  town = await startTestTown(settings, undefined, true);
});
afterAll(() => town?.stop());

const ledgerBalance = async (userId: string): Promise<number> => {
  const client = new Client({ connectionString: town.databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query('select balance from ledger.account where account_id = $1', [userId]);
    return Number(rows[0]?.balance);
  } finally {
    await client.end();
  }
};

/** Both phones hear of the same encounter, and their points are what REST and the ledger say. */
const bothEarned = async (officer: TestPhone, civilian: TestPhone, method: string): Promise<void> => {
  const [his, hers] = [
    await officer.event('encounter.completed'),
    await civilian.event('encounter.completed'),
  ];
  expect(his.encounterId).toBe(hers.encounterId);
  expect([his.method, hers.method]).toEqual([method, method]);
  expect(his.otherHandle).toBe(civilian.person.handle);
  expect(hers.otherHandle).toBe(officer.person.handle);
  for (const [phone, seen] of [
    [officer, his],
    [civilian, hers],
  ] as const) {
    expect(seen.points).toBeGreaterThan(0);
    expect(seen.message.length).toBeGreaterThan(3);
    expect(seen.balance).toBe(seen.points);
    const { token, userId } = phone.person;
    expect(await town.rest.balance(token)).toEqual({ balance: seen.balance, version: seen.balanceVersion });
    expect(await ledgerBalance(userId)).toBe(seen.balance);
    const { items } = await town.rest.encounters(token);
    expect(items.map(({ id, method: how, points }) => [id, how, points])).toEqual([
      [seen.encounterId, method, seen.points],
    ]);
    const moved = await town.rest.read<{ items: { delta: number; balance: number }[] }>(
      '/v1/transactions',
      token,
    );
    expect(moved.items.map(({ delta, balance }) => [delta, balance])).toEqual([[seen.points, seen.balance]]);
    const why = await town.rest.read<object>(`/v1/transfers/${seen.encounterId}/explain`, token);
    expect(why).toMatchObject({
      rule: { id: 'encounter.points', version: 1 },
      given: { method },
      replay: 'same',
      agrees: true,
    });
  }
};

describe('two phones meet', () => {
  it('by hey: the civilian asks, the officer accepts', async () => {
    const officer = await town.phone('officer', 0, 0);
    const civilian = await town.phone('civilian', 10, 0);
    await officer.arrive();
    await civilian.arrive();
    await civilian.sees(officer);
    const said = await civilian.must('hey.say', { officerId: officer.person.userId });
    const heard = await officer.event('hey.received');
    expect(heard.heyId).toBe(said.heyId);
    expect(heard.civilianHandle).toBe(civilian.person.handle);

    const key = crypto.randomUUID();
    const outcome = await officer.must('hey.accept', { heyId: heard.heyId }, key);
    await bothEarned(officer, civilian, 'hey');
    expect((await officer.event('encounter.completed')).encounterId).toBe(outcome.encounterId);
    // The same request again gives the same answer and no second meeting.
    expect(await officer.must('hey.accept', { heyId: heard.heyId }, key)).toEqual(outcome);
    expect(await town.rest.balance(officer.person.token)).toMatchObject({ balance: outcome.balance });
    // What the officer was shown of the civilian is a handle, never a place.
    expect(Object.keys(heard).sort()).toEqual(['civilianHandle', 'expiresS', 'heyId']);
  });

  it('by code: one shows, the other scans, wherever they are', async () => {
    const officer = await town.phone('officer');
    const civilian = await town.phone('civilian');
    await officer.connect();
    await civilian.connect();
    const { token } = await officer.must('qr.show', {});
    const outcome = await civilian.must('qr.scan', { token });
    await bothEarned(officer, civilian, 'qr');
    expect((await civilian.event('encounter.completed')).encounterId).toBe(outcome.encounterId);
  });

  it('by standing together, when both have instant match on', async () => {
    const officer = await town.phone('officer', 3_000, 0);
    const civilian = await town.phone('civilian', 3_004, 0);
    const passerBy = await town.phone('civilian', 3_002, 0);
    await officer.arrive(true);
    await civilian.arrive(true);
    await passerBy.arrive(false);
    await until('the dwell to complete', async () => {
      await officer.report();
      await civilian.report();
      await passerBy.report();
      return officer.events.some(event => event.name === 'encounter.completed');
    });
    await bothEarned(officer, civilian, 'proximity');
    expect(passerBy.events.some(event => event.name === 'encounter.completed')).toBe(false);
  });

  it('once in a day: a second meeting of the same two is refused and pays nothing', async () => {
    const officer = await town.phone('officer');
    const civilian = await town.phone('civilian');
    await officer.connect();
    await civilian.connect();
    const first = await officer.must('qr.show', {});
    const outcome = await civilian.must('qr.scan', { token: first.token });
    const second = await civilian.must('qr.show', {});
    const again = await officer.phone.command('qr.scan', { token: second.token }, crypto.randomUUID());
    expect(again).toMatchObject({ ok: false, code: 409 });
    expect(await town.rest.balance(civilian.person.token)).toMatchObject({ balance: outcome.balance });
  });

  it('and ledger, balances and streams tell the same story', async () => {
    expect(await auditLedger(town.databaseUrl)).toEqual([]);
    const { problems, transfers } = await agreement(
      {
        databaseUrl: town.databaseUrl,
        dynamodbEndpoint: town.env.DYNAMODB_ENDPOINT!,
        kinesisEndpoint: inject('kinesisEndpoint'),
        awsEnv: inject('awsEnv'),
      },
      { patienceMs: 10_000, shared: true },
    );
    expect(problems).toEqual([]);
    expect(transfers).toBe(4);
  });
});
