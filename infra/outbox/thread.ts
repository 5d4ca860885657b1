/**
 * The publishers on a thread of their own, and with them the readers of the streams (`infra/streams/`).
 *
 * Signing and sending a request to AWS costs about a millisecond of CPU; hundreds of them in a burst on the thread of
 * the actors would be felt by every phone that waits. The publishers share nothing with the actors but the table in
 * PostgreSQL, so they move out whole: the main thread only says that there may be new rows. A thread that dies is started
 * again; what it had not removed from the table is published then.
 */
import { Worker } from 'node:worker_threads';
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import type { OutboxTarget } from '../postgres/outboxTargets.ts';
import type { OutboxAddresses, OutboxOptions } from './index.ts';
import type { Led } from './lead.ts';
import { POKE_MS, THREAD_RESTART_MS } from './limits.ts';

export type ToThread =
  | { readonly type: 'poke' }
  | { readonly type: 'lead'; readonly target: OutboxTarget; readonly epoch: number | null }
  | { readonly type: 'own'; readonly owned: ReadonlyMap<number, number> }
  | { readonly type: 'close'; readonly budgetMs: number };
export type FromThread =
  | { readonly type: 'fenced'; readonly target: OutboxTarget; readonly epoch: number }
  | { readonly type: 'unowned'; readonly shard: number; readonly epoch: number }
  | { readonly type: 'log'; readonly level: keyof Log; readonly fields: object; readonly message: string }
  | {
      readonly type: 'metric';
      readonly kind: keyof Metrics;
      readonly name: string;
      readonly labels: Record<string, string>;
      readonly value: number;
    };

/** A little longer than the publishers' own budget: their connections are closed in it. */
const CLOSE_MARGIN_MS = 250;

export class OutboxThread implements Led {
  onFenced: Led['onFenced'] = null;
  onUnowned: Led['onUnowned'] = null;
  readonly #addresses: OutboxAddresses;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #scheduler: Scheduler;
  /** What was said last of each target, for a thread that starts again. */
  readonly #leads = new Map<OutboxTarget, number | null>();
  #owned: ReadonlyMap<number, number> = new Map();
  #worker: Worker;
  #poked = false;
  #closed = false;

  constructor({ log, metrics, scheduler, ...addresses }: OutboxOptions) {
    const { url, dynamodbEndpoint, kinesisEndpoint, region, credentials, secretsDir = '' } = addresses;
    this.#addresses = { url, dynamodbEndpoint, kinesisEndpoint, region, credentials, secretsDir };
    this.#log = log;
    this.#metrics = metrics;
    this.#scheduler = scheduler;
    this.#worker = this.#start();
  }

  /** Something was committed. A message for each group of commits costs both threads much under load: one tells of many. */
  poke(): void {
    if (this.#poked || this.#closed) return;
    this.#poked = true;
    this.#scheduler.after(POKE_MS, () => {
      this.#poked = false;
      if (!this.#closed) this.#say({ type: 'poke' });
    });
  }

  lead(target: OutboxTarget, epoch: number | null): void {
    this.#leads.set(target, epoch);
    if (!this.#closed) this.#say({ type: 'lead', target, epoch });
  }

  own(owned: ReadonlyMap<number, number>): void {
    this.#owned = owned;
    if (!this.#closed) this.#say({ type: 'own', owned });
  }

  /** Publishes what waits within the budget, then ends the thread. */
  async close(budgetMs: number): Promise<void> {
    this.#closed = true;
    const ended = new Promise<void>(resolve => this.#worker.once('exit', () => resolve()));
    this.#say({ type: 'close', budgetMs });
    const cancel = this.#scheduler.after(budgetMs + CLOSE_MARGIN_MS, () => void this.#worker.terminate());
    await ended;
    cancel();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./threadMain.ts', import.meta.url), { workerData: this.#addresses });
    worker.on('message', (message: FromThread) => this.#heard(message));
    worker.on('error', error => this.#log.error({ err: error }, 'the thread of the publishers broke'));
    worker.once('exit', () => {
      if (this.#closed) return;
      this.#scheduler.after(THREAD_RESTART_MS, () => {
        if (this.#closed) return;
        this.#worker = this.#start();
        for (const [target, epoch] of this.#leads) this.#say({ type: 'lead', target, epoch });
        this.#say({ type: 'own', owned: this.#owned });
      });
    });
    return worker;
  }

  #say(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #heard(message: FromThread): void {
    if (message.type === 'log') return this.#log[message.level](message.fields, message.message);
    if (message.type === 'fenced') return this.onFenced?.(message.target, message.epoch);
    if (message.type === 'unowned') return this.onUnowned?.(message.shard, message.epoch);
    const { kind, name, labels, value } = message;
    if (kind === 'count') this.#metrics.count(name, labels, value);
    else this.#metrics[kind](name, value, labels);
  }
}
