/** Merchants with tills and offers, and points to spend there, for load and for tests with real nodes. */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { MINT_ACCOUNT } from '../../actors/durable.ts';
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

/** Entries from the mint, one for each account; for fresh accounts, while nothing else moves. */
const GIVE = `
with given as (
  select account, transfer, i from unnest($1::uuid[], $2::uuid[]) with ordinality as n(account, transfer, i)
), mint as (
  update ledger.account
  set balance = balance - $3::bigint * cardinality($1::uuid[]), version = version + cardinality($1::uuid[])
  where account_id = '${MINT_ACCOUNT}' and stripe = 0
  returning balance + $3::bigint * cardinality($1::uuid[]) as balance, version - cardinality($1::uuid[]) as version
), moved as (
  insert into ledger.transfer (id, reason, rule_id, rule_version, request_hash, at)
  select transfer, 'grant', 'seed', 1, transfer, date_trunc('milliseconds', clock_timestamp()) from given
), posted as (
  insert into ledger.posting (transfer_id, seq, account_id, stripe, delta, balance_after, account_version_after)
  select g.transfer, 0, '${MINT_ACCOUNT}', 0, -$3::bigint, m.balance - $3::bigint * g.i, m.version + g.i from given g, mint m
  union all
  select g.transfer, 1, g.account, 0, $3::bigint, $3::bigint, 1 from given g
)
update ledger.account a set balance = $3::bigint, version = 1 from given g where a.account_id = g.account and a.version = 0`;

/** Gives each of these fresh accounts so many points. */
export const givePoints = async (
  target: SeedTarget,
  accounts: readonly PhoneIdentity[],
  points: number,
): Promise<void> => {
  const client = new Client({ connectionString: target.town.databaseUrl });
  await client.connect();
  try {
    const transfers = accounts.map(() => uuidv7(Date.now(), randomBytes(10)));
    await client.query(GIVE, [accounts.map(one => one.userId), transfers, points]);
  } finally {
    await client.end();
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
