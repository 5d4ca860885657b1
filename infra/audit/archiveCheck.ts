/**
 * Is everything in the archive that a stream told, as it was? Events lie by the hour in which they happened, so hour after hour of PostgreSQL
 * is compared with one folder of objects. What came into the stream only lately may not have been written yet.
 */

import type { FactRows } from './factRows.ts';
import type { ToldEvent } from './facts.ts';
import type { IdSet } from './idSet.ts';
import { openObjects, rowsOf } from './objects.ts';
import { Finds } from './report.ts';
import type { Snapshot } from './snapshot.ts';
import type { ArchiveAt } from './stores.ts';
import { Follower, factRows, type Told, waitingIn } from './told.ts';

export interface ArchiveOptions {
  readonly archive: ArchiveAt;
  readonly told: Told;
  /** It has events of other towns, too. */
  readonly shared: boolean;
  /** What happened at this time and later is looked for; Unix milliseconds. */
  readonly sinceMs: number;
  /** What happened at this time and later may not be there yet. */
  readonly youngMs: number;
  /** Nor those that came into the stream since then. */
  readonly young: IdSet;
  readonly say: (line: string) => void;
}

const HOUR_MS = 3_600_000;
const HOUR = /year=(\d{4})\/month=(\d\d)\/day=(\d\d)\/hour=(\d\d)\//;

const hourOf = (key: string): number | null => {
  const [, year, month, day, hour] = HOUR.exec(key) ?? [];
  return hour === undefined ? null : Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour));
};

export const checkArchive = async (
  snapshot: Snapshot,
  options: ArchiveOptions,
): Promise<{ looked: number; finds: Finds } | { skipped: string }> => {
  const objects = openObjects(options.archive);
  try {
    const hours = new Map<number, string[]>();
    for (const key of await objects.list(`archive/${options.told.stream}/`)) {
      const hour = key.endsWith('.parquet') ? hourOf(key) : null;
      if (hour !== null) hours.set(hour, [...(hours.get(hour) ?? []), key]);
    }
    const kept = [...hours].sort(([a], [b]) => a - b);
    const [first] = kept;
    if (first === undefined) return { skipped: 'nothing is archived yet' };
    const check = new ArchiveCheck(snapshot, options);
    await check.begin();
    for (const [hour, keys] of kept) {
      if (hour + HOUR_MS <= options.sinceMs) continue;
      options.say(
        `archive ${options.told.stream} ${new Date(hour).toISOString().slice(0, 13)}: ${check.looked} events`,
      );
      await check.hour(hour, keys, key => objects.get(key));
    }
    await check.end();
    await check.close();
    return { looked: check.looked, finds: check.finds };
  } finally {
    objects.close();
  }
};

class ArchiveCheck {
  readonly finds = new Finds();
  looked = 0;
  readonly #snapshot: Snapshot;
  readonly #options: ArchiveOptions;
  readonly #rows: FactRows;
  #waiting: IdSet;
  /** Everything before it was compared; null before the first event of the archive, which begins it. */
  #doneMs: number | null = null;

  constructor(snapshot: Snapshot, options: ArchiveOptions) {
    this.#snapshot = snapshot;
    this.#options = options;
    this.#rows = factRows(snapshot, options.told);
    this.#waiting = options.young;
  }

  /** What waits to be published is not there yet, nor what was published lately. */
  async begin(): Promise<void> {
    this.#waiting = await waitingIn(this.#snapshot, this.#options.told, this.#options.young);
  }

  async hour(
    hourMs: number,
    keys: readonly string[],
    get: (key: string) => Promise<Uint8Array>,
  ): Promise<void> {
    if (this.#doneMs !== null && hourMs > this.#doneMs) await this.#range(this.#told(), this.#doneMs, hourMs);
    const told = this.#told();
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const key of keys) {
      const rows = await rowsOf(await get(key)).catch(error => {
        told.finds.add(key, `cannot be read: ${(error as Error).message}`);
        return [];
      });
      for (const { event_id: id, type, time, causation: causationId, payload } of rows) {
        earliestMs = Math.min(earliestMs, time.getTime());
        await told.take({ id, type, causationId, time: time.toISOString(), data: dataOf(payload) });
      }
    }
    const fromMs = this.#doneMs === null ? earliestMs : hourMs;
    await this.#range(told, Math.min(fromMs, hourMs + HOUR_MS), hourMs + HOUR_MS);
    this.looked += told.looked;
  }

  /** Behind the last hour that has objects. */
  async end(): Promise<void> {
    if (this.#doneMs !== null) await this.#range(this.#told(), this.#doneMs, Number.POSITIVE_INFINITY);
  }

  async close(): Promise<void> {
    await this.#rows.close();
  }

  #told(): Follower {
    const { told, shared } = this.#options;
    return new Follower(this.#snapshot, told, 'the archive', shared, this.#rows);
  }

  async #range(told: Follower, fromMs: number, toMs: number): Promise<void> {
    const { sinceMs, youngMs } = this.#options;
    const untilMs = Math.max(Math.min(toMs, youngMs), 0);
    await told.end(this.#waiting, Math.min(Math.max(fromMs, sinceMs), untilMs), untilMs);
    this.finds.join(told.finds);
    this.#doneMs = toMs;
  }
}

const dataOf = (payload: string): ToldEvent['data'] => {
  try {
    return JSON.parse(payload) as ToldEvent['data'];
  } catch {
    return {};
  }
};
