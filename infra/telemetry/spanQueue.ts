/**
 * Spans on their way to the collector: a bounded queue, one request under way at a time, small batches, because they
 * are made into text on the thread of the actors. A collector that is slow or away costs spans, which are counted and
 * told once a minute; it never costs a phone anything.
 */
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';

/** Spans that wait at most; more are dropped. */
export const SPANS_MAX = 4_096;
/** About a millisecond of work. */
export const BATCH_SPANS = 128;
/** Spans wait so long for company. */
const FLUSH_MS = 500;
/** One request with its repeats. */
export const EXPORT_MS_MAX = 5_000;
/** Traces that one span is linked to, besides its own. */
export const LINKS_MAX = 127;
/** Losses are logged this often at most. */
const TELL_MS = 60_000;

export interface SpanQueueOptions {
  readonly exporter: SpanExporter;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly scheduler: Scheduler;
}

export class SpanQueue implements SpanProcessor {
  readonly #options: SpanQueueOptions;
  #waiting: ReadableSpan[] = [];
  #sending = false;
  #timed = false;
  #closed = false;
  #quiet = false;
  #lost = 0;
  #idle: (() => void)[] = [];

  constructor(options: SpanQueueOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.#closed || this.#waiting.length >= SPANS_MAX) return this.#lose('dropped', 1, 'too many wait');
    this.#waiting.push(span);
    if (this.#waiting.length >= BATCH_SPANS) return this.#send();
    if (!this.#sending) this.#sendLater();
  }

  forceFlush(): Promise<void> {
    this.#send();
    return new Promise(resolve => {
      if (this.#sending || this.#waiting.length > 0) this.#idle.push(resolve);
      else resolve();
    });
  }

  /** Sends what waits; when the budget is over the rest is given up. */
  async close(budgetMs: number): Promise<void> {
    let cancel = () => {};
    const over = new Promise<void>(resolve => {
      cancel = this.#options.scheduler.after(budgetMs, resolve);
    });
    await Promise.race([this.forceFlush(), over]);
    cancel();
    this.#closed = true;
    const left = this.#waiting.splice(0);
    if (left.length > 0) this.#lose('dropped', left.length, 'stopping');
    // its connections are closed; a request under way is not waited for
    void this.#options.exporter.shutdown().catch(() => {});
  }

  shutdown(): Promise<void> {
    return this.close(EXPORT_MS_MAX);
  }

  #sendLater(): void {
    if (this.#timed) return;
    this.#timed = true;
    this.#options.scheduler.after(FLUSH_MS, () => {
      this.#timed = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#sending || this.#waiting.length === 0) return;
    this.#sending = true;
    const batch = this.#waiting.splice(0, BATCH_SPANS);
    const answered = (error: Error | null): void => {
      this.#sending = false;
      if (error === null) this.#count('sent', batch.length);
      else this.#lose('failed', batch.length, error.message);
      if (this.#waiting.length > 0) return error === null ? this.#send() : this.#sendLater();
      for (const idle of this.#idle.splice(0)) idle();
    };
    try {
      this.#options.exporter.export(batch, ({ code, error }) =>
        // 0 is success (ExportResultCode of @opentelemetry/core)
        answered(code === 0 ? null : (error ?? new Error('refused'))),
      );
    } catch (error) {
      answered(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #count(result: 'sent' | 'failed' | 'dropped', spans: number): void {
    this.#options.metrics.count('heyblue_spans_total', { result }, spans);
  }

  #lose(how: 'failed' | 'dropped', spans: number, why: string): void {
    this.#count(how, spans);
    this.#lost += spans;
    if (this.#quiet) return;
    this.#quiet = true;
    const { log, scheduler } = this.#options;
    log.warn({ spans: this.#lost, why }, 'spans did not reach the collector');
    this.#lost = 0;
    scheduler.after(TELL_MS, () => {
      this.#quiet = false;
    });
  }
}
