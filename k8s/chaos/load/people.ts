/** Everybody of a run, in PostgreSQL before the first of them connects: no sign-up is under test here. */
import { randomUUID } from 'node:crypto';
import { withClient } from '../../swarm/postgres.ts';
import { type SeededAccount, seedAccounts } from '../../swarm/seed.ts';
import { givePoints, openOffer, type Shop, seedShops } from '../../swarm/shops.ts';
import type { ChaosTarget } from '../target.ts';
import * as LIMITS from './limits.ts';

export interface ShopOfChaos extends Shop {
  readonly offerId: string;
}

export interface People {
  /** Meet civilians by code. */
  readonly officers: readonly SeededAccount[];
  readonly civilians: readonly SeededAccount[];
  /** Share where they are. */
  readonly beat: readonly SeededAccount[];
  readonly givers: readonly SeededAccount[];
  readonly charities: readonly SeededAccount[];
  readonly shops: readonly ShopOfChaos[];
}

const VERIFY = `
  insert into giving.catalog (id, kind, name, account, status)
  select * from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[])`;

const verify = (databaseUrl: string, charities: readonly SeededAccount[]): Promise<unknown> =>
  withClient(databaseUrl, client =>
    client.query(VERIFY, [
      charities.map(() => randomUUID()),
      charities.map(() => 'charity'),
      charities.map(one => `Soup of ${one.handle}`),
      charities.map(one => one.userId),
      charities.map(() => 'verified'),
    ]),
  );

/** @param seconds of the whole run: no two may meet twice in it */
export const seedCrowd = async (target: ChaosTarget, seconds: number): Promise<People> => {
  const pairs = LIMITS.RATES.meet * seconds;
  const count = Math.ceil(pairs / LIMITS.OFFICERS);
  const civilians = Math.min(LIMITS.CIVILIANS_MAX, Math.max(LIMITS.CIVILIANS_MIN, count));
  const sizes = [
    ['officer', LIMITS.OFFICERS],
    ['officer', LIMITS.BEAT_OFFICERS],
    ['officer', LIMITS.GIVERS],
    ['charity', LIMITS.CHARITIES],
    ['civilian', civilians],
  ] as const;
  const all = await seedAccounts(
    target,
    sizes.flatMap(([kind, size]) => new Array(size).fill(kind)),
  );
  let at = 0;
  const next = (size: number): SeededAccount[] => all.slice(at, (at += size));
  const [officers, beat, givers, charities, rest] = sizes.map(([, size]) => next(size)) as [
    SeededAccount[],
    SeededAccount[],
    SeededAccount[],
    SeededAccount[],
    SeededAccount[],
  ];
  await givePoints(target, [...givers, ...rest], LIMITS.GRANT);
  await verify(target.stores.databaseUrl, charities);
  const shops = await seedShops(target, LIMITS.SHOPS, 1);
  const { rest: restUrl } = target.nodes[0]!.urls;
  const opened: ShopOfChaos[] = [];
  for (const shop of shops) {
    const plan = { title: 'Coffee', points: LIMITS.PRICE, stock: LIMITS.STOCK };
    opened.push({ ...shop, offerId: await openOffer(restUrl, shop, plan) });
  }
  return { officers, beat, givers, charities, civilians: rest, shops: opened };
};
