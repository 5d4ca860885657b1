/** The users domain says what the ledger says, whatever comes twice, and answers the questions of the seed. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import {
  at,
  encounter,
  move,
  offerOf,
  redemption,
  refund,
  sale,
  stockOf,
  voidOf,
} from '../../nodes/contracts/town.ts';
import { systemScheduler } from '../clock.ts';
import { wrongWith } from '../events/check.ts';
import { eventText } from '../events/envelope.ts';
import { StreamTarget } from '../kinesis/streamTarget.ts';
import { Publisher } from '../outbox/publisher.ts';
import { PgOutboxSource } from '../outbox/source.ts';
import { awsAt, type OutboxTown, outboxTown, PATIENCE } from '../outbox/testOutbox.ts';
import type { Lines } from '../postgres/lines.ts';
import { silent } from '../postgres/testTown.ts';
import { PgUsersDomain } from '../postgres/usersDomain.ts';
import type { StreamRecord } from './consumer.ts';
import { noMetrics, owningAll, testStream } from './testStreams.ts';
import { UsersProjection } from './usersProjection.ts';

let town: OutboxTown;
let lines: Lines;
let store: PgUsersDomain;

beforeAll(async () => {
  town = await outboxTown();
  lines = town.lines(2);
  store = new PgUsersDomain({ url: town.database.appUrl, log: silent });
  await Promise.all([lines.tried(), store.tried()]);
});
afterAll(async () => {
  await Promise.all([lines.close(), store.close()]);
  await town.close();
});

const projection = (streams: readonly string[] = []): UsersProjection =>
  new UsersProjection({ store, metrics: noMetrics, wallMs: Date.now, streams });

const redeemed = (user: string, merchant: string, offer: string) => ({
  ...{ redemptionId: town.uuid(), user, merchant, offer, quantity: 1, points: 1 },
  ...{ onHand: 5, reserved: 1, rule: { id: 'redemption', version: 1 } },
});

let sequence = 0;
const recordOf = (text: string): StreamRecord => ({
  sequence: String(++sequence),
  key: 'a',
  arrivedAtMs: 0,
  bytes: Buffer.from(text),
});
const event = (type: string, subject: string, data: object, id = town.uuid()): StreamRecord =>
  recordOf(
    eventText({
      stamp: { shard: 1, epoch: 1, seq: ++sequence },
      trace: null,
      id,
      type,
      version: 1,
      time: '2026-11-21T10:00:00.000Z',
      subject,
      seq: null,
      causationId: null,
      data: JSON.stringify(data),
    }),
  );
const take = (...records: StreamRecord[]) =>
  projection().take({ stream: 's', shard: 's', records, ended: false });

/** A stream into which the ledger is published, and from which the read model is made. */
async function published() {
  const stream = await testStream();
  const target = new StreamTarget(stream.name, awsAt(inject('kinesisEndpoint')));
  const publisher = new Publisher({
    name: 'transactions',
    source: new PgOutboxSource(lines, 'transactions'),
    target,
    scheduler: systemScheduler,
    log: silent,
    metrics: noMetrics,
  });
  publisher.lead(await town.lead('transactions'));
  stream.readers(projection([stream.name])).own(owningAll());
  return {
    name: stream.name,
    async close(): Promise<void> {
      await publisher.stop(1_000);
      target.close();
      await stream.close();
    },
  };
}

it('what was committed stands in the read model: movements, meetings, donations', async () => {
  const stream = await published();
  const [civilian = '', ada = '', bob = '', family = ''] = await town.people(4);
  const first = encounter(town.uuid(), ada, civilian, { method: 'qr' });
  await town.commit(first);
  await town.commit(encounter(town.uuid(), bob, civilian), {
    ...move(town.uuid(), MINT_ACCOUNT, family, 5),
    reason: 'welcome',
  });
  await town.endCooldown(ada, civilian);
  await town.commit(encounter(town.uuid(), ada, civilian));
  const gift = { ...move(town.uuid(), civilian, family, 7), reason: 'donation' };
  await town.commit(gift);
  await expect
    .poll(() => store.officersMet(civilian, 10), PATIENCE)
    .toMatchObject([
      { officerId: ada, encounters: 2 },
      { officerId: bob, encounters: 1 },
    ]);
  await expect
    .poll(() => store.donationsTo(family, 10, null), PATIENCE)
    .toMatchObject([{ id: gift.id, donorId: civilian, points: 7 }]);
  await expect.poll(() => store.transactions(civilian, 10, null), PATIENCE).toHaveLength(4);
  const movements = await store.transactions(civilian, 10, null);
  const ledger = await town.directory.transactions(civilian, 10, null);
  expect(
    movements.map(({ id, reason, delta, balance, rule, atMs }) => ({
      id,
      reason,
      delta,
      balance,
      rule,
      atMs,
    })),
  ).toEqual(ledger);
  expect(movements[0]).toMatchObject({ type: 'points.donated' });
  expect(await store.transactions(civilian, 2, movements[0]!.id)).toEqual(movements.slice(1, 3));
  // it lies in another shard than theirs
  await expect
    .poll(async () => (await store.transactions(family, 10, null)).map(one => one.type), PATIENCE)
    .toEqual(['points.donated', 'points.awarded']);
  await stream.close();
});

it('what the market tells is what the catalogue says, and becomes sales', async () => {
  const stream = await published();
  const [user = '', merchant = ''] = await town.people(2);
  await town.commit({ ...move(town.uuid(), MINT_ACCOUNT, user, 60), reason: 'welcome' });
  const offer = town.uuid();
  const noted = [
    offerOf(town.uuid(), { id: offer, merchant, lowStock: 2 }),
    stockOf(town.uuid(), offer, 5, { kind: 'receipt' }),
  ];
  await town.noteStore.commit(noted.map(op => at(1, town.epoch, op)));
  let codes = 0;
  const reserve = (quantity: number) =>
    redemption(town.uuid(), user, merchant, { offer, quantity, code: `SECRET${++codes}` });
  const [bought, left, late] = [reserve(3), reserve(1), reserve(1)];
  await town.commit(bought);
  await town.commit(sale(town.uuid(), bought, 2));
  await town.commit(refund(town.uuid(), bought, 1, { restock: true }));
  await town.commit(left, late);
  await town.commit(voidOf(left), voidOf(late, 'expired'));

  await expect.poll(() => town.waiting(2), PATIENCE).toBe(0);
  const events = (await town.eventsIn(stream.name)) as unknown as { type: string; subject: string }[];
  expect(events.map(wrongWith)).toEqual(events.map(() => null));
  expect(JSON.stringify(events)).not.toContain('SECRET');
  expect(new Set(events.map(one => one.type))).toEqual(
    new Set([
      'points.awarded',
      'points.transferred',
      'redemption.reserved',
      'redemption.confirmed',
      'redemption.refunded',
      'redemption.cancelled',
      'redemption.expired',
      'stock.adjusted',
      'stock.low',
    ]),
  );
  const own = (type: string) => events.filter(one => one.type === type).map(one => one.subject);
  expect(own('redemption.reserved')).toEqual([user, user, user]);
  expect(own('stock.adjusted')).toEqual([merchant]);
  await expect
    .poll(() => store.goodsSold(merchant, 10), PATIENCE)
    .toMatchObject([{ offerId: offer, sales: 1, quantity: 1, points: 3 }]);
  await stream.close();
});

it('who took part where: by the zip code of the encounter, else by that of the civilian', async () => {
  const [ann = '', ben = '', officer = ''] = Array.from({ length: 3 }, () => town.uuid());
  const met = (civilian: string, zip: string | null) => {
    const legs = [
      { account: civilian, delta: 10, balance: 10, version: 1 },
      { account: officer, delta: 5, balance: 5, version: 1 },
      { account: MINT_ACCOUNT, delta: -15 },
    ];
    const rule = { id: 'encounter', version: 1 };
    const transferId = town.uuid();
    const data = { transferId, reason: 'encounter', rule, method: 'qr', officer, civilian, zip, legs };
    return event('encounter.recorded', civilian, data, transferId);
  };
  const twice = met(ann, '10001');
  const all = [
    event('user.registered', ben, { userId: ben, kind: 'civilian', zip: '10002' }),
    twice,
    twice,
    met(ann, '10001'),
    met(ben, null),
  ];
  await take(...all);
  await take(...all);
  const day = '2026-11-21';
  const report = (await store.participation(day, day, 100)).filter(
    one => one.zip !== '' || one.officers === 1,
  );
  expect(report).toContainEqual({ day, zip: '10001', civilians: 1, officers: 1, encounters: 2 });
  expect(report).toContainEqual({ day, zip: '10002', civilians: 1, officers: 0, encounters: 1 });
  expect(await store.participation('2026-11-22', '2026-11-23', 100)).not.toContainEqual(
    expect.objectContaining({ zip: '10001' }),
  );
});

it('what a merchant sold, less what was given back', async () => {
  const [merchant = '', user = '', coffee = '', cake = ''] = Array.from({ length: 4 }, () => town.uuid());
  const sale = (offer: string, quantity: number, points: number) => ({
    ...redeemed(user, merchant, offer),
    quantity,
    points,
  });
  const { through, poison } = await take(
    event('redemption.confirmed', user, sale(coffee, 3, 30)),
    event('redemption.confirmed', user, sale(cake, 1, 25)),
    event('redemption.reserved', user, sale(cake, 1, 25)),
    event('redemption.refunded', user, sale(coffee, 1, 10)),
  );
  expect({ through, poison }).toEqual({ through: String(sequence), poison: [] });
  expect(await store.goodsSold(merchant, 10)).toMatchObject([
    { offerId: coffee, sales: 1, quantity: 2, points: 20 },
    { offerId: cake, sales: 1, quantity: 1, points: 25 },
  ]);
});

it('poison is found among the others, which are taken; what nobody knows is passed over', async () => {
  const [merchant = '', user = '', offer = ''] = Array.from({ length: 3 }, () => town.uuid());
  const sale = redeemed(user, merchant, offer);
  const records = [
    event('redemption.confirmed', user, sale),
    recordOf('not json'),
    event('redemption.confirmed', user, { ...sale, quantity: 'many' }),
    // more than a column holds: only the database finds out
    event('redemption.confirmed', user, { ...sale, points: 1e300 }),
    event('tomorrow.invented', user, {}),
    event('redemption.confirmed', user, sale),
  ];
  const { poison, through } = await take(...records);
  expect(poison.map(one => [records.indexOf(one.record), one.why.split(':')[0]])).toEqual([
    [1, 'not JSON'],
    [2, 'not a redemption.confirmed of the catalogue'],
    [3, 'the database refuses it'],
  ]);
  expect(through).toBe(records.at(-1)!.sequence);
  expect(await store.goodsSold(merchant, 10)).toMatchObject([{ quantity: 2, sales: 2 }]);
});

it("a store that is away is nobody's poison", async () => {
  const away = new PgUsersDomain({ url: 'postgres://nobody@127.0.0.1:1/none', log: silent });
  const waiting = new UsersProjection({ store: away, metrics: noMetrics, wallMs: Date.now });
  const user = town.uuid();
  const record = event('user.registered', user, { userId: user, kind: 'family', zip: null });
  const batch = { stream: 's', shard: 's', records: [record], ended: false };
  await expect(waiting.take(batch)).rejects.toThrow();
  await away.close();
});
