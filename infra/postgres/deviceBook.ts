/**
 * Devices that were seen, in PostgreSQL, written behind: what comes within a second is one statement, a device is in it
 * once a minute, and while the database is away the newest sight of each device waits, up to a bound.
 */
import { type DeviceBook, SEEN_DEVICES_MAX, type SeenDevice } from '../../nodes/devicePort.ts';
import type { Log, Scheduler } from '../../nodes/ports.ts';
import { LastTimes } from '../location/lastTimes.ts';
import {
  DEVICE_BATCH_MAX,
  DEVICE_LINGER_MS,
  DEVICE_MS_MIN,
  DEVICE_RETRY_MS,
  DEVICES_WAITING_MAX,
  QUERY_SILENCE_MS_MAX,
  QUERY_STATEMENT_MS_MAX,
} from './limits.ts';
import { Lines } from './lines.ts';

// in one order everywhere, so that two nodes never wait for each other; whoever has no account any more is left out
const WRITE = `
insert into user_schema.seen_device as s (user_id, device_id, app, first_seen, last_seen)
select u.id, d.device_id, d.app, to_timestamp(d.at_ms / 1000), to_timestamp(d.at_ms / 1000)
from unnest($1::uuid[], $2::text[], $3::text[], $4::float8[]) as d (user_id, device_id, app, at_ms)
join user_schema.users u on u.id = d.user_id
order by u.id, d.device_id
on conflict (user_id, device_id) do update
set app = coalesce(excluded.app, s.app), last_seen = excluded.last_seen
where excluded.last_seen > s.last_seen`;

const READ = `
select device_id, app, round(extract(epoch from first_seen) * 1000)::text, round(extract(epoch from last_seen) * 1000)::text
from user_schema.seen_device where user_id = $1::uuid order by last_seen desc, device_id limit $2::int`;

interface Sight {
  readonly userId: string;
  readonly deviceId: string;
  readonly app: string | null;
  readonly atMs: number;
}

export interface DeviceBookOptions {
  readonly url: string;
  readonly log: Log;
  readonly scheduler: Scheduler;
  /** Unix milliseconds. */
  readonly wallMs: () => number;
  readonly waitingMax?: number;
}

export class PgDeviceBook implements DeviceBook {
  readonly #options: DeviceBookOptions;
  readonly #lines: Lines;
  readonly #lastTimes = new LastTimes(DEVICE_MS_MIN);
  readonly #waiting = new Map<string, Sight>();
  readonly #waitingMax: number;
  #writing = false;
  #cancel: (() => void) | null = null;
  #waiters: (() => void)[] = [];
  #dropped = 0;

  constructor(options: DeviceBookOptions) {
    this.#options = options;
    this.#waitingMax = options.waitingMax ?? DEVICES_WAITING_MAX;
    this.#lines = new Lines(1, {
      url: options.url,
      log: options.log,
      name: 'devices',
      settings: { statement_timeout: `${QUERY_STATEMENT_MS_MAX}`, jit: 'off' },
      silenceMsMax: QUERY_SILENCE_MS_MAX,
    });
  }

  /** Resolves after the first try to connect. */
  async tried(): Promise<void> {
    await this.#lines.tried();
  }

  saw(userId: string, deviceId: string, app: string | null): void {
    const key = `${userId} ${deviceId}`;
    const atMs = this.#options.wallMs();
    if (!this.#lastTimes.take(key, atMs)) return;
    if (this.#waiting.size >= this.#waitingMax && !this.#waiting.has(key)) {
      this.#dropped++;
      return;
    }
    this.#waiting.set(key, { userId, deviceId, app, atMs });
    this.#later(DEVICE_LINGER_MS);
  }

  async devices(userId: string): Promise<readonly SeenDevice[]> {
    const values = [userId, SEEN_DEVICES_MAX];
    const rows = (await this.#lines.run({ name: 'seen', text: READ, values })) as [
      string,
      string | null,
      string,
      string,
    ][];
    return rows.map(([deviceId, app, first, last]) => ({
      deviceId,
      app,
      firstSeenMs: Number(first),
      lastSeenMs: Number(last),
    }));
  }

  written(): Promise<void> {
    return new Promise(resolve => {
      this.#waiters.push(resolve);
      this.#cancel?.();
      this.#cancel = null;
      void this.#write();
    });
  }

  /** Writes what waits within the budget. */
  async close(budgetMs: number): Promise<void> {
    let cancel = () => {};
    const over = new Promise<void>(resolve => {
      cancel = this.#options.scheduler.after(budgetMs, resolve);
    });
    await Promise.race([this.written(), over]);
    cancel();
    this.#cancel?.();
    await this.#lines.close();
  }

  #later(ms: number): void {
    if (this.#writing || this.#cancel !== null) return;
    this.#cancel = this.#options.scheduler.after(ms, () => {
      this.#cancel = null;
      void this.#write();
    });
  }

  async #write(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    let failed = false;
    while (this.#waiting.size > 0 && !failed) {
      const some = [...this.#waiting].slice(0, DEVICE_BATCH_MAX);
      const sights = some.map(([, sight]) => sight);
      const values = [
        sights.map(one => one.userId),
        sights.map(one => one.deviceId),
        sights.map(one => one.app),
        sights.map(one => one.atMs),
      ];
      try {
        await this.#lines.run({ name: 'saw', text: WRITE, values });
        // a newer sight may have come meanwhile
        for (const [key, sight] of some) if (this.#waiting.get(key) === sight) this.#waiting.delete(key);
      } catch (error) {
        failed = true;
        const fields = {
          error: (error as Error).message,
          waiting: this.#waiting.size,
          dropped: this.#dropped,
        };
        this.#options.log.warn(fields, 'devices that were seen are not written yet');
      }
    }
    this.#writing = false;
    if (failed) return this.#later(DEVICE_RETRY_MS);
    for (const done of this.#waiters.splice(0)) done();
  }
}
