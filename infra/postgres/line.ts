/**
 * One connection that comes back by itself, for one statement at a time.
 *
 * A pool hides what matters here: whether a statement had left when the connection broke, and which server process may
 * still be working on it. A line knows both. It connects again with a growing pause, refuses at once while it is down,
 * and gives up a server that stays silent.
 */
import pg from 'pg';
import type { Log } from '../../nodes/ports.ts';
import { CommitError } from '../../nodes/ports.ts';
import { commitError } from './faults.ts';
import { CONNECT_MS_MAX, RECONNECT_MS_MAX, RECONNECT_MS_MIN } from './limits.ts';
import { liveUrl } from './liveUrl.ts';

/** A server process, so that nobody else with the same number is mistaken for it. */
export interface Backend {
  readonly pid: number;
  readonly startedAt: string;
}

export interface Statement {
  /** Prepared once per connection under this name. */
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

export interface LineOptions {
  readonly url: string;
  readonly name: string;
  readonly log: Log;
  /** Run-time settings of the session, `{ statement_timeout: '5000' }`. */
  readonly settings: Readonly<Record<string, string>>;
  readonly silenceMsMax: number;
  /** A statement was lost under way: this backend may still carry it out. */
  readonly onLost?: (backend: Backend) => void;
  readonly onUp?: () => void;
}

export class Line {
  readonly #options: LineOptions;
  #client: pg.Client | null = null;
  #backend: Backend | null = null;
  #busy = false;
  #closed = false;
  #pauseMs = RECONNECT_MS_MIN;
  #timer: NodeJS.Timeout | null = null;
  /** The client that is not connected yet. */
  #coming: pg.Client | null = null;
  #connecting: Promise<void>;

  constructor(options: LineOptions) {
    this.#options = options;
    this.#connecting = this.#connect();
  }

  get up(): boolean {
    return this.#client !== null;
  }

  /** Resolves after the first try to connect, whatever came of it. */
  get tried(): Promise<void> {
    return this.#connecting;
  }

  /**
   * Runs a statement; rows come as arrays.
   *
   * @throws CommitError that says what is proven
   */
  async run(statement: Statement): Promise<unknown[][]> {
    const client = this.#client;
    if (!client) throw new CommitError('unavailable', `no connection to PostgreSQL (${this.#options.name})`);
    if (this.#busy) throw new Error('a line carries one statement at a time');
    this.#busy = true;
    const silence = setTimeout(() => {
      this.#options.log.warn({ line: this.#options.name }, 'PostgreSQL is silent, giving up the connection');
      this.#drop(client);
      destroy(client);
    }, this.#options.silenceMsMax);
    try {
      const result = await client.query({
        name: statement.name,
        text: statement.text,
        values: statement.values as unknown[],
        rowMode: 'array',
      });
      return result.rows as unknown[][];
    } catch (error) {
      const fault = commitError(error, true);
      if (fault.fault === 'unknown' && this.#backend) this.#options.onLost?.(this.#backend);
      if (fault.fault === 'unknown') {
        this.#drop(client);
        destroy(client);
      }
      throw fault;
    } finally {
      clearTimeout(silence);
      this.#busy = false;
      if (this.#client === null) this.#again();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = null;
    if (this.#coming) destroy(this.#coming);
    await this.#connecting;
    if (client) await Promise.race([client.end().catch(() => {}), pause(CONNECT_MS_MAX)]);
  }

  /** Throws when a file that the URL names (`sslrootcert`) cannot be read. */
  #newClient(): pg.Client {
    const { url, settings, name } = this.#options;
    return new pg.Client({
      connectionString: liveUrl(url),
      connectionTimeoutMillis: CONNECT_MS_MAX,
      keepAlive: true,
      application_name: `heyblue ${name}`,
      options: Object.entries(settings)
        .map(([key, value]) => `-c ${key}=${value}`)
        .join(' '),
    });
  }

  async #connect(): Promise<void> {
    const { name, log } = this.#options;
    let client: pg.Client;
    try {
      client = this.#newClient();
    } catch (error) {
      log.warn({ line: name, error: (error as Error).message }, 'cannot connect to PostgreSQL');
      return this.#again();
    }
    client.on('error', error => {
      // a connection that is ended says so twice, with its last word and with its socket: by then another may be on its way
      if (this.#client !== client) return;
      log.warn({ line: name, error: error.message }, 'connection to PostgreSQL lost');
      this.#drop(client);
      if (!this.#busy) this.#again();
    });
    this.#coming = client;
    // also a server that accepts and then says nothing is away
    const silence = setTimeout(() => destroy(client), CONNECT_MS_MAX);
    try {
      await client.connect();
      const found = await client.query(
        'select pid, backend_start::text as started from pg_stat_activity where pid = pg_backend_pid()',
      );
      if (this.#closed) return destroy(client);
      this.#backend = { pid: found.rows[0].pid as number, startedAt: found.rows[0].started as string };
      this.#client = client;
      this.#pauseMs = RECONNECT_MS_MIN;
      this.#options.onUp?.();
    } catch (error) {
      log.warn({ line: name, error: (error as Error).message }, 'cannot connect to PostgreSQL');
      destroy(client);
      this.#again();
    } finally {
      clearTimeout(silence);
      this.#coming = null;
    }
  }

  #drop(client: pg.Client): void {
    if (this.#client === client) this.#client = null;
  }

  #again(): void {
    if (this.#closed || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#connecting = this.#connect();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, RECONNECT_MS_MAX);
  }
}

/** Ends it without the polite words, which would wait for a server that says nothing. */
function destroy(client: pg.Client): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms).unref());
