/** Days are sealed once, can be stopped anywhere in between, and say later whether anybody touched them; old ids are let go. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lines } from '../postgres/lines.ts';
import { silent } from '../postgres/testTown.ts';
import { PRUNE_ROWS, SEAL_AFTER_S } from './limits.ts';
import { prune } from './pruning.ts';
import { sealDays } from './sealer.ts';
import { type AuditedTown, auditedTown, type Copy, wrongIn } from './testTown.ts';

let town: AuditedTown;
let copy: Copy;
/** The day so many days before the first one that cannot be sealed yet. */
let dayOf: (ageDays: number) => string;

beforeAll(async () => {
  town = await auditedTown();
  copy = await town.copy();
  const [now] = await copy.sql(
    `select to_char((now() - interval '${SEAL_AFTER_S} seconds') at time zone 'utc', 'YYYY-MM-DD') as day`,
  );
  const today = Date.parse(String(now?.day));
  dayOf = ageDays => new Date(today - ageDays * 86_400_000).toISOString().slice(0, 10);
  // two that are over, with one in between on which nothing happened
  const { encounter, gift } = town.story;
  await copy.sql(at(dayOf(4), '= $1'), [encounter]);
  await copy.sql(at(dayOf(2), '<> all ($1)'), [[encounter, gift]]);
});
afterAll(async () => {
  await copy.drop();
  await town.close();
});

const at = (day: string, which: string): string =>
  `update ledger.transfer set at = timestamptz '${day} 12:00Z' where id ${which}`;
const CHAIN = new Set(['chain']);
const seals = () =>
  copy.sql(`select day::text, encode(root, 'hex') as root, transfers::int, sealed_at is not null as sealed
    from ledger.day_seal order by day`);
const seal = (change = {}) => sealDays({ url: copy.appUrl, say: () => {}, ...change });
const unseal = () => copy.sql('delete from ledger.day_seal');

describe('the chain of days', () => {
  it('is sealed day by day up to yesterday, once', async () => {
    expect(await seal()).toEqual([4, 3, 2, 1].map(dayOf));
    expect(await seal()).toEqual([]);
    expect(await seals()).toMatchObject([
      { transfers: 1, sealed: true },
      { transfers: 0, sealed: true },
      { transfers: 6, sealed: true },
      { transfers: 0, sealed: true },
    ]);
    expect(wrongIn(await copy.audit({ only: CHAIN }))).toEqual([]);
  });

  it('goes on where it was stopped, to the same root', async () => {
    const whole = await seals();
    await unseal();
    const days: string[] = [];
    for (let tries = 0; tries < 20; tries++) days.push(...(await seal({ step: 1, stepsMax: 1 })));
    expect(days).toEqual([4, 3, 2, 1].map(dayOf));
    expect(await seals()).toEqual(whole);
  });

  it('two at a time do not disturb each other', async () => {
    const whole = await seals();
    await unseal();
    const both = await Promise.all([seal({ step: 1 }), seal({ step: 1 })]);
    const rest = await seal();
    expect([...both.flat(), ...rest].sort()).toEqual([4, 3, 2, 1].map(dayOf));
    expect(await seals()).toEqual(whole);
  });

  const spoiled = async (sql: string) => wrongIn(await copy.spoiled([sql], CHAIN));

  it.each([
    [
      'a changed posting',
      (id: string) => `update ledger.posting set delta = delta + 1 where transfer_id = '${id}'`,
    ],
    ['a changed rule', (id: string) => `update ledger.transfer set rule_version = 9 where id = '${id}'`],
    ['a lost transfer', (id: string) => `delete from ledger.transfer where id = '${id}'`],
    ['a transfer on another day', (id: string) => at(dayOf(3), `= '${id}'`)],
  ])('shows %s', async (_what, sql) => {
    expect(await spoiled(sql(town.story.payment))).toContain(`chain ${dayOf(2)}`);
  });

  it('takes one day again at a time, each in its turn', async () => {
    const sql = `update ledger.posting set delta = delta + 1 where transfer_id = '${town.story.payment}'`;
    const found = [];
    for (const chainDay of [0, 1, 2, 3, 4, 5, 6, 7]) {
      found.push((await copy.spoiled([sql], CHAIN, { chainDay })).checks[0]!.differences);
    }
    expect(found).toEqual([0, 0, 1, 0, 0, 0, 1, 0]);
  });

  it('shows a transfer that was put into the past', async () => {
    const { gift } = town.story;
    expect(await spoiled(at(dayOf(3), `= '${gift}'`))).toEqual([`chain ${dayOf(3)}`]);
    expect(await spoiled(at(dayOf(9), `= '${gift}'`))).toEqual([`chain ${gift}`]);
  });

  it('shows a day that is missing, and one that was sealed onto another root', async () => {
    expect(await spoiled(`delete from ledger.day_seal where day = '${dayOf(3)}'`)).toEqual([
      `chain ${dayOf(2)}`,
    ]);
    expect(
      await spoiled(
        `update ledger.day_seal set root = decode(repeat('00', 32), 'hex') where day = '${dayOf(3)}'`,
      ),
    ).toEqual([`chain ${dayOf(3)}`, `chain ${dayOf(2)}`]);
  });

  it('cannot be changed by who serves, nor can a day that is not over be sealed', async () => {
    const app = new pg.Client({ connectionString: copy.appUrl });
    await app.connect();
    const zeros = `decode(repeat('00', 32), 'hex')`;
    const again = `select ledger.seal_day($1, 5, (select previous from ledger.day_seal where day = $1), ${zeros}, 5, null,
      null, true) as ours`;
    expect((await app.query(again, [dayOf(2)])).rows).toEqual([{ ours: false }]);
    const today = `select ledger.seal_day((now() at time zone 'utc')::date, 0, ${zeros}, ${zeros}, 0, null, null, true) as ours`;
    expect((await app.query(today)).rows).toEqual([{ ours: false }]);
    for (const sql of ['update ledger.day_seal set transfers = 0', 'delete from ledger.day_seal']) {
      await expect(app.query(sql)).rejects.toMatchObject({ code: '42501' });
    }
    await app.end();
  });
});

it('the auditor can read what it audits and nothing else, and change nothing', async () => {
  const auditor = new pg.Client({ connectionString: copy.stores.databaseUrl });
  await auditor.connect();
  await auditor.query('select count(*) from ledger.posting');
  for (const sql of [
    'update ledger.account set balance = 0',
    'delete from ops.outbox',
    'insert into ledger.burned values (gen_random_uuid(), gen_random_uuid(), 4, now())',
    'select ledger.prune_burned(1)',
    'select * from identity_schema.credential',
    'select * from user_schema.users',
    'select frame from ops.user_event',
    'create table mine (id int)',
  ]) {
    await expect(auditor.query(sql)).rejects.toMatchObject({ code: '42501' });
  }
  await auditor.end();
});

describe('pruning', () => {
  it('lets go of what is too old, some rows at a time, and of nothing else', async () => {
    const old = `generate_series(1, 25)`;
    const id = 'gen_random_uuid()';
    await copy.sql(
      `insert into ops.idempotency select ${id}, 'k', 'h', ${id}, now() - interval '25 hours' from ${old}`,
    );
    await copy.sql(
      `insert into ops.answer select ${id}, 'k', ${id}, 'h', '{}', now() - interval '25 hours' from ${old}`,
    );
    await copy.sql(
      `insert into ops.answer select ${id}, 'k', ${id}, 'h', '{}', now() - interval '23 hours' from ${old}`,
    );
    await copy.sql(`insert into ledger.burned select ${id}, ${id}, 4, now() - interval '8 days' from ${old}`);
    await copy.sql(`insert into ledger.burned select ${id}, ${id}, 4, now() - interval '6 days' from ${old}`);
    const lines = new Lines(1, {
      url: copy.appUrl,
      name: 'test',
      log: silent,
      settings: {},
      silenceMsMax: 5_000,
    });
    await lines.tried();
    expect(await prune(lines, 10, 2)).toEqual({ keys: 20, answers: 20, burned: 20 });
    expect(await prune(lines, PRUNE_ROWS)).toEqual({ keys: 5, answers: 5, burned: 5 });
    expect(await prune(lines, PRUNE_ROWS)).toEqual({ keys: 0, answers: 0, burned: 0 });
    await lines.close();
    const [left] = await copy.sql(`select (select count(*)::int from ops.idempotency) as keys,
      (select count(*)::int from ops.answer) as answers, (select count(*)::int from ledger.burned) as burned`);
    expect(left).toEqual({ keys: 2, answers: 25, burned: 26 });
  });
});
