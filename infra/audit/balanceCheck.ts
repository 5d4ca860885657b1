/**
 * Is what other systems read in DynamoDB the balance of the ledger? An account whose change still waits in the outbox of the
 * snapshot may be behind; every other one stands there as in the snapshot, or newer: then it must be what the ledger says by now.
 */
import { DynamoDBClient, paginateScan } from '@aws-sdk/client-dynamodb';
import { IdSet } from './idSet.ts';
import { BALANCES_TABLE, IDS_PER_QUESTION, MINT, TARGET, UNKNOWN_MAX } from './limits.ts';
import { Finds } from './report.ts';
import type { Snapshot } from './snapshot.ts';
import { type AwsAt, clientConfig, isMissing } from './stores.ts';

export interface BalanceOptions {
  readonly dynamodb: AwsAt;
  readonly table?: string | undefined;
  /** The table has accounts of other towns, too. */
  readonly shared: boolean;
  readonly say: (line: string) => void;
}

interface Item {
  readonly account: string;
  readonly balance: bigint;
  readonly version: bigint;
}

interface Row {
  readonly id: string;
  readonly balance: string;
  readonly version: string;
}

const ACCOUNTS = `select account_id as id, sum(balance)::text as balance, sum(version)::text as version
  from ledger.account where account_id = any ($1::uuid[]) group by 1`;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const checkBalances = async (
  snapshot: Snapshot,
  options: BalanceOptions,
): Promise<{ looked: number; finds: Finds }> => {
  const client = new DynamoDBClient(clientConfig(options.dynamodb));
  const table = options.table ?? BALANCES_TABLE;
  const check = new BalanceCheck(snapshot, options.shared);
  try {
    await check.begin();
    for await (const items of itemsOf(client, table)) {
      await check.compare(items);
      options.say(`${table}: ${check.looked} items`);
    }
    await check.end();
    return { looked: check.looked, finds: check.finds };
  } finally {
    client.destroy();
  }
};

async function* itemsOf(client: DynamoDBClient, table: string): AsyncGenerator<Item[]> {
  try {
    const pages = paginateScan({ client }, { TableName: table, ConsistentRead: true });
    for await (const { Items = [] } of pages) {
      yield Items.map(item => ({
        account: item.pk?.S ?? '',
        balance: BigInt(item.balance?.N ?? 0),
        version: BigInt(item.version?.N ?? 0),
      }));
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

class BalanceCheck {
  readonly finds = new Finds();
  looked = 0;
  readonly #snapshot: Snapshot;
  readonly #shared: boolean;
  readonly #seen = new IdSet();
  readonly #waiting = new IdSet();
  readonly #newer: Item[] = [];

  constructor(snapshot: Snapshot, shared: boolean) {
    this.#snapshot = snapshot;
    this.#shared = shared;
  }

  /** Accounts that may be behind. */
  async begin(): Promise<void> {
    const rows = this.#snapshot.pages<{ id: string | null }>(
      `select unnest(keys) as id from ops.outbox where target = ${TARGET.balances}`,
    );
    for await (const page of rows) for (const { id } of page) if (id !== null) this.#waiting.add(id);
  }

  async compare(items: readonly Item[]): Promise<void> {
    for (let at = 0; at < items.length; at += IDS_PER_QUESTION) {
      await this.#some(items.slice(at, at + IDS_PER_QUESTION));
    }
  }

  async #some(items: readonly Item[]): Promise<void> {
    this.looked += items.length;
    const ours = items.filter(({ account }) => UUID.test(account));
    const rows = await this.#snapshot.rows<Row>(ACCOUNTS, [ours.map(({ account }) => account)]);
    const accounts = new Map(rows.map(row => [row.id, row]));
    for (const item of items) {
      if (!UUID.test(item.account)) {
        if (!this.#shared) this.finds.add(item.account, 'is no account, and has a balance in DynamoDB');
        continue;
      }
      this.#seen.add(item.account);
      const row = accounts.get(item.account);
      if (row === undefined || item.version > BigInt(row.version)) {
        if (this.#newer.length < UNKNOWN_MAX) this.#newer.push(item);
      } else if (item.version < BigInt(row.version)) {
        if (!this.#waiting.has(item.account)) this.finds.add(item.account, behind(item, row));
      } else if (item.balance !== BigInt(row.balance)) this.finds.add(item.account, other(item, row));
    }
  }

  async end(): Promise<void> {
    for (let at = 0; at < this.#newer.length; at += IDS_PER_QUESTION) {
      await this.#ahead(this.#newer.slice(at, at + IDS_PER_QUESTION));
    }
    const accounts = this.#snapshot.pages<Row>(
      `select account_id as id, sum(balance)::text as balance, sum(version)::text as version
       from ledger.account where account_id <> '${MINT}' group by 1 having sum(version) > 0`,
    );
    for await (const page of accounts) {
      for (const { id, balance, version } of page) {
        if (this.#seen.has(id) || this.#waiting.has(id)) continue;
        this.finds.add(id, `has ${balance} points at version ${version} and is not in DynamoDB`);
      }
    }
  }

  /** Newer than the snapshot: the ledger has moved on meanwhile, or somebody made it up. */
  async #ahead(items: readonly Item[]): Promise<void> {
    const ids = items.map(({ account }) => account);
    const rows = await this.#snapshot.now<Row>(ACCOUNTS, [ids]);
    const accounts = new Map(rows.map(row => [row.id, row]));
    const postings = await this.#snapshot.now<{ id: string; balance: string; stripes: number }>(
      `select n.account as id, p.balance_after::text as balance,
         (select count(*)::int from ledger.account a where a.account_id = n.account) as stripes
       from unnest($1::uuid[], $2::bigint[]) as n(account, version)
         join ledger.posting p on p.account_id = n.account and p.account_version_after = n.version`,
      [ids, items.map(({ version }) => String(version))],
    );
    const then = new Map(postings.filter(one => one.stripes === 1).map(one => [one.id, one.balance]));
    for (const item of items) {
      const row = accounts.get(item.account);
      if (row === undefined) {
        if (!this.#shared) this.finds.add(item.account, 'is no account, and has a balance in DynamoDB');
      } else if (item.version > BigInt(row.version)) this.finds.add(item.account, other(item, row));
      else {
        const balance = item.version === BigInt(row.version) ? row.balance : then.get(item.account);
        if (balance !== undefined && BigInt(balance) !== item.balance) {
          this.finds.add(item.account, other(item, { ...row, balance, version: String(item.version) }));
        }
      }
    }
  }
}

const behind = (item: Item, { balance, version }: Row): string =>
  `has ${balance} points at version ${version}, DynamoDB still says ${item.balance} at ${item.version} and nothing waits to be told`;
const other = (item: Item, { balance, version }: Row): string =>
  `has ${balance} points at version ${version}, DynamoDB says ${item.balance} at ${item.version}`;
