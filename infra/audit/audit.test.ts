/**
 * The auditor finds whatever is spoiled, says whom it concerns, and has nothing to say of a town where all is well. Each test
 * spoils a copy of the database by hand, past every guard of the writers.
 */
import { DeleteItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import type { RuleVersion } from '../../nodes/rules/envelope.ts';
import { seedRules } from '../../nodes/rules/seeds.ts';
import { DynamoRules } from '../rules/dynamoRules.ts';
import { CHECKS } from './audit.ts';
import { exitCodeOf, jsonOf, tableOf } from './report.ts';
import { type AuditedTown, auditedTown, type Copy, type Story, wrongIn } from './testTown.ts';

let town: AuditedTown;
let story: Story;
let copy: Copy;
beforeAll(async () => {
  town = await auditedTown();
  ({ story } = town);
  copy = await town.copy();
});
afterAll(async () => {
  await copy.drop();
  await town.close();
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

interface Plant {
  readonly name: string;
  readonly sql: (story: Story, fresh: string) => string | readonly string[];
  /** `check` and the id that it names. */
  readonly finds: (story: Story, fresh: string) => readonly string[];
}

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
];

/** Of the read model; nothing is too young to be there. */
const READ_PLANTS: readonly Plant[] = [
  {
    name: 'somebody who is missing',
    sql: ({ person }) => `delete from users.person where user_id = '${person}'`,
    finds: ({ person }) => [`users-people ${person}`],
  },
  {
    name: 'somebody who never was',
    sql: (_, fresh) => `insert into users.person values ('${fresh}', 'civilian', null, now())`,
    finds: (_, fresh) => [`users-people ${fresh}`],
  },
  {
    name: 'somebody of another town',
    sql: ({ person }) => `update users.person set zip = '99999' where user_id = '${person}'`,
    finds: ({ person }) => [`users-people ${person}`],
  },
  {
    name: 'a movement that is missing',
    sql: ({ gift, civilian }) =>
      `delete from users.transaction where event_id = '${gift}' and user_id = '${civilian}'`,
    finds: ({ gift }) => [`users-transactions ${gift}`],
  },
  {
    name: 'a movement of other points',
    sql: ({ payment }) => `update users.transaction set delta = delta * 2 where event_id = '${payment}'`,
    finds: ({ payment }) => [`users-transactions ${payment}`],
  },
  {
    name: 'a movement of somebody else',
    sql: ({ gift, merchant, civilian }) =>
      `update users.transaction set user_id = '${merchant}' where event_id = '${gift}' and user_id = '${civilian}'`,
    finds: ({ gift }) => [`users-transactions ${gift}`],
  },
  {
    name: 'an encounter that is missing, and counts all the same',
    sql: ({ encounter }) => `delete from users.encounter where event_id = '${encounter}'`,
    finds: ({ encounter, officer, civilian }) => [
      `users-encounters ${encounter}`,
      `users-participation ${officer}`,
      `users-participation ${civilian}`,
    ],
  },
  {
    name: 'an encounter with somebody else',
    sql: ({ encounter, merchant }) =>
      `update users.encounter set officer = '${merchant}' where event_id = '${encounter}'`,
    finds: ({ encounter, officer, merchant }) => [
      `users-encounters ${encounter}`,
      `users-participation ${officer}`,
      `users-participation ${merchant}`,
    ],
  },
  {
    name: 'an encounter that counts twice',
    sql: ({ civilian }) =>
      `update users.participation set encounters = encounters + 1 where user_id = '${civilian}'`,
    finds: ({ civilian }) => [`users-participation ${civilian}`],
  },
  {
    name: 'a donation that is missing',
    sql: ({ gift }) => `delete from users.donation where event_id = '${gift}'`,
    finds: ({ gift }) => [`users-donations ${gift}`],
  },
  {
    name: 'a donation that nobody gave',
    sql: ({ officer, civilian }, fresh) =>
      `insert into users.donation values ('${fresh}', '${officer}', '${civilian}', 5, now())`,
    finds: (_, fresh) => [`users-donations ${fresh}`],
  },
  {
    name: 'a sale that is missing',
    sql: ({ sold }) => `delete from users.sale where redemption_id = '${sold}' and quantity > 0`,
    finds: ({ sold }) => [`users-sales ${sold}`],
  },
  {
    name: 'a sale that was counted twice',
    sql: ({ sold }, fresh) =>
      `insert into users.sale select '${fresh}', redemption_id, merchant, offer, customer, quantity, points, at
       from users.sale where redemption_id = '${sold}' and quantity > 0`,
    finds: ({ sold }) => [`users-sales ${sold}`],
  },
  {
    name: 'a refund to somebody else',
    sql: ({ sold, officer }) =>
      `update users.sale set customer = '${officer}' where redemption_id = '${sold}' and quantity < 0`,
    finds: ({ sold }) => [`users-sales ${sold}`],
  },
];

describe('finds in the read model', () => {
  const asked = new Set(CHECKS.filter(({ store }) => store === 'read model').map(({ name }) => name));

  it('nothing where all is well', async () => {
    const report = await copy.audit({ only: asked, archiveBoundS: 0 });
    expect(wrongIn(report)).toEqual([]);
    expect(report.checks.filter(({ looked }) => looked === 0)).toEqual([]);
  });

  it('something by every check', () => {
    const ids = new Proxy({}, { get: (_, name) => String(name) }) as Story;
    const found = READ_PLANTS.flatMap(({ finds }) => finds(ids, '').map(one => one.split(' ', 1)[0]));
    expect(new Set(found)).toEqual(asked);
  });

  it.each(READ_PLANTS)('$name', async ({ sql, finds }) => {
    const fresh = town.uuid();
    const statements = [sql(story, fresh)].flat();
    const report = await copy.spoiled(statements, asked, { archiveBoundS: 0 });
    expect(wrongIn(report)).toEqual([...finds(story, fresh)].sort());
  });

  it('nothing that is on its way: too young, or come into the stream lately, or waiting, or older than this database', async () => {
    const { gift, sold, person, civilian } = story;
    const gone = [
      `delete from users.transaction where event_id = '${gift}'`,
      `delete from users.sale where redemption_id = '${sold}' and quantity > 0`,
      `delete from users.person where user_id = '${person}'`,
    ];
    const ids = [`users-people ${person}`, `users-sales ${sold}`, `users-transactions ${gift}`];
    const found = async (more: readonly string[], archiveBoundS: number, checks = asked) =>
      wrongIn(await copy.spoiled([...gone, ...more], checks, { archiveBoundS }));
    expect(await found([], 0)).toEqual(ids);
    expect(await found([], 600)).toEqual([]);
    // it happened long ago, and was published now: only the streams can tell
    const old = [
      `update ledger.transfer set at = at - interval '1 hour'`,
      `update market.redemption set settled_at = settled_at - interval '1 hour'`,
      `update user_schema.users set created_at = created_at - interval '1 hour'`,
      `update ops.migration set executed_at = executed_at - interval '1 day'`,
      `update users.transaction set at = at - interval '1 hour'`,
      `update users.sale set at = at - interval '1 hour' where quantity > 0`,
      `update users.person set at = at - interval '1 hour'`,
    ];
    const mine = new Set(['users-people', 'users-transactions', 'users-sales']);
    expect(await found(old, 600, mine)).toEqual(ids);
    const withStreams = new Set([...mine, 'stream', 'stream-users']);
    const lately = (await found(old, 600, withStreams)).filter(one => one.startsWith('users-'));
    expect(lately).toEqual([]);
    const events = (await Promise.all([town.records(), town.records(town.names.userEvents)])).flat();
    const eventOf = (type: string, id: string) =>
      JSON.stringify(
        events.find(({ event }) => event.type === type && JSON.stringify(event.data).includes(id))!.event,
      );
    const waiting = [
      `insert into ops.outbox (target, keys, event_ids) values (2, '{${civilian}}', '{${gift}}')`,
      `insert into ops.outbox (target, keys, payload) values
         (2, '{${civilian}}', '${eventOf('redemption.confirmed', sold)}'),
         (1, '{${person}}', '${eventOf('user.registered', person)}')`,
    ];
    expect(await found(waiting, 0)).toEqual([]);
    expect(await found(['update ops.migration set executed_at = now()'], 0)).toEqual([]);
  });
});

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

describe('finds in followers', () => {
  let own: Copy;
  beforeEach(async () => {
    own = await town.copy();
  });
  afterEach(() => own.drop());

  const gift = (fresh: string) => [
    `insert into ledger.transfer (id, reason, rule_id, rule_version, request_hash, at)
       values ('${fresh}', 'gift', 'gift', 1, '${fresh}', now())`,
    `insert into ledger.posting
       select '${fresh}', row_number() over (order by account_id) - 1, account_id, stripe, d, balance + d, version + 1
       from ledger.account join (values ('${story.civilian}'::uuid, -1), ('${story.merchant}'::uuid, 1)) as l(id, d) on id = account_id`,
    `update ledger.account a set balance = balance_after, version = account_version_after
       from ledger.posting p where p.transfer_id = '${fresh}' and p.account_id = a.account_id`,
  ];

  it('a transfer of which nobody was told, and balances that stayed behind', async () => {
    const fresh = town.uuid();
    for (const text of gift(fresh)) await own.sql(text);
    const { civilian, merchant } = story;
    expect(wrongIn(await own.audit())).toEqual(
      [`balances ${civilian}`, `balances ${merchant}`, `stream ${fresh}`].sort(),
    );
  });

  it('nothing where it still waits to be told', async () => {
    const fresh = town.uuid();
    for (const text of gift(fresh)) await own.sql(text);
    const { civilian, merchant } = story;
    await own.sql(`insert into ops.outbox (target, keys, event_ids) values
      (2, '{${civilian}}', '{${fresh}}'), (3, '{${civilian},${merchant}}', null)`);
    expect(wrongIn(await own.audit())).toEqual([]);
  });

  it('an event that is missing, one that was changed, one that was made up', async () => {
    const records = await town.records();
    const fresh = town.uuid();
    const changed = records.flatMap(({ key, event }) => {
      if (event.id === story.gift) return [];
      if (event.id !== story.payment)
        return [
          { key, event },
          { key, event },
        ];
      const data = event.data as { legs: { delta: number }[] };
      const legs = data.legs.map(leg => ({ ...leg, delta: leg.delta * 2 }));
      return [
        { key, event: { ...event, data: { ...data, legs } } },
        { key, event: { ...event, id: fresh, data: { ...data, transferId: fresh } } },
      ];
    });
    const report = await own.audit({
      only: new Set(['stream']),
      streams: { transactions: await town.streamOf(changed) },
    });
    const { gift: missing, payment } = story;
    expect(wrongIn(report)).toEqual([`stream ${missing}`, `stream ${payment}`, `stream ${fresh}`].sort());
  });

  it('a step of a redemption of which nobody was told, and a change of stock', async () => {
    const only = new Set(['stream']);
    const { cancelled, sold, refund, offer } = story;
    const told = await town.records();
    const isOf = ({ event }: (typeof told)[number], type: string, id?: string): boolean =>
      event.type === type && (id === undefined || Object.values(event.data as object).includes(id));
    const lost = told.filter(
      one =>
        !isOf(one, 'redemption.cancelled', cancelled) &&
        !isOf(one, 'redemption.reserved', sold) &&
        !isOf(one, 'redemption.refunded', refund) &&
        !isOf(one, 'stock.low') &&
        !isOf(one, 'stock.adjusted'),
    );
    expect(lost).toHaveLength(told.length - 5);
    const [movement] = await own.sql(`select op_id as id from market.stock_movement where kind = 'receipt'`);
    const report = await own.audit({ only, streams: { transactions: await town.streamOf(lost) } });
    expect(wrongIn(report)).toEqual(
      [cancelled, sold, refund, offer, movement!.id].map(id => `stream ${id}`).sort(),
    );
  });

  it('events of redemptions and stock that were doubled, changed or made up, and no repeats', async () => {
    const fresh = town.uuid();
    const { sold, reserved, refund } = story;
    const [movement] = await own.sql(`select op_id as id from market.stock_movement where kind = 'receipt'`);
    const records = (await town.records()).flatMap(({ key, event }) => {
      const data = event.data as Record<string, unknown>;
      const as = (change: object, more: object = {}) => ({
        key,
        event: { ...event, ...more, data: { ...data, ...change } },
      });
      const told = `${event.type} ${data.redemptionId ?? ''}`.trim();
      // by another event, that is: the same one may come as often as it likes
      if (told === 'stock.adjusted') return [as({}), as({}), as({}, { id: town.uuid() })];
      if (told === `redemption.confirmed ${sold}`) return [as({ quantity: 3 })];
      if (told === `redemption.reserved ${reserved}`)
        return [as({}), as({ redemptionId: fresh }, { id: fresh })];
      if (told === `redemption.refunded ${sold}`) return [as({ points: 5 })];
      return [as({})];
    });
    const only = new Set(['stream']);
    const streams = { transactions: await town.streamOf(records) };
    expect(wrongIn(await own.audit({ only, streams }))).toEqual(
      [movement!.id, sold, fresh, refund].map(id => `stream ${id}`).sort(),
    );
  });

  it('rows of redemptions and stock that were changed by hand after they were told', async () => {
    const only = new Set(['stream']);
    const { sold, offer } = story;
    await own.sql(`update market.redemption set sold_points = 6 where id = $1`, [sold]);
    await own.sql(`update market.stock_movement set on_hand = 7 where offer_id = $1 and kind = 'receipt'`, [
      offer,
    ]);
    const [movement] = await own.sql(`select op_id as id from market.stock_movement where kind = 'receipt'`);
    expect(wrongIn(await own.audit({ only }))).toEqual([movement!.id, sold].map(id => `stream ${id}`).sort());
  });

  it('a redemption that waits to be told is not missing, one that happened before this database stood neither', async () => {
    const only = new Set(['stream']);
    const all = await town.records();
    const reserved = all.find(({ event }) => event.type === 'redemption.reserved')!.event;
    const { redemptionId } = reserved.data as { redemptionId: string };
    const streams = { transactions: await town.streamOf(all.filter(({ event }) => event !== reserved)) };
    expect(wrongIn(await own.audit({ only, streams }))).toEqual([`stream ${redemptionId}`]);
    await own.sql('insert into ops.outbox (target, keys, payload) values (2, $1, $2)', [
      [story.civilian, story.civilian],
      JSON.stringify([reserved, reserved]),
    ]);
    expect(wrongIn(await own.audit({ only, streams }))).toEqual([]);
    await own.sql('delete from ops.outbox');
    // as after a restore: it tells movements again, and nothing else
    await own.sql('update ops.migration set executed_at = now()');
    expect(wrongIn(await own.audit({ only, streams }))).toEqual([]);
  });

  it('people and catalogues: who was told of nobody, twice, otherwise or without being there', async () => {
    const only = new Set(['stream-users']);
    const { person, erased, family, entry, revocation } = story;
    expect(wrongIn(await own.audit({ only }))).toEqual([]);
    const fresh = town.uuid();
    const records = (await town.records(town.names.userEvents)).flatMap(({ key, event }) => {
      const data = event.data as Record<string, unknown>;
      const as = (change: object, more: object = {}) => ({
        key,
        event: { ...event, ...more, data: { ...data, ...change } },
      });
      if (event.type === 'token.revoked' || data.userId === person) return [];
      if (data.userId === erased) return [as({}), as({ userId: fresh }, { id: fresh })];
      if (data.userId === family) return [as({}), as({}, { id: town.uuid() })];
      return data.version === 2 ? [as({ status: 'suspended' })] : [as({})];
    });
    const streams = { userEvents: await town.streamOf(records) };
    expect(wrongIn(await own.audit({ only, streams }))).toEqual(
      [person, fresh, family, entry, revocation].map(id => `stream-users ${id}`).sort(),
    );
  });

  it('a balance that is behind, one that is wrong, one that is ahead, one of nobody', async () => {
    const nobody = town.uuid();
    const { officer, civilian, merchant } = story;
    const before = await own.sql(
      `select account_id as id, balance::text, version::text from ledger.account where account_id = any ($1)`,
      [[officer, civilian, merchant]],
    );
    const put = (id: string, balance: string, version: string) =>
      town.tables.send(
        new PutItemCommand({
          TableName: town.names.balances,
          Item: { pk: { S: id }, balance: { N: balance }, version: { N: version } },
        }),
      );
    await put(officer, '0', '1');
    await put(civilian, '999', String(before.find(({ id }) => id === civilian)?.version));
    await put(merchant, '999', '999');
    await put(nobody, '5', '1');
    const only = new Set(['balances']);
    expect(wrongIn(await own.audit({ only }))).toEqual(
      [officer, civilian, merchant, nobody].map(id => `balances ${id}`).sort(),
    );
    // and what belongs to another town is left alone
    for (const { id, balance, version } of before) await put(String(id), String(balance), String(version));
    expect(wrongIn(await own.audit({ only, shared: true }))).toEqual([]);
    expect(wrongIn(await own.audit({ only }))).toEqual([`balances ${nobody}`]);
  });
});

it('entries of the catalogues that are missing, behind, changed or made up in DynamoDB', async () => {
  const only = new Set(['catalogs']);
  const { entry, family } = story;
  const fresh = town.uuid();
  const TableName = town.names.catalogs;
  const put = (id: string, name: string, version: number) =>
    town.tables.send(
      new PutItemCommand({
        TableName,
        Item: {
          ...{ pk: { S: `CAT#family#${id}` }, id: { S: id }, kind: { S: 'family' }, name: { S: name } },
          ...{ account: { S: family }, status: { S: 'verified' }, version: { N: String(version) } },
        },
      }),
    );
  const wrong = async (statements: readonly string[] = []) => wrongIn(await copy.spoiled(statements, only));
  expect(await wrong()).toEqual([]);
  for (const [name, version] of [
    ['Blacks', 2],
    ['Browns', 1],
    ['Browns', 3],
  ] as const) {
    await put(entry, name, version);
    expect(await wrong(), `${name} ${version}`).toEqual([`catalogs ${entry}`]);
  }
  await put(entry, 'Browns', 1);
  const waits = `insert into ops.outbox (target, keys) values (4, '{${entry}}')`;
  expect(await wrong([waits])).toEqual([]);
  await put(entry, 'Browns', 2);
  await put(fresh, 'Greens', 1);
  expect(await wrong()).toEqual([`catalogs ${fresh}`]);
  expect(wrongIn(await copy.audit({ only, shared: true }))).toEqual([]);
  await town.tables.send(new DeleteItemCommand({ TableName, Key: { pk: { S: `CAT#family#${fresh}` } } }));
  const another = `insert into giving.catalog (id, kind, name) values ('${fresh}', 'family', 'Greens')`;
  expect(await wrong([another])).toEqual([`catalogs ${fresh}`]);
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
