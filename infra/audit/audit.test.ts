/**
 * The auditor finds whatever is spoiled, says whom it concerns, and has nothing to say of a town where all is well. Each test
 * spoils a copy of the database by hand, past every guard of the writers.
 */
import { describe, expect, it } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import type { RuleVersion } from '../../nodes/rules/envelope.ts';
import { seedRules } from '../../nodes/rules/seeds.ts';
import { DynamoRules } from '../rules/dynamoRules.ts';
import { CHECKS } from './audit.ts';
import { exitCodeOf, jsonOf, tableOf } from './report.ts';
import { type AuditedTown, type Copy, type Plant, type Story, townOfTheFile, wrongIn } from './testTown.ts';

let town: AuditedTown;
let story: Story;
let copy: Copy;
townOfTheFile(made => {
  ({ town, story, copy } = made);
});

it('a town where all is well', async () => {
  const report = await copy.audit();
  expect(wrongIn(report)).toEqual([]);
  expect(exitCodeOf(report)).toBe(0);
  expect(report.checks.filter(({ skipped, store }) => skipped !== null && store !== 'archive')).toEqual([]);
  for (const { check, store, looked } of report.checks) {
    if (store !== 'archive' && !check.startsWith('outbox') && check !== 'settlements')
      expect([check, looked > 0]).toEqual([check, true]);
  }
});

it('a pair is judged by the rule of each encounter, whatever the settings say, and whatever counts now', async () => {
  const rules = new DynamoRules(town.dynamodb, town.names.rules);
  const [seed] = seedRules(DEFAULT_RULES) as [RuleVersion];
  const rule = (version: number, cooldownS: number) =>
    rules.add({ ...seed, id: 'lately', version, limits: { cooldownS } });
  await Promise.all([rule(1, 60), rule(2, 3_600)]);
  rules.close();
  const { encounter, released, officer, civilian } = story;
  /** The pair meets again so much later. */
  const again = async (version: number, later: string): Promise<string[]> => {
    const statements = [
      `update ledger.transfer set rule_id = 'lately', rule_version = ${version} where id = '${encounter}'`,
      `update meet.encounter set officer = '${officer}', civilian = '${civilian}', at =
         (select at from meet.encounter where id = '${encounter}') + interval '${later}' where id = '${released}'`,
    ];
    return wrongIn(await copy.spoiled(statements, new Set(['cooldown'])));
  };
  expect(await again(1, '61 seconds')).toEqual([]);
  expect(await again(1, '59 seconds')).toEqual([`cooldown ${released}`]);
  expect(await again(2, '61 seconds')).toEqual([`cooldown ${released}`]);
  // nothing is stored of that one: the settings
  expect(await again(3, '23 hours')).toEqual([`cooldown ${released}`]);
  expect(await again(3, '25 hours')).toEqual([]);
});

it('a pair cannot be judged while the rules cannot be read', async () => {
  const dynamodb = { ...town.dynamodb, endpoint: 'http://127.0.0.1:1' };
  const report = await copy.audit({
    only: new Set(['cooldown']),
    stores: { ...copy.stores, dynamodb },
  });
  expect(report.unreachable.map(({ store }) => store)).toEqual(['dynamodb']);
  expect(exitCodeOf(report)).toBe(2);
});

/** Without the conditions on its rows. */
const unguarded = (table: string): string => `do $$ declare name text; begin
  for name in select conname from pg_constraint where conrelid = '${table}'::regclass and contype = 'c' loop
    execute format('alter table ${table} drop constraint %I', name);
  end loop; end $$`;
const twice = (table: string, columns: string, id: string, fresh: string): string =>
  `insert into ${table} (${columns.replace('ID', table === 'ledger.posting' ? 'transfer_id' : 'id')})
   select ${columns.replace('ID', `'${fresh}'`)} from ${table} where ${table === 'ledger.posting' ? 'transfer_id' : 'id'} = '${id}'`;

/** Behind the line of the person who was erased. */
const LINES =
  "insert into ops.operator_audit (action) values ('user.look 1'), ('user.look 2'), ('user.look 3')";

/** The days of the merchant lie back, and are closed. */
const CLOSED = [
  "update market.redemption set settled_at = settled_at - interval '4 days'",
  "update market.refund set at = at - interval '4 days'",
  "update ops.migration set executed_at = executed_at - interval '9 days'",
  `select market.close_day(merchant, (at at time zone 'utc')::date)
     from (select merchant, settled_at as at from market.redemption where state = 'confirmed'
           union select merchant, at from market.refund) d`,
  `insert into ledger.day_seal (day, previous, root, transfers, sealed_at)
     select distinct day, sha256(''), sha256(''), 0, now() - interval '2 hours' from market.settlement`,
];

const PLANTS: readonly Plant[] = [
  {
    name: 'a sale that was changed after its day was closed',
    sql: ({ sold }) => [...CLOSED, `update market.redemption set sold_points = 11 where id = '${sold}'`],
    finds: ({ merchant }) => [`settlements ${merchant}`],
  },
  {
    name: 'a refund that was taken away after its day was closed',
    sql: ({ refund }) => [...CLOSED, `delete from market.refund where transfer_id = '${refund}'`],
    finds: ({ merchant }) => [`settlements ${merchant}`],
  },
  {
    name: 'the time of a sale that was changed within its day',
    sql: ({ sold }) => [
      ...CLOSED,
      `update market.redemption set settled_at = date_trunc('day', settled_at, 'utc') where id = '${sold}'`,
    ],
    finds: ({ merchant }) => [`settlements ${merchant}`],
  },
  {
    name: 'a closed day that was changed itself',
    sql: () => [...CLOSED, `update market.settlement set report = report || '{"points": 7}'`],
    finds: ({ merchant }) => [`settlements ${merchant}`],
  },
  {
    name: 'a closed day that was taken away',
    sql: () => [...CLOSED, 'delete from market.settlement'],
    finds: ({ merchant }) => [`settlements ${merchant}`],
  },
  {
    name: 'a lost posting',
    sql: ({ gift, civilian }) =>
      `delete from ledger.posting where transfer_id = '${gift}' and account_id = '${civilian}'`,
    finds: ({ gift, civilian }) => [
      `transfer-sums ${gift}`,
      'ledger-total all accounts',
      `account-balance ${civilian}`,
    ],
  },
  {
    name: 'a lost last posting, with the row of its account put right',
    sql: ({ payment, merchant }) => [
      `delete from ledger.posting where transfer_id = '${payment}' and account_id = '${merchant}'`,
      `update ledger.account set balance = balance - 25, version = version - 1 where account_id = '${merchant}'`,
    ],
    finds: ({ payment, posted }) => [
      `transfer-sums ${payment}`,
      `pending-transfers ${posted}`,
      'ledger-total all accounts',
    ],
  },
  {
    name: 'a lost transfer',
    sql: ({ gift }) => `delete from ledger.transfer where id = '${gift}'`,
    finds: ({ gift }) => [`transfer-postings ${gift}`],
  },
  {
    name: 'a transfer without postings',
    sql: ({ gift }, fresh) =>
      twice('ledger.transfer', 'ID, reason, rule_id, rule_version, request_hash, at', gift, fresh),
    finds: (_, fresh) => [`transfer-postings ${fresh}`],
  },
  {
    name: 'a doubled transfer',
    sql: ({ gift }, fresh) => [
      'drop index ledger.posting_history',
      twice('ledger.transfer', 'ID, reason, rule_id, rule_version, request_hash, at', gift, fresh),
      twice(
        'ledger.posting',
        'ID, seq, account_id, stripe, delta, balance_after, account_version_after',
        gift,
        fresh,
      ),
    ],
    finds: ({ civilian }, fresh) => [`posting-chain ${fresh}`, `account-balance ${civilian}`],
  },
  {
    name: 'a wrong balance after a posting',
    sql: ({ gift, civilian }) =>
      `update ledger.posting set balance_after = balance_after + 1 where transfer_id = '${gift}' and account_id = '${civilian}'`,
    finds: ({ gift }) => [`posting-chain ${gift}`],
  },
  {
    name: 'a gap in the versions of an account',
    sql: ({ refund, merchant }) => [
      `update ledger.posting set account_version_after = account_version_after + 1
         where transfer_id = '${refund}' and account_id = '${merchant}'`,
      `update ledger.account set version = version + 1 where account_id = '${merchant}'`,
    ],
    finds: ({ refund }) => [`posting-chain ${refund}`],
  },
  {
    name: 'times that fall',
    sql: ({ gift }) => `update ledger.transfer set at = at - interval '1 hour' where id = '${gift}'`,
    finds: ({ gift }) => [`posting-times ${gift}`],
  },
  {
    name: 'points in the row of an account that nobody gave',
    sql: ({ officer }) => `update ledger.account set balance = balance + 5 where account_id = '${officer}'`,
    finds: ({ officer }) => [`account-balance ${officer}`, 'ledger-total all accounts'],
  },
  {
    name: 'a changed amount on both sides',
    sql: ({ gift, civilian }) =>
      `update ledger.posting set delta = case when account_id = '${civilian}' then -8 else 8 end where transfer_id = '${gift}'`,
    finds: ({ gift, civilian }) => [`posting-chain ${gift}`, `account-balance ${civilian}`],
  },
  {
    name: 'less than is set aside',
    sql: ({ civilian }) => [
      unguarded('ledger.account'),
      `update ledger.account set reserved = balance + 1 where account_id = '${civilian}'`,
    ],
    finds: ({ civilian }) => [`available ${civilian}`, `reserved ${civilian}`],
  },
  {
    name: 'points that were set aside and forgotten',
    sql: ({ open }) => `delete from ledger.pending where id = '${open}'`,
    finds: ({ civilian, open }) => [`reserved ${civilian}`, `idempotency ${open}`],
  },
  {
    name: 'a pending that was resolved twice',
    sql: ({ posted }) => [
      unguarded('ledger.pending'),
      `update ledger.pending set state = 'voided' where id = '${posted}'`,
    ],
    finds: ({ posted }) => [`pending-once ${posted}`],
  },
  {
    name: 'a transfer that pays two pendings',
    sql: ({ voided, payment }) => [
      'alter table ledger.pending drop constraint pending_transfer_id_key',
      `update ledger.pending set state = 'posted', posted_points = 5, transfer_id = '${payment}' where id = '${voided}'`,
    ],
    finds: ({ voided, payment }) => [`pending-once ${payment}`, `pending-transfers ${voided}`],
  },
  {
    name: 'a payment of something else than was posted',
    sql: ({ posted }) => `update ledger.pending set posted_points = 24 where id = '${posted}'`,
    finds: ({ posted }) => [`pending-transfers ${posted}`],
  },
  {
    name: 'a redemption that was paid without being pending',
    sql: ({ gift }) => `update ledger.transfer set reason = 'redemption' where id = '${gift}'`,
    finds: ({ gift }) => [`pending-transfers ${gift}`],
  },
  {
    name: 'a payment after the time was over',
    sql: ({ posted }) => `update ledger.pending set expires_at = settled_at where id = '${posted}'`,
    finds: ({ posted }) => [`pending-once ${posted}`],
  },
  {
    name: 'points that nobody gives back',
    sql: ({ open }) =>
      `update ledger.pending set expires_at = now() - interval '2 hours' where id = '${open}'`,
    finds: ({ open }) => [`pending-overdue ${open}`],
  },
  {
    name: 'points that expired before their time',
    sql: ({ expiry }) => `update ledger.transfer set rule_version = 1 where id = '${expiry}'`,
    finds: ({ expiry }) => [`expiry ${expiry}`],
  },
  {
    name: 'points that expired and went to somebody',
    sql: ({ gift }) => `update ledger.transfer set reason = 'expiry' where id = '${gift}'`,
    finds: ({ gift }) => [`expiry ${gift}`],
  },
  {
    name: 'a gift to where expired points go',
    sql: ({ expiry }) => `update ledger.transfer set reason = 'donation' where id = '${expiry}'`,
    finds: ({ expiry }) => [`expiry ${expiry}`],
  },
  {
    name: 'an encounter without its row',
    sql: ({ encounter }) => `delete from meet.encounter where id = '${encounter}'`,
    finds: ({ encounter }) => [`encounters ${encounter}`],
  },
  {
    name: 'an encounter that paid something else',
    sql: ({ encounter }) => `update meet.encounter set officer_points = 6 where id = '${encounter}'`,
    finds: ({ encounter }) => [`encounters ${encounter}`],
  },
  {
    name: 'a pair that met twice',
    sql: ({ released, civilian }) =>
      `update meet.encounter set civilian = '${civilian}', at = at + interval '1 minute' where id = '${released}'`,
    finds: ({ released }) => [`cooldown ${released}`, `encounters ${released}`],
  },
  {
    name: 'an encounter that was rejected and paid',
    sql: ({ released }) => `update meet.hold set verdict = 'rejected' where encounter_id = '${released}'`,
    finds: ({ released }) => [`holds ${released}`],
  },
  {
    name: 'an encounter that was released and not paid',
    sql: ({ rejected }) => `update meet.hold set verdict = 'released' where encounter_id = '${rejected}'`,
    finds: ({ rejected }) => [`holds ${rejected}`],
  },
  {
    name: 'a key that leads to nothing',
    sql: ({ encounter }, fresh) =>
      `update ops.idempotency set transfer_id = '${fresh}' where transfer_id = '${encounter}'`,
    finds: (_, fresh) => [`idempotency ${fresh}`],
  },
  {
    name: 'a refused id that moved all the same',
    sql: ({ burned, gift }) => `update ledger.burned set id = '${gift}' where id = '${burned}'`,
    finds: ({ gift }) => [`burned ${gift}`],
  },
  {
    name: 'stock that drifted',
    sql: ({ offer }) => `update market.stock set on_hand = on_hand + 1 where offer_id = '${offer}'`,
    finds: ({ offer }) => [`stock ${offer}`],
  },
  {
    name: 'more set aside than there is',
    sql: ({ offer }) => [
      unguarded('market.stock'),
      `update market.stock set reserved = on_hand + 1 where offer_id = '${offer}'`,
    ],
    finds: ({ offer }) => [`stock ${offer}`],
  },
  {
    name: 'a lost movement of stock',
    sql: ({ cancelled }) =>
      `delete from market.stock_movement where op_id = '${cancelled}' and kind = 'release'`,
    finds: ({ offer, cancelled }) => [
      `stock ${offer}`,
      `redemption-stock ${cancelled}`,
      `stock-chain ${offer}`,
    ],
  },
  {
    name: 'a sale that was counted twice, in the log and in the stock',
    sql: ({ offer, sold }) => [
      `insert into market.stock_movement (offer_id, kind, op_id, on_hand_delta, reserved_delta, on_hand, reserved, at)
         select offer_id, 'sale', op_id, -1, 0, (select on_hand - 1 from market.stock where offer_id = '${offer}'),
           (select reserved from market.stock where offer_id = '${offer}'), now()
         from market.stock_movement where op_id = '${sold}' and kind = 'sale'`,
      `update market.stock set on_hand = on_hand - 1 where offer_id = '${offer}'`,
    ],
    finds: ({ sold }) => [`redemption-stock ${sold}`],
  },
  {
    name: 'a redemption that was cancelled and paid',
    sql: ({ sold }) => [
      unguarded('market.redemption'),
      `update market.redemption set state = 'cancelled' where id = '${sold}'`,
    ],
    finds: ({ sold }) => [`redemptions ${sold}`],
  },
  {
    name: 'a redemption whose points were given back without it',
    sql: ({ reserved }) =>
      `update ledger.pending set state = 'voided', settled_at = now() where id = '${reserved}'`,
    finds: ({ reserved, civilian }) => [`redemptions ${reserved}`, `reserved ${civilian}`],
  },
  {
    name: 'a redemption without points',
    sql: ({ reserved }) => `delete from ledger.pending where id = '${reserved}'`,
    finds: ({ reserved }) => [`redemptions ${reserved}`],
  },
  {
    name: 'more given back than was sold',
    sql: ({ sold }) => [
      unguarded('market.redemption'),
      `update market.redemption set refunded_quantity = 3, refunded_points = 18 where id = '${sold}'`,
    ],
    finds: ({ sold }) => [`refunds ${sold}`],
  },
  {
    name: 'a refund that nobody wrote down',
    sql: ({ refund }) => `delete from market.refund where transfer_id = '${refund}'`,
    finds: ({ refund, sold }) => [`refunds ${refund}`, `refunds ${sold}`],
  },
  {
    name: 'a refund whose units did not come back',
    sql: ({ refund }) => `update market.refund set restocked = false where transfer_id = '${refund}'`,
    finds: ({ refund }) => [`refunds ${refund}`],
  },
  {
    name: 'news of a transfer that is none',
    sql: ({ civilian }, fresh) =>
      `insert into ops.outbox (target, keys, event_ids) values (2, '{${civilian}}', '{${fresh}}')`,
    finds: (_, fresh) => [`outbox-events ${fresh}`],
  },
  {
    name: 'news that nobody publishes',
    sql: ({ civilian, gift }) =>
      `insert into ops.outbox (target, keys, event_ids, created_at)
       values (2, '{${civilian}}', '{${gift}}', now() - interval '2 hours')`,
    finds: () => ['outbox-late transactions'],
  },
  {
    name: 'a line of the audit trail that was changed',
    sql: () => [LINES, "update ops.operator_audit set action = 'b' where action = 'user.look 2'"],
    finds: () => ['trail 3'],
  },
  {
    name: 'one that was taken away',
    sql: () => [LINES, "delete from ops.operator_audit where action = 'user.look 2'"],
    finds: () => ['trail 4'],
  },
  {
    name: 'the last one taken away',
    sql: () => [LINES, "delete from ops.operator_audit where action = 'user.look 3'"],
    finds: () => ['trail 4'],
  },
  {
    name: 'a limit that nobody was told of',
    sql: ({ badged }) => `update ledger.debit_limit set day_max = 7 where account_id = '${badged}'`,
    finds: ({ badged }) => [`accounts ${badged}`],
  },
  {
    name: 'an account that was closed past everybody',
    sql: ({ badged }) => `update ledger.account set closed = true where account_id = '${badged}'`,
    finds: ({ badged }) => [`accounts ${badged}`],
  },
  {
    name: 'an account that was closed past everybody, of which nothing was ever told',
    sql: ({ person }) => `update ledger.account set closed = true where account_id = '${person}'`,
    finds: ({ person }) => [`accounts ${person}`],
  },
  {
    name: 'limits of an account of which nothing was ever told',
    sql: ({ person }) => `insert into ledger.debit_limit (account_id, day_max) values ('${person}', 7)`,
    finds: ({ person }) => [`accounts ${person}`],
  },
  {
    name: 'the account of somebody who was erased, open again',
    sql: ({ erased }) => `update ledger.account set closed = false where account_id = '${erased}'`,
    finds: ({ erased }) => [`accounts ${erased}`],
  },
];

describe('finds in PostgreSQL', () => {
  it('something by every check that it has', () => {
    const ids = new Proxy({}, { get: (_, name) => String(name) }) as Story;
    const found = new Set(PLANTS.flatMap(({ finds }) => finds(ids, '').map(one => one.split(' ', 1)[0])));
    const checks = CHECKS.filter(({ store, name }) => store === 'postgresql' && name !== 'chain');
    expect(checks.filter(({ name }) => !found.has(name))).toEqual([]);
  });

  it('nothing in days of merchants that are as they were closed', async () => {
    const report = await copy.spoiled(CLOSED, new Set(['settlements']));
    expect(wrongIn(report)).toEqual([]);
    expect(report.checks[0]!.looked).toBeGreaterThan(0);
  });

  it.each(PLANTS)('$name', async ({ sql, finds }) => {
    const fresh = town.uuid();
    const statements = sql(story, fresh);
    const expected = finds(story, fresh);
    const only = new Set(expected.map(one => one.split(' ', 1)[0]!));
    const report = await copy.spoiled(typeof statements === 'string' ? [statements] : statements, only);
    expect(wrongIn(report)).toEqual(expect.arrayContaining([...expected]));
    expect(exitCodeOf(report)).toBe(1);
    expect(JSON.parse(jsonOf(report))).toMatchObject({ audit: 'wrong', differences: expect.any(Array) });
    expect(tableOf(report)).toContain(expected[0]!.split(' ')[1]);
  });
});

it('a store that cannot be read is said, and is another exit code', async () => {
  const nowhere = 'http://127.0.0.1:9';
  const { kinesis, ...stores } = copy.stores;
  const report = await copy.audit({
    only: new Set(['ledger-total', 'stream']),
    stores: { ...stores, kinesis: { ...kinesis!, endpoint: nowhere } },
  });
  expect(report.unreachable).toEqual([{ store: 'kinesis', why: expect.any(String) }]);
  expect(exitCodeOf(report)).toBe(2);
  expect(report.checks.find(({ check }) => check === 'ledger-total')?.skipped).toBeNull();
});
