/**
 * A flash sale: thousands of phones ask at the same moment for a hundred items, on three nodes, and the node on which the offer
 * lives is ended by kill -9 in the middle of it. Then the till hands out what was reserved, and everybody is asked what they
 * have: nothing is sold twice, nobody paid for nothing.
 */
import { Client } from 'pg';
import { shardOf } from '../../protocol/index.ts';
import type { Bench } from '../bench.ts';
import { type Cluster, startCluster } from '../swarm/clusterTown.ts';
import { inParallel } from '../swarm/crowd.ts';
import { auditLedger } from '../swarm/ledgerAudit.ts';
import { auditMarket } from '../swarm/marketAudit.ts';
import { Phone } from '../swarm/phone.ts';
import { anySeed } from '../swarm/random.ts';
import { RestClient } from '../swarm/rest.ts';
import { type SeededPerson, seedPeople } from '../swarm/seed.ts';
import { givePoints, openOffer, type Shop, seedShops } from '../swarm/shops.ts';
import { Swarm } from '../swarm/swarm.ts';
import { flagArg, numberArg } from './args.ts';
import type { FlashArgs, FlashResult } from './flashsale.profile.ts';
import { figure, rounded, table } from './table.ts';

const PRICE = 7;
const POINTS = 20;
const CONFIRM_TRIES = 200;

interface Stored {
  readonly id: string;
  readonly user_id: string;
  readonly state: string;
}

const read = async <T extends object>(databaseUrl: string, text: string): Promise<T[]> => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
};

/** Hands out everything that was reserved, as often as it takes; how many the till was told are paid. */
const handOut = async (cluster: Cluster, shop: Shop, ids: readonly string[]): Promise<number> => {
  const alive = cluster.nodes.filter(node => node.isRunning);
  let at = 0;
  const till = new Phone({
    url: () => alive[at++ % alive.length]!.urls.realtime,
    identity: shop.tills[0]!,
  });
  const keys = ids.map(redemptionId => ({ redemptionId, key: crypto.randomUUID(), sold: false }));
  for (let tries = 0; tries < CONFIRM_TRIES && keys.some(one => !one.sold); tries++) {
    if (!till.isConnected) {
      await till.connect(tries > 0).catch(() => null);
      await till.command('till.open', { till: 'the till' });
    }
    for (const one of keys.filter(each => !each.sold)) {
      const body = { redemptionId: one.redemptionId, code: null, quantity: null };
      const answer = await till.command('till.confirm', body, one.key);
      one.sold = answer.ok;
      if (!answer.ok) break;
    }
  }
  till.drop();
  return keys.filter(one => one.sold).length;
};

/** People whose actor and whose row in the ledger are not what their own purchases make them. */
const wrongBalances = async (
  cluster: Cluster,
  people: readonly SeededPerson[],
  bought: ReadonlyMap<string, number>,
): Promise<number> => {
  const rows = await read<{ account_id: string; balance: string; reserved: string }>(
    cluster.town.databaseUrl,
    'select account_id, balance, reserved from ledger.account where stripe = 0',
  );
  const stored = new Map(rows.map(row => [row.account_id, [Number(row.balance), Number(row.reserved)]]));
  const alive = cluster.nodes.filter(node => node.isRunning);
  let wrong = 0;
  const asked = await inParallel(people, async ({ userId, token }, i) => {
    const is = POINTS - PRICE * (bought.get(userId) ?? 0);
    const { balance } = await new RestClient(alive[i % alive.length]!.urls.rest).balance(token);
    const [row, aside] = stored.get(userId) ?? [];
    if (balance !== is || row !== is || aside !== 0) wrong++;
  });
  if (asked.failed > 0) throw asked.first;
  return wrong;
};

export const bench: Bench = {
  name: 'flashsale',
  description: '5,000 phones at once for 100 items on three nodes, one of them killed in the middle',
  help: [
    '--phones N    so many ask (5000)',
    '--items N     so many there are (100)',
    '--workers N   processes that make the load (2)',
    '--calm        no node is killed',
    '--seed N',
  ],
  run: async (report, args) => {
    const phones = numberArg(args, 'phones', 5_000);
    const items = numberArg(args, 'items', 100);
    const workers = Math.max(1, numberArg(args, 'workers', 2));
    const seed = numberArg(args, 'seed', anySeed());
    const calm = flagArg(args, 'calm');
    report(`Seed ${seed}; ${figure(phones)} phones for ${items} items on three nodes`);
    const cluster = await startCluster({ nodes: 3, wires: false });
    try {
      const target = { town: cluster.town, dataDir: cluster.dataDir };
      const { civilians } = await seedPeople(target, { officers: 0, civilians: phones });
      await givePoints(target, civilians, POINTS);
      const [shop] = (await seedShops(target, 1, 1)) as [Shop];
      const view = await cluster.steady();
      const plan = { title: 'One of a hundred', points: PRICE, stock: items, perUserMax: 1 };
      const offerId = await openOffer(cluster.nodes[0]!.urls.rest, shop, plan);
      const owner = view.owners[shardOf('offer', offerId)];
      const victim = cluster.nodes.find(node => node.id === owner) ?? cluster.nodes[1]!;
      let killed: Promise<void> | null = null;
      const swarm = new Swarm<FlashResult>({
        profile: import.meta.resolve('./flashsale.profile.ts'),
        workers,
        seed,
        args: index =>
          ({
            urls: cluster.nodes.map(node => node.urls.realtime),
            customers: civilians.filter((_, i) => i % workers === index),
            offerId,
          }) satisfies FlashArgs,
        onProgress: () => {
          if (calm || killed !== null) return;
          report(`  kill -9 of ${victim.id}, where the offer lives`);
          killed = victim.kill();
        },
      });
      try {
        await swarm.pass('connected');
        const { results, load, saturated } = await swarm.finished();
        await killed;
        const got = results.flatMap(one => one.got);
        const others = results.flatMap(one => one.others);
        const reserved = await read<Stored>(
          cluster.town.databaseUrl,
          'select id, user_id, state from market.redemption',
        );
        const handed = await handOut(
          cluster,
          shop,
          reserved.map(row => row.id),
        );
        const stored = await read<Stored>(
          cluster.town.databaseUrl,
          `select id, user_id, state from market.redemption where state = 'confirmed'`,
        );
        const bought = new Map<string, number>();
        for (const { user_id } of stored) bought.set(user_id, (bought.get(user_id) ?? 0) + 1);
        const told = new Set(got.map(one => one.redemptionId));
        const known = new Set(stored.map(row => row.id));
        // what a phone was promised and the store does not have, and what the store has and no phone was told of
        const lost = got.filter(one => !known.has(one.redemptionId)).length;
        const silent = stored.filter(row => !told.has(row.id)).length;
        const wrong = await wrongBalances(cluster, civilians, bought);
        const problems = [
          ...(await auditMarket(cluster.town.databaseUrl)),
          ...(await auditLedger(cluster.town.databaseUrl)),
          ...cluster.crashes,
        ];
        const seconds = Math.max(...results.map(one => one.tookMs)) / 1_000;
        const reconnects = results.reduce((sum, one) => sum + one.reconnects, 0);
        const soldOut = results.reduce((sum, one) => sum + one.soldOut, 0);
        report(
          table([
            ['sold', `${stored.length}  (goal ${items}; handed out ${handed})`],
            ['oversold', `${Math.max(0, stored.length - items)}  (goal 0)`],
            ['wrong balances', `${wrong}  (goal 0)`],
            ['told that nothing is left', figure(soldOut)],
            ['lost, not told', `${lost}, ${silent}`],
            ['reconnects', figure(reconnects)],
            ['until everybody knew', `${figure(seconds, 1)} s`],
          ]),
        );
        for (const other of others.slice(0, 5)) report(`  ${other}`);
        for (const problem of problems) report(`  WRONG: ${problem}`);
        return {
          sold: stored.length,
          oversold: Math.max(0, stored.length - items),
          wrong_balances: wrong,
          seconds: rounded(seconds, 1),
          phones,
          told_sold_out: soldOut,
          lost,
          not_told: silent,
          others,
          problems,
          reconnects,
          killed: killed === null ? 0 : 1,
          seed,
          generator_saturated: saturated,
          generator_utilization: rounded(load.utilization),
        };
      } finally {
        await swarm.stop();
      }
    } finally {
      await cluster.stop();
    }
  },
};
