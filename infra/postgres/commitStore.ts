/**
 * The durable store of gated operations in PostgreSQL: a group is one call of `ledger.commit_group` on a connection that
 * does nothing else, committed by itself.
 *
 * A look-up after a lost connection must answer for good. A server process whose client is gone can still carry out what
 * it had received, so `lookup` first makes sure that every backend we lost has ended; only then does "not there" prove
 * "not applied".
 */
import type { Committed } from '../../actors/durable.ts';
import {
  type CommitEntry,
  CommitError,
  type CommitStore,
  type EntryOutcome,
  type Log,
} from '../../nodes/ports.ts';
import {
  COMMIT_PARAMETERS,
  type CommitRow,
  decodeOutcomes,
  type Effects,
  encodeGroup,
} from './commitCodec.ts';
import {
  COMMIT_CONNECTIONS,
  COMMIT_LOCK_MS_MAX,
  COMMIT_SILENCE_MS_MAX,
  COMMIT_STATEMENT_MS_MAX,
  MINT_STRIPES,
  TERMINATE_MS_MAX,
} from './limits.ts';
import { type Backend, Line } from './line.ts';

const COMMIT_TEXT = `select * from ledger.commit_group(${Array.from({ length: COMMIT_PARAMETERS }, (_, i) => `$${i + 1}`).join(', ')})`;

export interface PgCommitStoreOptions {
  readonly url: string;
  readonly log: Log;
  /** Groups that may be under way at once. */
  readonly connections?: number;
  /** First row of the mint that this node uses; its connections take the following ones. */
  readonly mintStripe?: number;
}

interface Waiting {
  readonly resolve: (line: Line) => void;
  readonly reject: (error: CommitError) => void;
}

export class PgCommitStore implements CommitStore {
  readonly #lines: Line[];
  readonly #stripe: number;
  readonly #side: Line;
  readonly #waiting: Waiting[] = [];
  readonly #taken = new Set<Line>();
  #lost: Backend[] = [];
  #lookups: Promise<unknown> = Promise.resolve();

  constructor(options: PgCommitStoreOptions) {
    const { url, log, connections = COMMIT_CONNECTIONS } = options;
    this.#stripe = options.mintStripe ?? 0;
    const settings = {
      statement_timeout: `${COMMIT_STATEMENT_MS_MAX}`,
      lock_timeout: `${COMMIT_LOCK_MS_MAX}`,
      // one plan per statement of the function, made once: the arrays differ, what to do with them does not
      plan_cache_mode: 'force_generic_plan',
      jit: 'off',
    };
    const onLost = (backend: Backend) => this.#lost.push(backend);
    const line = (name: string) =>
      new Line({
        url,
        log,
        name,
        settings,
        silenceMsMax: COMMIT_SILENCE_MS_MAX,
        onLost,
        onUp: () => queueMicrotask(() => this.#hand()),
      });
    this.#lines = Array.from({ length: connections }, (_, i) => line(`commit ${i}`));
    this.#side = line('lookup');
  }

  /** Resolves after the first try to connect. */
  async tried(): Promise<void> {
    await Promise.all([...this.#lines, this.#side].map(line => line.tried));
  }

  get up(): boolean {
    return this.#lines.some(line => line.up);
  }

  async commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    const line = await this.#take();
    try {
      const group = encodeGroup(entries, (this.#stripe + this.#lines.indexOf(line)) % MINT_STRIPES);
      if (group.values === null) return decodeOutcomes(entries, group, null);
      const rows = await line.run({ name: 'commit_group', text: COMMIT_TEXT, values: group.values });
      return decodeOutcomes(entries, group, rows[0] as unknown as CommitRow);
    } finally {
      this.#taken.delete(line);
      this.#hand();
    }
  }

  lookup(ids: readonly string[]): Promise<(Committed | null)[]> {
    const next = this.#lookups.then(() => this.#lookup(ids));
    this.#lookups = next.catch(() => {});
    return next;
  }

  async close(): Promise<void> {
    for (const { reject } of this.#waiting.splice(0)) reject(new CommitError('unavailable', 'closing'));
    await Promise.all([...this.#lines, this.#side].map(line => line.close()));
  }

  async #lookup(ids: readonly string[]): Promise<(Committed | null)[]> {
    await this.#endLost();
    const rows = await this.#side.run({
      name: 'effects_of',
      text: 'select ledger.effects_of($1)',
      values: [ids],
    });
    const effects = rows[0]![0] as Effects;
    return ids.map(id => {
      const effect = effects[id];
      return effect ? { id, code: 'exists', atMs: effect.atMs, postings: effect.postings ?? [] } : null;
    });
  }

  async #endLost(): Promise<void> {
    for (const backend of [...this.#lost]) {
      const rows = await this.#side.run({
        name: 'end_backend',
        text: `select pg_terminate_backend(pid, $3) from pg_stat_activity where pid = $1 and backend_start = $2`,
        values: [backend.pid, backend.startedAt, TERMINATE_MS_MAX],
      });
      if (rows[0]?.[0] === false) {
        throw new CommitError('unavailable', `backend ${backend.pid} is still ending`);
      }
      this.#lost = this.#lost.filter(one => one !== backend);
    }
  }

  /** Takes a connection with nothing under way, waits for one while all are busy, refuses at once when all are down. */
  #take(): Promise<Line> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#hand();
    });
  }

  #hand(): void {
    for (;;) {
      if (this.#waiting.length === 0) return;
      if (!this.up) {
        const error = new CommitError('unavailable', 'no connection to PostgreSQL');
        for (const { reject } of this.#waiting.splice(0)) reject(error);
        return;
      }
      const free = this.#lines.find(line => line.up && !this.#taken.has(line));
      if (!free) return;
      this.#taken.add(free);
      this.#waiting.shift()!.resolve(free);
    }
  }
}
