/**
 * The archivers on a thread of their own: unpacking and packing some hundred thousand events takes seconds of CPU, which
 * no phone should wait for. The thread starts with the first shard that belongs to the node, and again when it breaks;
 * what it had not written it reads again.
 */
import { Worker } from 'node:worker_threads';
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { THREAD_RESTART_MS } from './limits.ts';
import type { ArchivePlace } from './place.ts';

export interface ArchiveOrder {
  readonly place: ArchivePlace;
  readonly kinesisEndpoint: string;
  readonly flushBytes: number;
  readonly flushMs: number;
}

export type ToArchive =
  | { readonly type: 'own'; readonly shards: ReadonlySet<number> }
  | { readonly type: 'close' };
export type FromArchive =
  | { readonly type: 'log'; readonly level: keyof Log; readonly fields: object; readonly message: string }
  | {
      readonly type: 'metric';
      readonly kind: 'count' | 'gauge';
      readonly name: string;
      readonly labels: Record<string, string>;
      readonly value: number;
    };

export interface ArchiveThreadOptions extends ArchiveOrder {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly scheduler: Scheduler;
}

export class ArchiveThread {
  readonly #order: ArchiveOrder;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #scheduler: Scheduler;
  #worker: Worker | null = null;
  #owned: ReadonlySet<number> = new Set();
  #closed = false;

  constructor({ log, metrics, scheduler, ...order }: ArchiveThreadOptions) {
    const { place, kinesisEndpoint, flushBytes, flushMs } = order;
    this.#order = { place, kinesisEndpoint, flushBytes, flushMs };
    this.#log = log;
    this.#metrics = metrics;
    this.#scheduler = scheduler;
  }

  /** These shards of the cluster belong to this node from now on, and no others. */
  own(shards: ReadonlySet<number>): void {
    this.#owned = shards;
    if (this.#closed) return;
    if (this.#worker === null && shards.size > 0) this.#start();
    else this.#say({ type: 'own', shards });
  }

  /** Writes what was read, within the budget, and ends; the rest waits in the streams. */
  async close(budgetMs: number): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    if (worker === null) return;
    const ended = new Promise<void>(resolve => worker.once('exit', () => resolve()));
    this.#say({ type: 'close' });
    const cancel = this.#scheduler.after(budgetMs, () => void worker.terminate());
    await ended;
    cancel();
  }

  #start(): void {
    const worker = new Worker(new URL('./threadMain.ts', import.meta.url), { workerData: this.#order });
    this.#worker = worker;
    worker.on('message', (message: FromArchive) => this.#heard(message));
    worker.on('error', error => this.#log.error({ err: error }, 'the thread of the archivers broke'));
    worker.once('exit', () => {
      this.#worker = null;
      if (this.#closed) return;
      this.#scheduler.after(THREAD_RESTART_MS, () => this.own(this.#owned));
    });
    this.#say({ type: 'own', shards: this.#owned });
  }

  #say(message: ToArchive): void {
    this.#worker?.postMessage(message);
  }

  #heard(message: FromArchive): void {
    if (message.type === 'log') return this.#log[message.level](message.fields, message.message);
    const { kind, name, labels, value } = message;
    if (kind === 'count') this.#metrics.count(name, labels, value);
    else this.#metrics.gauge(name, value, labels);
  }
}
