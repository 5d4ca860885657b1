/** The read model is what the ledger and the market say: whatever is spoiled is found, and what is on its way is not missed. */
import { describe, expect, it } from 'vitest';
import { CHECKS } from './audit.ts';
import { type AuditedTown, type Copy, type Plant, type Story, townOfTheFile, wrongIn } from './testTown.ts';

let town: AuditedTown;
let story: Story;
let copy: Copy;
townOfTheFile(made => {
  ({ town, story, copy } = made);
});

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
    name: 'where somebody lived who was erased',
    sql: ({ erased }) => `update users.person set zip = '10001' where user_id = '${erased}'`,
    finds: ({ erased }) => [`users-people ${erased}`],
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
