/**
 * Redemptions at a steady rate, open loop, through sockets: a phone reserves, the till sees it and confirms by the code, both
 * screens know. Everything is durable in between; afterwards points and stock are added up in PostgreSQL.
 */
import { Client } from 'pg';
import type { Bench } from '../bench.ts';
import { Histogram } from '../swarm/histogram.ts';
import { auditLedger } from '../swarm/ledgerAudit.ts';
import { startLoadTown } from '../swarm/loadTown.ts';
import { auditMarket } from '../swarm/marketAudit.ts';
import { cpuSecondsOf } from '../swarm/processCost.ts';
import { anySeed } from '../swarm/random.ts';
import { seedPeople } from '../swarm/seed.ts';
import { givePoints, openOffer, seedShops } from '../swarm/shops.ts';
import { Swarm } from '../swarm/swarm.ts';
import { numberArg } from './args.ts';
import type { LoadedShop, RedeemArgs, RedeemResult } from './redeem.profile.ts';
import { figure, rounded, table } from './table.ts';

const PRICE = 3;
const TILLS = 2;

/** Redemptions that PostgreSQL calls confirmed. */
const confirmedIn = async (databaseUrl: string): Promise<Set<string>> => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const text = `select id from market.redemption where state = 'confirmed'`;
    return new Set((await client.query<{ id: string }>(text)).rows.map(row => row.id));
  } finally {
    await client.end();
  }
};

export const bench: Bench = {
  name: 'redeem',
  description: '300 redemptions a second for 30 s: phone to till to both screens, through sockets',
  help: [
    '--rate N      redemptions a second (300)',
    '--seconds N   for so long (30)',
    '--warm N      seconds at the same rate before, which are not measured (15)',
    '--shops N     merchants with two tills each (20)',
    '--workers N   processes that make the load (1)',
    '--seed N',
  ],
  run: async (report, args) => {
    const perS = numberArg(args, 'rate', 300);
    const seconds = numberArg(args, 'seconds', 30);
    const warmS = numberArg(args, 'warm', 15);
    const total = Math.ceil(perS * (warmS + seconds));
    const seed = numberArg(args, 'seed', anySeed());
    const workers = Math.max(1, numberArg(args, 'workers', 1));
    const shopCount = Math.max(workers, numberArg(args, 'shops', 20));
    report(
      `Seed ${seed}; ${perS} redemptions a second for ${seconds} s at ${shopCount} merchants, behind ${warmS} s that are not measured`,
    );
    const town = await startLoadTown();
    try {
      // nobody redeems more often than every four seconds or so
      const { civilians } = await seedPeople(town, { officers: 0, civilians: Math.ceil(perS * 4) });
      const each = Math.ceil(total / civilians.length) + 1;
      await givePoints(town, civilians, each * PRICE);
      const shops = await seedShops(town, shopCount, TILLS);
      const stock = Math.ceil(total / shopCount) + workers;
      const loaded: LoadedShop[] = [];
      for (const shop of shops) {
        const plan = { title: 'Coffee and a bun', points: PRICE, stock };
        loaded.push({ offerId: await openOffer(town.node.urls.rest, shop, plan), tills: shop.tills });
      }
      const swarm = new Swarm<RedeemResult>({
        profile: import.meta.resolve('./redeem.profile.ts'),
        workers,
        seed,
        args: index =>
          ({
            url: town.node.urls.realtime,
            customers: civilians.filter((_, i) => i % workers === index),
            shops: loaded.filter((_, i) => i % workers === index),
            perS: perS / workers,
            warmS,
            seconds,
          }) satisfies RedeemArgs,
      });
      try {
        await swarm.reached('connected');
        const cpuBefore = await cpuSecondsOf(town.node.pid, town.node.urls.admin);
        const began = performance.now();
        swarm.go('connected');
        await swarm.reached('done');
        const tookS = (performance.now() - began) / 1_000;
        const cores = ((await cpuSecondsOf(town.node.pid, town.node.urls.admin)) - cpuBefore) / tookS;
        swarm.go('done');
        const { results, load, saturated } = await swarm.finished();
        const [reserve, shown, confirm] = [
          Histogram.sum(results.map(one => one.reserve)),
          Histogram.sum(results.map(one => one.shown)),
          Histogram.sum(results.map(one => one.confirm)),
        ];
        const asked = results.reduce((sum, one) => sum + one.asked, 0);
        const done = results.reduce((sum, one) => sum + one.done, 0);
        const spanS = Math.max(seconds, ...results.map(one => one.spanMs / 1_000));
        const told = results.flatMap(one => one.confirmed);
        const stored = await confirmedIn(town.town.databaseUrl);
        const lost = told.filter(id => !stored.has(id)).length;
        const doubled = told.length - new Set(told).size;
        const problems = [
          ...(await auditMarket(town.town.databaseUrl)),
          ...(await auditLedger(town.town.databaseUrl)),
        ];
        const worst = (percent: number): number =>
          Math.max(reserve.percentileMs(percent), confirm.percentileMs(percent));
        report(
          table([
            ['redemptions per second', `${figure(done / spanS, 1)}  (asked for ${perS}, goal 290)`],
            ['on both screens', `${figure(done)} of ${figure(asked)}`],
            ['reserve to answer p50, p99', ms(reserve)],
            ['reserve to the till p50, p99', ms(shown)],
            ['confirm to both p50, p99', `${ms(confirm)}  (goal of both: 60 ms)`],
            ['lost, doubled', `${lost}, ${doubled}`],
            ['server cores', figure(cores, 2)],
          ]),
        );
        for (const failure of results.flatMap(one => one.failures).slice(0, 5)) report(`  ${failure}`);
        for (const problem of problems) report(`  WRONG: ${problem}`);
        if (saturated) report('The generator was at its limit: these latencies contain its own.');
        return {
          redemptions_per_s: rounded(done / spanS, 1),
          p50_ms: rounded(worst(50)),
          p99_ms: rounded(worst(99)),
          reserve_p50_ms: rounded(reserve.percentileMs(50)),
          reserve_p99_ms: rounded(reserve.percentileMs(99)),
          shown_p99_ms: rounded(shown.percentileMs(99)),
          confirm_p50_ms: rounded(confirm.percentileMs(50)),
          confirm_p99_ms: rounded(confirm.percentileMs(99)),
          warm_s: warmS,
          asked,
          done,
          lost,
          doubled,
          problems,
          server_cores: rounded(cores),
          seed,
          generator_saturated: saturated,
          generator_utilization: rounded(load.utilization),
          generator_delay_p99_ms: rounded(load.delayP99Ms, 1),
        };
      } finally {
        await swarm.stop();
      }
    } finally {
      await town.stop();
    }
  },
};

const ms = (histogram: Histogram): string =>
  `${figure(histogram.percentileMs(50), 1)}, ${figure(histogram.percentileMs(99), 1)} ms`;
