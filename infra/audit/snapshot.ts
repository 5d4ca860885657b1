/**
 * One moment of PostgreSQL: a read-only transaction that sees the same rows however long the audit takes, while everybody
 * else goes on. A second connection is asked where a follower may know more than that moment.
 */
import pg from 'pg';
import { CONNECT_MS_MAX, FETCH_ROWS, STATEMENT_MS_MAX } from './limits.ts';

export class Snapshot {
  readonly #client: pg.Client;
  readonly #fresh: pg.Client;
  /** By the clock of PostgreSQL. */
  readonly atMs: number;

  private constructor(client: pg.Client, fresh: pg.Client, atMs: number) {
    this.#client = client;
    this.#fresh = fresh;
    this.atMs = atMs;
  }

  /** What a transaction sees that `client` is in already. */
  static async within(client: pg.Client): Promise<Snapshot> {
    const { rows } = await client.query('select (extract(epoch from now()) * 1000)::float8 as ms');
    return new Snapshot(client, client, Math.floor(rows[0].ms as number));
  }

  /** @param url of a role that reads and nothing else */
  static async open(url: string): Promise<Snapshot> {
    const clients = [client(url), client(url)] as const;
    try {
      await Promise.all(clients.map(one => one.connect()));
      await clients[0].query('begin transaction isolation level repeatable read, read only');
      const { atMs } = await Snapshot.within(clients[0]);
      return new Snapshot(clients[0], clients[1], atMs);
    } catch (error) {
      await Promise.all(clients.map(one => one.end().catch(() => {})));
      throw error;
    }
  }

  async rows<T>(text: string, values: readonly unknown[] = []): Promise<T[]> {
    return (await this.#client.query(text, [...values])).rows as T[];
  }

  /** As it is by now. */
  async now<T>(text: string, values: readonly unknown[] = []): Promise<T[]> {
    return (await this.#fresh.query(text, [...values])).rows as T[];
  }

  /** Many rows, some at a time. @param name of its own for who reads beside others */
  async *pages<T>(text: string, values: readonly unknown[] = [], name = 'page'): AsyncGenerator<T[]> {
    await this.#client.query(`declare ${name} no scroll cursor for ${text}`, [...values]);
    try {
      for (;;) {
        const { rows } = await this.#client.query(`fetch ${FETCH_ROWS} from ${name}`);
        if (rows.length === 0) return;
        yield rows as T[];
      }
    } finally {
      await this.#client.query(`close ${name}`).catch(() => {});
    }
  }

  /** Whether there is such a table (`ledger.pending`): an older schema lacks some. */
  async has(table: string): Promise<boolean> {
    return (await this.rows<{ found: boolean }>('select to_regclass($1) is not null as found', [table]))[0]!
      .found;
  }

  async close(): Promise<void> {
    await Promise.all([this.#client, this.#fresh].map(one => one.end().catch(() => {})));
  }
}

const client = (url: string): pg.Client => {
  const made = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    application_name: 'heyblue audit',
    keepAlive: true,
    options: `-c default_transaction_read_only=on -c statement_timeout=${STATEMENT_MS_MAX} -c jit=off -c work_mem=64MB`,
  });
  made.on('error', () => {}); // the query that is lost tells
  return made;
};
