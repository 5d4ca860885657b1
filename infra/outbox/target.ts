/** What a publisher needs from the place where it publishes. */

export interface OutboxRow {
  readonly id: string;
  /** Rows of one key must arrive in order. */
  readonly key: string;
  /** The event as JSON text (streams), or the state to show (balances). */
  readonly body: string;
  /** When it was written, Unix milliseconds by the clock of the database. */
  readonly writtenAtMs?: number;
}

export interface Published {
  /** Ids of rows that arrived for certain. */
  readonly done: readonly string[];
  /** Why the others did not; null when all arrived. */
  readonly failure: string | null;
  /** The place answers, and refused some rows: those of other keys went on. Absent: it may not be there at all. */
  readonly partial?: boolean;
}

/** Thrown by `publish` when stream or table is not there: `prepare` comes again. */
export class Missing extends Error {
  override name = 'Missing';
}

export interface Target {
  /** Makes sure that the stream or table exists. */
  prepare(signal: AbortSignal): Promise<void>;
  /** Publishes rows, given oldest first; never a later one of a key before an earlier one has arrived. */
  publish(rows: readonly OutboxRow[], signal: AbortSignal): Promise<Published>;
}

/** Where the rows wait. */
export interface Source {
  /** About `limit` of the oldest, oldest first. */
  read(limit: number): Promise<OutboxRow[]>;
  /** Removes rows that have arrived; false when another publisher took over (`epoch` is old): nothing was removed. */
  remove(ids: readonly string[], epoch: number): Promise<boolean>;
  /** How many wait, counted up to `max`. */
  depth(max: number): Promise<number>;
}
