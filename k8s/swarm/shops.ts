/** Merchants with tills and offers, and points to spend there, for load and for tests with real nodes. */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { MINT_ACCOUNT, type TransferOp } from '../../actors/durable.ts';
import { PgCommitStore } from '../../infra/postgres/commitStore.ts';
import { uuidv7 } from '../../protocol/index.ts';
import type { PhoneIdentity } from './phone.ts';
import { RestClient } from './rest.ts';
import { type SeededAccount, type SeedTarget, seedAccounts } from './seed.ts';
import { tokenMaker } from './tokens.ts';

export interface Shop {
  readonly account: SeededAccount;
  /** One for each till: devices of the account. */
  readonly tills: readonly PhoneIdentity[];
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const TOKEN_TTL_S = 6 * 3_600;

export const seedShops = async (target: SeedTarget, count: number, tills: number): Promise<Shop[]> => {
  const makeToken = tokenMaker(target.dataDir, TOKEN_TTL_S);
  const accounts = await seedAccounts(target, new Array(count).fill('merchant'));
  const till = async ({ userId, kind, handle }: SeededAccount, i: number): Promise<PhoneIdentity> => {
    const deviceId = `till-${i}`;
    return { userId, deviceId, token: await makeToken({ userId, kind, handle, deviceId }) };
  };
  return Promise.all(
    accounts.map(async account => ({
      account,
      tills: await Promise.all(Array.from({ length: tills }, (_, i) => till(account, i))),
    })),
  );
};

/** Grants that are committed at once: as many as a node's group takes. */
const GROUP = 512;
/** Shards are handed on while a cluster comes up, and their epochs rise. */
const TRIES_MAX = 20;

/**
 * Gives each of these fresh accounts so many points, by the way that all points go: the ledger's one statement, with what it
 * tells the publishers, so that every follower hears of them and an auditor finds them everywhere.
 */
export const givePoints = async (
  target: SeedTarget,
  accounts: readonly PhoneIdentity[],
  points: number,
): Promise<void> => {
  const client = new Client({ connectionString: target.town.databaseUrl });
  const store = new PgCommitStore({ url: target.town.databaseUrl, log: silent, connections: 1 });
  await Promise.all([client.connect(), store.tried()]);
  try {
    for (let at = 0; at < accounts.length; at += GROUP) {
      const ops = accounts.slice(at, at + GROUP).map(one => grant(one.userId, points));
      await commitUnderFence(client, store, ops);
    }
  } finally {
    await Promise.all([client.end(), store.close()]);
  }
};

const grant = (account: string, points: number): TransferOp => ({
  type: 'transfer',
  id: uuidv7(Date.now(), randomBytes(10)),
  reason: 'grant',
  legs: [
    { account: MINT_ACCOUNT, delta: -points },
    { account, delta: points },
  ],
  rule: { id: 'seed', version: 1 },
  idempotency: null,
});

/** Under whatever epoch some shard has by now: credits need no owner of theirs. */
const commitUnderFence = async (
  client: Client,
  store: PgCommitStore,
  ops: readonly TransferOp[],
): Promise<void> => {
  for (let attempt = 1; ; attempt++) {
    const fence = 'select shard, epoch::float8 as epoch from ops.shard_fence order by shard limit 1';
    const { shard, epoch } = (await client.query<{ shard: number; epoch: number }>(fence)).rows[0]!;
    const outcomes = await store.commit(ops.map(op => ({ shard, epoch, op })));
    const refused = outcomes.find(({ code }) => code !== 'created' && code !== 'exists');
    if (refused === undefined) return;
    if (refused.code !== 'stale_epoch' || attempt === TRIES_MAX)
      throw new Error(`points were given as ${refused.code}`);
  }
};

export interface OfferPlan {
  readonly title: string;
  readonly points: number;
  readonly stock: number;
  readonly perUserMax?: number;
  readonly lowStock?: number;
}

/** Writes an offer, brings its stock and publishes it, as a merchant does; its id. */
export const openOffer = async (restUrl: string, shop: Shop, plan: OfferPlan): Promise<string> => {
  const rest = new RestClient(restUrl);
  const { token } = shop.account;
  const { stock, ...body } = plan;
  const post = async (path: string, sent?: object): Promise<{ readonly id: string }> => {
    const headers = { 'idempotency-key': crypto.randomUUID() };
    const answer = await rest.call<{ id: string }>('POST', path, {
      token,
      headers,
      ...(sent && { body: sent }),
    });
    if (answer.status >= 300)
      throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const { id } = await post('/v1/offers', body);
  if (stock > 0)
    await post(`/v1/offers/${id}/stock`, { delta: stock, kind: 'receipt', reason: 'the first delivery' });
  await post(`/v1/offers/${id}/publish`);
  return id;
};
