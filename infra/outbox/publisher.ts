/**
 * Carries rows of the outbox to one target, for ever: read the oldest, publish, remove what arrived.
 *
 * Rows are written in the transaction of the effect that they tell of, and removed only after they arrived; so nothing is
 * lost, whatever dies in between, and at worst something arrives twice (consumers know it by its event id). Kinesis or
 * DynamoDB being away costs nothing but rows: memory holds one batch, acknowledgements to people do not wait, and when
 * the target is back the publisher catches up by itself.
 *
 * A place that refuses some rows and takes others pauses nobody but those: the rows of other keys go on, new ones at once,
 * and when what is refused fills the window, the window grows.
 *
 * One node leads, the others stand by (`lead.ts`). For a moment two may publish the same rows: each sends a key's rows in
 * order and a later one only when the earlier one has arrived by its own hand or is gone, so the first arrival of each
 * event stays in order. Only who has the newest epoch can remove rows; who is refused stands by.
 */
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  DEPTH_MAX,
  DEPTH_MS,
  LINGER_MS,
  POLL_MS,
  ROWS_BEHIND_MAX,
  ROWS_MAX,
} from './limits.ts';
import { Missing, type OutboxRow, type Source, type Target } from './target.ts';

export interface PublisherOptions {
  /** Label of logs and metrics: `transactions`. */
  readonly name: string;
  readonly source: Source;
  readonly target: Target;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Unix milliseconds, for what is said of how late it is; absent: nothing is said. */
  readonly wallMs?: () => number;
  /** A removal was refused: another node leads under a newer epoch. */
  readonly onFenced?: (epoch: number) => void;
}

/** Some rows were refused by a place that is there. */
class Refused extends Error {}

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #abort = new AbortController();
  #poked = true;
  #prepared = false;
  #stopping = false;
  /** The epoch under which we lead; null while we stand by. */
  #epoch: number | null = null;
  /** Ends what is under way when the lead is lost. */
  #leading = new AbortController();
  #signal: AbortSignal = this.#abort.signal;
  #backoffMs = BACKOFF_MS_MIN;
  /** Rows that are read at once; more while some in front are refused. */
  #window = ROWS_MAX;
  #wake: (() => void) | null = null;
  #sinceDepthMs = DEPTH_MS;
  readonly #ended: Promise<void>;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#ended = this.#run();
  }

  /** There may be new rows. */
  poke(): void {
    this.#poked = true;
    this.#wake?.();
  }

  /** Publishes from now on under this epoch, or stands by (null); a request under way is given up. */
  lead(epoch: number | null): void {
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#leading.abort();
    this.#leading = new AbortController();
    this.#signal = AbortSignal.any([this.#abort.signal, this.#leading.signal]);
    this.#backoffMs = BACKOFF_MS_MIN;
    this.#poked = true;
    const { metrics, name } = this.#options;
    if (epoch === null) metrics.gauge('heyblue_outbox_depth', 0, { target: name });
    metrics.gauge('heyblue_outbox_leading', epoch === null ? 0 : 1, { target: name });
    this.#wake?.();
  }

  /** Publishes what is there, for `budgetMs` at most, and ends; what is left waits for the next start. */
  async stop(budgetMs: number): Promise<void> {
    this.#stopping = true;
    let cancel = () => {};
    const over = new Promise<void>(resolve => {
      cancel = this.#options.scheduler.after(budgetMs, () => {
        this.#abort.abort();
        resolve();
      });
    });
    this.#wake?.();
    await Promise.race([this.#ended, over]);
    cancel();
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      // what is committed before a stop goes out: the last round begins after it
      const last = this.#stopping;
      const epoch = this.#epoch;
      if (epoch === null) {
        if (last) return;
        await this.#pause(POLL_MS, false);
        continue;
      }
      let full = false;
      try {
        full = await this.#round(epoch);
        this.#backoffMs = BACKOFF_MS_MIN;
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        if (this.#epoch !== epoch) continue;
        this.#failed(error);
        // what some rows are refused is no reason to let new ones wait; what is not there has time
        await this.#pause(BACKOFF_MS_MIN, false);
        const restMs = this.#backoffMs - BACKOFF_MS_MIN;
        const isPartial = error instanceof Refused;
        if (restMs > 0 && !(isPartial && this.#poked)) await this.#pause(restMs, isPartial);
        this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MS_MAX);
        continue;
      }
      if (full) continue;
      if (last) return;
      if (!this.#poked && !this.#stopping) await this.#pause(POLL_MS, true);
      if (this.#poked && !this.#stopping) await this.#pause(LINGER_MS, false);
    }
  }

  /** One batch. True when there is more to do at once. */
  async #round(epoch: number): Promise<boolean> {
    const { name, source, target, metrics } = this.#options;
    const signal = this.#signal;
    this.#poked = false;
    const window = this.#window;
    const rows = await source.read(window);
    if (rows.length < window) this.#depth(rows.length, epoch);
    else await this.#measure(epoch);
    if (!this.#prepared) await target.prepare(signal);
    this.#prepared = true;
    if (rows.length === 0) return false;
    const { done, failure, partial = false } = await target.publish(rows, signal);
    if (done.length > 0) {
      if (!(await source.remove(done, epoch))) return this.#fenced(epoch);
      metrics.count('heyblue_published_total', { target: name }, done.length);
      this.#say(rows, done);
      this.#backoffMs = BACKOFF_MS_MIN;
    }
    if (rows.length < window) this.#depth(rows.length - done.length, epoch);
    const isBlocked = failure !== null && partial && rows.length >= window;
    this.#window = isBlocked ? Math.min(2 * window, ROWS_BEHIND_MAX) : failure === null ? ROWS_MAX : window;
    if (failure !== null) throw partial ? new Refused(failure) : new Error(failure);
    return rows.length >= window;
  }

  /** How late the oldest of what has arrived is. */
  #say(rows: readonly OutboxRow[], done: readonly string[]): void {
    const { wallMs, metrics, name } = this.#options;
    const writtenAtMs = rows.find(row => row.id === done[0])?.writtenAtMs;
    if (!wallMs || writtenAtMs === undefined) return;
    const lateS = Math.max(0, wallMs() - writtenAtMs) / 1_000;
    metrics.observe('heyblue_publish_staleness_seconds', lateS, { target: name });
  }

  #fenced(epoch: number): false {
    this.#options.log.info({ target: this.#options.name, epoch }, 'another node publishes now');
    if (this.#epoch === epoch) this.lead(null);
    this.#options.onFenced?.(epoch);
    return false;
  }

  /** Of the leader: a round that ends after another node took over says nothing more. */
  #depth(rows: number, epoch: number): void {
    if (this.#epoch !== epoch) return;
    this.#options.metrics.gauge('heyblue_outbox_depth', rows, { target: this.#options.name });
  }

  /** Counting a long queue costs: not more often than each few seconds. */
  async #measure(epoch: number): Promise<void> {
    if (this.#sinceDepthMs < DEPTH_MS) return;
    this.#sinceDepthMs = 0;
    this.#options.scheduler.after(DEPTH_MS, () => {
      this.#sinceDepthMs = DEPTH_MS;
    });
    this.#depth(await this.#options.source.depth(DEPTH_MAX), epoch);
  }

  #failed(error: unknown): void {
    if (error instanceof Missing) this.#prepared = false;
    const message = error instanceof Error ? error.message : String(error);
    this.#options.log.warn({ target: this.#options.name, error: message }, 'publishing failed, trying again');
  }

  /** Sleeps; a poke (when `pokeWakes`), another lead, a stop or the end of the budget wakes it. */
  #pause(ms: number, pokeWakes: boolean): Promise<void> {
    const signal = this.#signal;
    return new Promise(resolve => {
      const done = () => {
        this.#wake = null;
        this.#abort.signal.removeEventListener('abort', done);
        cancel();
        resolve();
      };
      const cancel = this.#options.scheduler.after(ms, done);
      this.#wake = () => {
        if (pokeWakes || this.#stopping || this.#signal !== signal) done();
      };
      this.#abort.signal.addEventListener('abort', done);
    });
  }
}
