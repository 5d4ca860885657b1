/**
 * One time for all nodes, that of PostgreSQL, whatever the clocks of their machines do: what is due when stands in its tables.
 */
import type { Log, Metrics, Scheduler } from '../nodes/ports.ts';
import type { SystemClock } from './clock.ts';

/** Monotonic clocks drift by less than 0.1 ms in that time; a machine that was asleep is right again after it. */
export const LOOK_MS = 10_000;
/** Moving further than this is worth a line. */
const WORTH_A_LINE_MS = 1_000;

export interface ServerTimeOptions {
  readonly clock: Pick<SystemClock, 'agree' | 'monotonicMs'>;
  /** The server's clock, Unix milliseconds. */
  readonly serverMs: () => Promise<number>;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class ServerTime {
  readonly #options: ServerTimeOptions;
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(options: ServerTimeOptions) {
    this.#options = options;
  }

  /** Asks now, and again and again until it is stopped. A server that does not answer changes nothing. */
  async look(): Promise<void> {
    const { clock, serverMs, scheduler, log, metrics } = this.#options;
    const askedMs = clock.monotonicMs();
    try {
      const movedMs = clock.agree(await serverMs(), askedMs);
      metrics.gauge('heyblue_clock_moved_seconds', movedMs / 1_000);
      if (Math.abs(movedMs) > WORTH_A_LINE_MS) log.warn({ movedMs }, 'the clock was not that of PostgreSQL');
    } catch (error) {
      log.debug({ error: String(error) }, 'PostgreSQL did not say what time it is');
    }
    if (!this.#stopped) this.#cancel = scheduler.after(LOOK_MS, () => void this.look());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }
}
