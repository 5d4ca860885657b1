/** What the streams tell is what PostgreSQL has: nothing lost, doubled, changed or made up goes unnoticed. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type AuditedTown,
  type Copy,
  publish,
  type Story,
  type TestRecord,
  townOfTheFile,
  wrongIn,
} from './testTown.ts';

let town: AuditedTown;
let story: Story;
townOfTheFile(made => {
  ({ town, story } = made);
});

describe('finds in the streams', () => {
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

  type As = (change: object, more?: object) => TestRecord;
  /** A stream of the events of users, each told as `tell` says. */
  const retold = async (
    tell: (event: TestRecord['event'], data: Record<string, unknown>, as: As) => TestRecord[],
  ): Promise<string> => {
    const records = await town.records(town.names.userEvents);
    const changed = records.flatMap(({ key, event }) => {
      const data = event.data as Record<string, unknown>;
      const as: As = (change, more = {}) => ({
        key,
        event: { ...event, ...more, data: { ...data, ...change } },
      });
      return tell(event, data, as);
    });
    return town.streamOf(changed);
  };

  it('people and catalogues: who was told of nobody, twice, otherwise or without being there', async () => {
    const only = new Set(['stream-users']);
    const { person, erased, family, entry, revocation } = story;
    expect(wrongIn(await own.audit({ only }))).toEqual([]);
    const fresh = town.uuid();
    const userEvents = await retold((event, data, as) => {
      if (event.type === 'token.revoked' || data.userId === person) return [];
      if (data.userId === erased) return [as({}), as({ userId: fresh }, { id: fresh })];
      if (data.userId === family) return [as({}), as({}, { id: town.uuid() })];
      // what only some read as a time is none
      return data.version === 2 ? [as({ status: 'suspended' })] : [as({}, { time: '2026' })];
    });
    const streams = { userEvents };
    expect(wrongIn(await own.audit({ only, streams }))).toEqual(
      [person, fresh, family, entry, revocation].map(id => `stream-users ${id}`).sort(),
    );
  });

  it('accounts and devices: a change of which nobody was told, told otherwise, by two events', async () => {
    const only = new Set(['stream-users']);
    const fresh = town.uuid();
    const userEvents = await retold((event, data, as) => {
      if (event.type === 'user.verified' || data.because === 'erased') return [];
      if (data.moved === true) return [as({ deviceNumber: 3 })];
      if (event.type === 'user.updated') return [as({ entryMax: 40 })];
      return data.because === 'closed' ? [as({}), as({}, { id: fresh })] : [as({})];
    });
    const streams = { userEvents };
    const spoiled = await own.sql(`select id from ops.told_change
      where type in ('user.verified', 'user.updated') or data ->> 'because' = 'erased' or data ->> 'moved' = 'true'`);
    expect(spoiled).toHaveLength(5);
    const wrong = spoiled.map(({ id }) => `stream-users ${id}`);
    // on the first day of these lines some are told without one
    expect(wrongIn(await own.audit({ only, streams }))).toEqual(wrong.sort());
    await own.sql(`update ops.migration set executed_at = executed_at - interval '2 days'`);
    expect(wrongIn(await own.audit({ only, streams }))).toEqual([...wrong, `stream-users ${fresh}`].sort());
  });

  it('a closed day of a merchant of which nobody was told, told otherwise, or that never was', async () => {
    const only = new Set(['stream']);
    const { merchant } = story;
    for (const [table, column] of [
      ['redemption', 'settled_at'],
      ['refund', 'at'],
    ])
      await own.sql(`update market.${table} set ${column} = ${column} - interval '2 days'`);
    await own.sql(`select market.close_day(merchant, day) from (
      select distinct merchant, (settled_at at time zone 'utc')::date as day from market.redemption where state = 'confirmed') d`);
    const names = { ...town.names, transactions: await town.streamOf([]) };
    await publish(own.appUrl, names);
    const before = await town.records();
    const [closed, ...more] = await town.records(names.transactions);
    expect([closed?.event.type, more]).toEqual(['settlement.closed', []]);
    const { key, event } = closed!;
    const data = event.data as { sales: object };
    const wrong = async (...events: object[]) => {
      const told = [...before, ...events.map(one => ({ key, event: one }))];
      return wrongIn(await own.audit({ only, streams: { transactions: await town.streamOf(told) } }));
    };
    expect(await wrong(event, event)).toEqual([]);
    const day = { ...event, id: town.uuid(), data: { ...data, day: '2020-02-02' } };
    for (const events of [
      [],
      [{ ...event, data: { ...data, sales: { ...data.sales, quantity: 9 } } }],
      [{ ...event, data: { ...data, checksum: '' } }],
      [event, { ...event, id: town.uuid() }],
      [event, day],
    ])
      expect(await wrong(...events)).toEqual([`stream ${merchant}`]);
  });
});
