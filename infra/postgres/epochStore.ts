/**
 * Mints the epochs of shards in PostgreSQL: from the moment it answers, groups with an older epoch change nothing. And tells
 * the time, which is the same for every node.
 */
import type { EpochStore, Log } from '../../nodes/ports.ts';
import { COMMIT_SILENCE_MS_MAX, MINT_STATEMENT_MS_MAX } from './limits.ts';
import { Lines } from './lines.ts';

/** Rows in one order, like the commit function; an update waits for the groups that hold the fence. */
const MINT = `
  with wanted as (select shard from ops.shard_fence where shard = any ($1) order by shard for update)
  update ops.shard_fence f set epoch = f.epoch + 1, owner = $2 from wanted w where f.shard = w.shard
  returning f.shard, f.epoch`;

const SERVER_MS = 'select extract(epoch from clock_timestamp()) * 1000';

export class PgEpochStore implements EpochStore {
  readonly #lines: Lines;

  constructor(options: { readonly url: string; readonly log: Log }) {
    this.#lines = new Lines(1, {
      ...options,
      name: 'epochs',
      settings: { statement_timeout: `${MINT_STATEMENT_MS_MAX}` },
      silenceMsMax: COMMIT_SILENCE_MS_MAX,
    });
  }

  async tried(): Promise<void> {
    await this.#lines.tried();
  }

  async mint(shards: readonly number[], owner: string): Promise<number[]> {
    const rows = await this.#lines.run({ name: 'mint', text: MINT, values: [shards, owner] });
    const epochs = new Map(rows.map(row => [Number(row[0]), Number(row[1])]));
    return shards.map(shard => {
      const epoch = epochs.get(shard);
      if (epoch === undefined) throw new Error(`there is no shard ${shard}`);
      return epoch;
    });
  }

  /** The server's clock, Unix milliseconds. */
  async serverMs(): Promise<number> {
    const rows = await this.#lines.run({ name: 'server_ms', text: SERVER_MS, values: [] });
    return Number(rows[0]![0]);
  }

  close(): Promise<void> {
    return this.#lines.close();
  }
}
