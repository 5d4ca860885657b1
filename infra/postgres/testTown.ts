/** The stores in PostgreSQL, in a database of their own, as the contract suites want them. */
import type { StoreTown } from '../../nodes/contracts/town.ts';
import type { Log } from '../../nodes/ports.ts';
import { systemScheduler } from '../clock.ts';
import { systemRandom } from '../random.ts';
import { PgCommitStore } from './commitStore.ts';
import { PgDirectory } from './directory.ts';
import { PgEpochStore } from './epochStore.ts';
import { PgGivingStore } from './givingStore.ts';
import { PgNoteStore } from './noteStore.ts';
import { openOrm } from './orm.ts';
import { PgQueryStore } from './queryStore.ts';
import { type TestDatabase, testDatabase } from './testDatabase.ts';

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

export async function postgresTown(
  serverUrl: string,
): Promise<StoreTown & { readonly database: TestDatabase }> {
  const database = await testDatabase(serverUrl);
  const url = database.appUrl;
  const random = systemRandom();
  const orm = await openOrm(url, silent);
  const commitStore = new PgCommitStore({ url, log: silent });
  const epochStore = new PgEpochStore({ url, log: silent });
  const queryStore = new PgQueryStore({ url, log: silent, scheduler: systemScheduler });
  const noteStore = new PgNoteStore({ url, log: silent });
  const givingStore = new PgGivingStore({ url, log: silent });
  const stores = [commitStore, epochStore, queryStore, noteStore, givingStore];
  const directory = new PgDirectory(orm, { random, nowMs: Date.now, onEvent: () => {} });
  await Promise.all(stores.map(store => store.tried()));
  return {
    database,
    commitStore,
    epochStore,
    queryStore,
    noteStore,
    directory,
    givingStore,
    closeAccount: async id => {
      await database.sql('update ledger.account set closed = true where account_id = $1', [id]);
    },
    limitDebits: async (id, entryMax, dayMax) => {
      await database.sql('select ledger.set_debit_limit($1, $2, $3)', [id, entryMax, dayMax]);
    },
    endPending: async id => {
      await database.sql('update ledger.pending set expires_at = now() where id = $1', [id]);
    },
    reservedOf: async id => {
      const sql = 'select reserved::int as n from ledger.account where account_id = $1';
      return Number((await database.sql(sql, [id]))[0]?.n);
    },
    endCooldown: async (officer, civilian) => {
      const sql = 'update meet.pair_state set next_at = now() where officer = $1 and civilian = $2';
      await database.sql(sql, [officer, civilian]);
    },
    sums: async () => {
      const sql = `select (select sum(delta) from ledger.posting)::int as postings,
        (select sum(balance) from ledger.account)::int as accounts`;
      const [row] = await database.sql(sql);
      return { postings: Number(row?.postings), accounts: Number(row?.accounts) };
    },
    uuid: () => random.uuid(Date.now()),
    async close() {
      await Promise.all(stores.map(store => store.close()));
      await orm.close(true);
      await database.drop();
    },
  };
}
