/**
 * Samples on their way to the store: thinned to one a minute and person, bounded, sent in batches, tried again.
 *
 * One sample of a person waits at a time, the newest: a service that is away for an hour costs the samples of that hour
 * and no memory. Whatever is not written is counted by its reason. Forgetting takes a person's sample out of the queue
 * and waits for the batch that is just carrying one.
 */
import { LocationFailure, type PositionSample } from '../../nodes/locationPort.ts';
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { LastTimes } from './lastTimes.ts';
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  BATCHES_IN_FLIGHT,
  LINGER_MS,
  SAMPLE_ATTEMPTS_MAX,
  SAMPLE_MS,
  WAITING_MAX,
} from './limits.ts';

/** What became of a sample; one that comes too soon after the person's last one is none. */
type SampleResult = 'kept' | 'replaced' | 'full' | 'failed' | 'forgotten';

/** Of a batch that went through: what the service has no room for now, and what it will never have. */
export interface Written {
  readonly again: readonly PositionSample[];
  readonly lost: readonly PositionSample[];
}

export interface SampleQueueOptions {
  readonly batchMax: number;
  /**
   * Writes samples, each of another person. Rejects with {@link LocationFailure} when the batch as a whole did not go
   * through.
   */
  readonly write: (batch: readonly PositionSample[], signal: AbortSignal) => Promise<Written>;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly waitingMax?: number;
  readonly lingerMs?: number;
}

interface Waiting {
  readonly sample: PositionSample;
  readonly attempts: number;
}

interface Batch {
  readonly entries: readonly Waiting[];
  /** People who were forgotten meanwhile. */
  readonly unwanted: Set<string>;
  readonly ended: Promise<void>;
}

export class SampleQueue {
  readonly #options: SampleQueueOptions;
  readonly #waitingMax: number;
  readonly #lingerMs: number;
  /** By person, oldest first. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #underWay = new Set<Batch>();
  readonly #lastTimes = new LastTimes(SAMPLE_MS);
  readonly #abort = new AbortController();
  #settlers: (() => void)[] = [];
  #backoffMs = BACKOFF_MS_MIN;
  /** Set while we wait: for more samples, or after a failure. */
  #cancelPause: (() => void) | null = null;
  #pausedFor: 'more' | 'backoff' = 'more';
  #closed = false;
  /** True in the moment after the lingering. */
  #lingered = false;

  constructor(options: SampleQueueOptions) {
    this.#options = options;
    this.#waitingMax = options.waitingMax ?? WAITING_MAX;
    this.#lingerMs = options.lingerMs ?? LINGER_MS;
  }

  /** Takes a sample or counts it. Cheap, never throws. */
  offer(sample: PositionSample): void {
    if (!this.#lastTimes.take(sample.userId, sample.takenAtMs)) return;
    if (this.#closed) return this.#count('failed');
    const before = this.#waiting.get(sample.userId);
    if (!before && this.#waiting.size >= this.#waitingMax) return this.#count('full');
    if (before) this.#count('replaced');
    this.#waiting.set(sample.userId, { sample, attempts: 0 });
    this.#pump();
  }

  /** Resolves when nothing of the person waits or is under way. */
  async forget(userId: string): Promise<void> {
    this.#lastTimes.forget(userId);
    if (this.#waiting.delete(userId)) this.#count('forgotten');
    const carrying = [...this.#underWay].filter(batch =>
      batch.entries.some(one => one.sample.userId === userId),
    );
    for (const batch of carrying) batch.unwanted.add(userId);
    await Promise.all(carrying.map(batch => batch.ended));
    this.#settle();
  }

  settled(): Promise<void> {
    return new Promise(resolve => {
      this.#settlers.push(resolve);
      if (this.#pausedFor === 'more') this.#resume();
      this.#settle();
    });
  }

  async close(budgetMs: number): Promise<void> {
    this.#closed = true;
    let cancel = () => {};
    const over = new Promise<void>(resolve => {
      cancel = this.#options.scheduler.after(budgetMs, resolve);
    });
    await Promise.race([this.settled(), over]);
    cancel();
    this.#abort.abort();
    this.#cancelPause?.();
    this.#count('failed', this.#waiting.size);
    this.#waiting.clear();
  }

  #pump(): void {
    while (this.#cancelPause === null && this.#waiting.size > 0 && this.#underWay.size < BATCHES_IN_FLIGHT) {
      if (this.#waiting.size < this.#options.batchMax && this.#settlers.length === 0 && !this.#lingered)
        return this.#pause('more', this.#lingerMs);
      this.#send();
    }
    if (
      this.#cancelPause !== null &&
      this.#pausedFor === 'more' &&
      this.#waiting.size >= this.#options.batchMax
    )
      this.#resume();
  }

  #pause(what: 'more' | 'backoff', ms: number): void {
    this.#cancelPause?.();
    this.#pausedFor = what;
    this.#cancelPause = this.#options.scheduler.after(ms, () => this.#resume());
  }

  #resume(): void {
    this.#cancelPause?.();
    this.#cancelPause = null;
    this.#lingered = true;
    this.#pump();
    this.#lingered = false;
  }

  #send(): void {
    const entries: Waiting[] = [];
    for (const [userId, entry] of this.#waiting) {
      if (entries.length >= this.#options.batchMax) break;
      this.#waiting.delete(userId);
      entries.push(entry);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const batch: Batch = { entries, unwanted: new Set(), ended: promise };
    this.#underWay.add(batch);
    this.#options
      .write(
        entries.map(entry => entry.sample),
        this.#abort.signal,
      )
      .then(
        written => this.#wrote(batch, written),
        error => this.#failed(batch, error),
      )
      .finally(() => {
        this.#underWay.delete(batch);
        resolve();
        this.#pump();
        this.#settle();
      });
  }

  #wrote(batch: Batch, written: Written): void {
    const again = new Set(written.again);
    this.#count('kept', batch.entries.length - again.size - written.lost.length);
    this.#count('failed', written.lost.length);
    if (again.size === 0) this.#backoffMs = BACKOFF_MS_MIN;
    else this.#backOff();
    for (const entry of batch.entries) {
      if (!again.has(entry.sample)) continue;
      if (entry.attempts + 1 >= SAMPLE_ATTEMPTS_MAX) this.#count('failed');
      else this.#putBack(batch, { sample: entry.sample, attempts: entry.attempts + 1 });
    }
  }

  #failed(batch: Batch, error: unknown): void {
    if (this.#abort.signal.aborted) return this.#count('failed', batch.entries.length);
    const fault = error instanceof LocationFailure ? error.fault : 'bug';
    // our own words only: what the service says may repeat what we sent
    const reason = error instanceof LocationFailure ? error.message : ((error as Error).name ?? 'Error');
    this.#options.log.warn({ fault, reason, samples: batch.entries.length }, 'samples were not written');
    this.#backOff();
    if (fault !== 'unavailable' && fault !== 'refused') return this.#count('failed', batch.entries.length);
    for (const entry of batch.entries) this.#putBack(batch, entry);
  }

  #backOff(): void {
    // several batches that fail together are one failure
    if (this.#cancelPause !== null && this.#pausedFor === 'backoff') return;
    this.#pause('backoff', this.#backoffMs);
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MS_MAX);
  }

  #putBack(batch: Batch, entry: Waiting): void {
    const { userId } = entry.sample;
    if (batch.unwanted.has(userId)) return this.#count('forgotten');
    if (this.#waiting.has(userId)) return this.#count('replaced');
    if (this.#waiting.size >= this.#waitingMax) return this.#count('full');
    this.#waiting.set(userId, entry);
  }

  #settle(): void {
    if (this.#waiting.size > 0 || this.#underWay.size > 0) return;
    for (const settled of this.#settlers.splice(0)) settled();
  }

  #count(result: SampleResult, by = 1): void {
    if (by > 0) this.#options.metrics.count('heyblue_location_samples_total', { result }, by);
    this.#options.metrics.gauge('heyblue_location_waiting', this.#waiting.size);
  }
}
