/**
 * Phones and tills through the whole flow on three nodes, each connected to a node of its own; then the same steps with the
 * node killed under each of them at once. Whatever became of a redemption, both screens agree about it in the end, and points
 * and stock are the same in the actors and in PostgreSQL; DynamoDB, the stream and the archive have all of it, and once.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { shardOf } from '../../../protocol/index.ts';
import { type Cluster, startCluster } from '../../swarm/clusterTown.ts';
import { auditEverything, auditLedger } from '../../swarm/ledgerAudit.ts';
import { auditMarket } from '../../swarm/marketAudit.ts';
import { RestClient } from '../../swarm/rest.ts';
import { type SeededAccount, seedAccounts } from '../../swarm/seed.ts';
import { givePoints, openOffer, type Shop, seedShops } from '../../swarm/shops.ts';
import { until } from '../testTown.ts';
import { Cashier, Customer } from './marketPeople.ts';

const PRICE = 5;
const POINTS = 100;
const STOCK = 200;
/** Longer than a takeover on a busy machine, short enough to see one end by itself. */
const REDEEM_S = 30;
const AGREE_MS_MAX = 90_000;
/** Often enough that nobody waits for it, seldom enough that an object has more than one event. */
const FLUSH_S = 5;

let cluster: Cluster;
let people: SeededAccount[];
let shops: Shop[];
const apps: (Customer | Cashier)[] = [];

beforeAll(async () => {
  cluster = await startCluster({
    nodes: 3,
    natsServerBin: inject('natsServerBin'),
    wires: false,
    env: {
      HEYBLUE_REDEEM_S: String(REDEEM_S),
      HEYBLUE_ARCHIVE: 'on',
      HEYBLUE_ARCHIVE_FLUSH_S: String(FLUSH_S),
    },
  });
  const target = { town: cluster.town, dataDir: cluster.dataDir };
  people = await seedAccounts(target, [...new Array(60).fill('civilian'), 'family']);
  await givePoints(target, people, POINTS);
  // so many that each node has some, whatever their ids are
  shops = await seedShops(target, 40, 2);
  await cluster.steady();
}, 240_000);
afterAll(async () => {
  for (const app of apps) app.client.close();
  await cluster?.stop();
}, 60_000);

const urlsFrom = (first: number): string[] =>
  cluster.nodes.map((_, i) => cluster.nodes[(first + i) % cluster.nodes.length]!.urls.realtime);

const customerOf = async (account: SeededAccount, node: number): Promise<Customer> => {
  const customer = new Customer(urlsFrom(node), account);
  apps.push(customer);
  await customer.connect();
  return customer;
};
const cashierOf = async (shop: Shop, i: number, node: number): Promise<Cashier> => {
  const cashier = new Cashier(urlsFrom(node), shop.tills[i]!, `till-${i}`);
  apps.push(cashier);
  await cashier.connect();
  await until('a till to be opened', () => cashier.opened > 0);
  return cashier;
};

const rowsOf = async <T extends object>(text: string, values: unknown[] = []): Promise<T[]> => {
  const client = new Client({ connectionString: cluster.town.databaseUrl });
  await client.connect();
  try {
    return (await client.query<T>(text, values)).rows;
  } finally {
    await client.end();
  }
};

/** REST of a node that runs. */
const restUrl = (): string => cluster.nodes.find(node => node.isRunning)!.urls.rest;
const anyRest = (): RestClient => new RestClient(restUrl());

/** What the auditor finds when everybody has caught up: PostgreSQL, DynamoDB, stream and archive. */
const auditedEverywhere = async (): Promise<string[]> => {
  const end = performance.now() + AGREE_MS_MAX;
  for (;;) {
    const found = await auditEverything(cluster.town, join(cluster.dataDir, 'archive'));
    if (found.length === 0 || performance.now() > end) return found;
    await pause(1_000);
  }
};

/** Nothing waits any more, the books add up, and every actor says what PostgreSQL says. */
const allAgrees = async (offers: readonly string[]): Promise<void> => {
  const waiting = `select count(*)::int as n from market.redemption where state = 'reserved'`;
  await until(
    'nothing to wait any more',
    async () => (await rowsOf<{ n: number }>(waiting))[0]!.n === 0,
    AGREE_MS_MAX,
  );
  expect([
    ...(await auditMarket(cluster.town.databaseUrl)),
    ...(await auditLedger(cluster.town.databaseUrl)),
    ...cluster.crashes,
    ...apps.flatMap(app => app.doubled),
  ]).toEqual([]);
  const tokens = new Map([...people, ...shops.map(shop => shop.account)].map(one => [one.userId, one.token]));
  const accounts = await rowsOf<{ id: string; balance: number; reserved: number }>(
    `select account_id as id, balance::int, reserved::int from ledger.account where account_id = any ($1) and version > 0`,
    [[...tokens.keys()]],
  );
  for (const { id, balance, reserved } of accounts) {
    await until(
      `the actor of ${id} to say ${balance}`,
      async () => {
        const said = await anyRest()
          .balance(tokens.get(id)!)
          .catch(() => null);
        return said?.balance === balance;
      },
      AGREE_MS_MAX,
    );
    expect(reserved).toBe(0);
  }
  for (const id of offers) {
    const [row] = await rowsOf<{ on_hand: number }>('select on_hand from market.stock where offer_id = $1', [
      id,
    ]);
    await until(
      `the actor of an offer to have ${row!.on_hand}`,
      async () => {
        const said = await anyRest().call<{ onHand: number; left: number }>('GET', `/v1/offers/${id}`, {
          token: shops[0]!.account.token,
        });
        return said.body.onHand === row!.on_hand && said.body.left === row!.on_hand;
      },
      AGREE_MS_MAX,
    );
  }
};

it('phones and tills on three nodes: reserved, looked at, sold in part, refunded, cancelled, refused', {
  timeout: 120_000,
}, async () => {
  const shop = shops[0]!;
  const offerId = await openOffer(restUrl(), shop, {
    title: 'Coffee',
    points: PRICE,
    stock: 10,
    lowStock: 7,
  });
  const [ana, family] = [await customerOf(people[0]!, 0), await customerOf(people.at(-1)!, 1)];
  const [one, two] = [await cashierOf(shop, 0, 1), await cashierOf(shop, 1, 2)];
  expect(await two.client.command('till.open', { till: 'till-0' })).toMatchObject({ ok: false, code: 409 });
  const low = new Promise(resolve => one.client.on('stock.low', resolve));

  const reserved = await ana.surely('redeem.reserve', { offerId, quantity: 3 });
  if (!reserved.ok) throw new Error(reserved.message);
  const { redemptionId, code, qr, points } = reserved.value;
  expect(points).toBe(3 * PRICE);
  expect(await ana.shows(redemptionId, 'reserved')).toMatchObject({ title: 'Coffee', quantity: 3, code });
  expect([ana.balance, ana.reserved]).toEqual([POINTS, 3 * PRICE]);
  for (const till of [one, two])
    expect(await till.sees(redemptionId, 'reserved')).toMatchObject({ code, title: 'Coffee', quantity: 3 });
  expect(await low).toMatchObject({ offerId, left: 7 });
  for (const typed of [code.toLowerCase(), qr])
    expect(await one.till.command('till.look', { code: typed })).toMatchObject({
      ok: true,
      value: { redemptionId },
    });

  const part = { redemptionId: null, code: qr, quantity: 2 };
  expect(await two.till.command('till.confirm', part)).toEqual({
    ok: true,
    value: { redemptionId, quantity: 2, points: 2 * PRICE },
  });
  expect(await ana.shows(redemptionId, 'confirmed')).toMatchObject({
    quantity: 2,
    balance: POINTS - 2 * PRICE,
    reserved: 0,
  });
  for (const till of [one, two])
    expect(await till.sees(redemptionId, 'confirmed')).toMatchObject({ till: 'till-1', quantity: 2 });

  const back = (quantity: number | null) =>
    one.surely('till.refund', { redemptionId, quantity, restock: true });
  expect(await back(1)).toMatchObject({ ok: true, value: { quantity: 1, points: PRICE } });
  expect(await ana.shows(redemptionId, 'refunded')).toMatchObject({ balance: POINTS - PRICE });
  expect(await back(2)).toMatchObject({ ok: false, code: 409 });
  expect(await back(null)).toMatchObject({ ok: true, value: { quantity: 1 } });

  for (const who of ['phone', 'till'] as const) {
    const again = await family.surely('redeem.reserve', { offerId, quantity: 1 });
    if (!again.ok) throw new Error(again.message);
    const { redemptionId: id } = again.value;
    await one.sees(id, 'reserved');
    const ended =
      who === 'phone'
        ? await family.surely('redeem.cancel', { redemptionId: id })
        : await two.surely('till.refuse', { redemptionId: id });
    expect(ended, who).toMatchObject({ ok: true });
    await family.shows(id, 'cancelled');
    await one.sees(id, 'cancelled');
    const late = await one.surely('till.confirm', { redemptionId: id, code: null, quantity: null });
    expect(late).toMatchObject({ ok: false, code: 410 });
  }
  expect([family.balance, family.reserved]).toEqual([POINTS, 0]);
  await allAgrees([offerId]);
});

/** What a customer and a till do with one redemption when the node goes down, and what may have become of it. */
type Step = 'reserve' | 'opened' | 'look' | 'confirm' | 'part' | 'cancel' | 'refuse' | 'refund';
const STEPS: readonly Step[] = ['reserve', 'opened', 'look', 'confirm', 'part', 'cancel', 'refuse', 'refund'];

it('kill -9 under every step of a redemption: each ends in one way, and everybody agrees about it', {
  timeout: 300_000,
}, async () => {
  const view = await cluster.steady();
  const ownerOf = (kind: 'user' | 'offer', one: string): string | null => view.owners[shardOf(kind, one)]!;
  const [a, b] = ['n2', 'n3'];
  // first the node of the merchant dies, then that of the customers and their offer
  const rounds = [
    {
      victim: a,
      shop: shops.find(shop => ownerOf('user', shop.account.userId) === a)!,
      of: people.filter(one => ownerOf('user', one.userId) !== a),
    },
    {
      victim: b,
      shop: shops.find(shop => ownerOf('user', shop.account.userId) !== b)!,
      of: people.filter(one => ownerOf('user', one.userId) === b),
    },
  ];
  // these end by themselves, at about the time at which the second node dies, which is theirs
  const idle = people.filter(one => ownerOf('user', one.userId) === b).slice(-2);
  const slow = await openOffer(restUrl(), rounds[1]!.shop, { title: 'Cake', points: PRICE, stock: STOCK });
  const forgotten = await Promise.all(
    idle.map(async one => {
      const customer = await customerOf(one, 1);
      const reserved = await customer.surely('redeem.reserve', { offerId: slow, quantity: 1 });
      if (!reserved.ok) throw new Error(reserved.message);
      return { customer, redemptionId: reserved.value.redemptionId };
    }),
  );
  const offers: string[] = [slow];
  const ended = new Map<string, string>();
  const spare = new Set(people.slice(1, -1).filter(one => !idle.includes(one)));
  for (const { victim, shop, of } of rounds) {
    const offerId = await openOffer(restUrl(), shop, { title: 'Bun', points: PRICE, stock: STOCK });
    offers.push(offerId);
    const cashier = await cashierOf(shop, 0, 0);
    const mine = of.filter(one => spare.has(one)).slice(0, STEPS.length);
    for (const one of mine) spare.delete(one);
    const customers = await Promise.all(mine.map((one, i) => customerOf(one, i % 3)));
    const reserve = async (customer: Customer): Promise<string> => {
      const reserved = await customer.surely('redeem.reserve', { offerId, quantity: 2 });
      if (!reserved.ok) throw new Error(`${reserved.code} ${reserved.message}`);
      return reserved.value.redemptionId;
    };
    const sell = (redemptionId: string, quantity: number | null = null) =>
      cashier.surely('till.confirm', { redemptionId, code: null, quantity });

    // everybody stands before his step
    const ready = await Promise.all(
      STEPS.map(async (step, i) => {
        const customer = customers[i % customers.length]!;
        const redemptionId = step === 'reserve' || step === 'opened' ? '' : await reserve(customer);
        if (step === 'refund') expect(await sell(redemptionId)).toMatchObject({ ok: true });
        if (redemptionId !== '' && step !== 'refund') {
          await customer.shows(redemptionId, 'reserved');
          await cashier.sees(redemptionId, 'reserved');
        }
        return { step, customer, redemptionId };
      }),
    );
    const node = cluster.nodes.find(one => one.id === victim)!;
    const going = ready.map(async ({ step, customer, redemptionId: known }) => {
      let redemptionId = known;
      const done = async () => {
        switch (step) {
          case 'reserve':
            redemptionId = await reserve(customer);
            return sell(redemptionId);
          case 'opened':
            redemptionId = await reserve(customer);
            await cashier.sees(redemptionId, 'reserved');
            return sell(redemptionId);
          case 'look': {
            const { code } = customer.redemptions.get(redemptionId)!;
            await cashier.till.command('till.look', { code });
            return sell(redemptionId);
          }
          case 'confirm':
            return sell(redemptionId);
          case 'part':
            return sell(redemptionId, 1);
          case 'cancel':
            return customer.surely('redeem.cancel', { redemptionId });
          case 'refuse':
            return cashier.surely('till.refuse', { redemptionId });
          case 'refund':
            return cashier.surely('till.refund', { redemptionId, quantity: 1, restock: true });
        }
      };
      const result = await done();
      // on a machine that stands still its time may have run out meanwhile: said clearly, and points and stock are back
      if (!result.ok) expect([step, result.code]).toEqual([step, 410]);
      return { step, customer, redemptionId, isLate: !result.ok };
    });
    // some of them are with the store, some on their way
    await pause(15);
    await node.kill();
    const STATE = {
      refund: 'refunded',
      cancel: 'cancelled',
      refuse: 'cancelled',
      expiry: 'expired',
    } as const;
    for (const { step, customer, redemptionId, isLate } of await Promise.all(going)) {
      const state = isLate ? 'expired' : (STATE[step as keyof typeof STATE] ?? 'confirmed');
      ended.set(redemptionId, state === 'refunded' ? 'confirmed' : state);
      await customer.shows(redemptionId, state);
    }
    await node.start();
    await cluster.steady();
  }
  for (const { customer, redemptionId } of forgotten) {
    expect(await customer.shows(redemptionId, 'expired')).toMatchObject({ reserved: 0, balance: POINTS });
    ended.set(redemptionId, 'expired');
  }
  const stored = await rowsOf<{ id: string; state: string }>(
    'select id, state from market.redemption where id = any ($1)',
    [[...ended.keys()]],
  );
  expect(new Map(stored.map(row => [row.id, row.state]))).toEqual(ended);
  await allAgrees(offers);
  expect(await auditedEverywhere()).toEqual([]);
});
