/** What starting actors read of the market costs what it finds, and not what a busy merchant ever sold. */
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { LAST_SALES } from './marketReads.ts';
import { type TestDatabase, testDatabase } from './testDatabase.ts';

const MERCHANTS = 10;
const SALES = 20_000;

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await testDatabase(inject('databaseUrl'));
  client = new pg.Client({ connectionString: database.ownerUrl });
  await client.connect();
  await client.query(`insert into market.redemption (id, user_id, merchant, offer_id, quantity, points, code, state, rule_id,
      rule_version, at, expires_at, settled_at, transfer_id, sold_quantity, sold_points)
    select gen_random_uuid(), gen_random_uuid(), md5((i % ${MERCHANTS})::text)::uuid, gen_random_uuid(), 1, 10, i::text,
      'confirmed', 'price', 1, now(), now(), now() - i * interval '1 second', gen_random_uuid(), 1, 10
    from generate_series(1, ${SALES}) i`);
  await client.query(`insert into ledger.posting
    select transfer_id, 0, user_id, 0, -10, 0, 1 from market.redemption
    union all
    select transfer_id, 1, merchant, 0, 10, 0, row_number() over (partition by merchant order by settled_at)
    from market.redemption`);
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

/** As the lines of the actors ask. */
const plan = async (): Promise<string> => {
  await client.query('set plan_cache_mode = force_generic_plan; set enable_seqscan = off');
  await client.query(`prepare last_sales (uuid, bigint) as ${LAST_SALES}`);
  const { rows } = await client.query("explain execute last_sales (md5('1')::uuid, 128)");
  await client.query('deallocate last_sales');
  return JSON.stringify(rows);
};

it('the last sales of a merchant, whatever PostgreSQL knows of the tables', async () => {
  for (const known of [await plan(), await client.query('analyze').then(plan)]) {
    expect(known).toContain('posting_pkey');
    for (const everything of ['posting_history', 'Hash']) expect(known).not.toContain(everything);
  }
});
