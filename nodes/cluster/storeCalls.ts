/**
 * Calls to the stores, each under a deadline of its own: a store that hangs for ever costs its caller so long and no more
 * (Effect-TS/effect#6508 is what happens otherwise). Failures are values here.
 *
 * A write whose answer was lost, or that conflicts, is read back: every record carries a nonce of its writer, so what
 * stands there tells whether the write took effect. A client that repeats a write on its own may find its first attempt
 * in the way; to it that looks like a conflict, so conflicts are read back too.
 */
import type { EpochStore, KvEntry, KvFault, KvStore, Random, Scheduler } from '../ports.ts';
import { KvError } from '../ports.ts';
import { freshToken } from '../token.ts';
import { encodeRecord, type NodeRecord, nonceOf, type ShardRecord } from './records.ts';

/** What became of a compare-and-set. */
export type Written =
  | { readonly kind: 'written'; readonly entry: KvEntry }
  /** Something else stands there (or nothing): this is it. */
  | { readonly kind: 'other'; readonly entry: KvEntry | null }
  /** Proven not written; what stands there is not known to have changed. */
  | { readonly kind: 'refused' }
  /** Written or not: nobody could tell in time. It may even be written later. */
  | { readonly kind: 'doubt' };

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: KvFault };

export interface StoreCallsOptions {
  readonly kv: KvStore;
  readonly epochs: EpochStore;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly callMs: number;
  readonly mintMs: number;
}

export class StoreCalls {
  readonly #options: StoreCallsOptions;

  constructor(options: StoreCallsOptions) {
    this.#options = options;
  }

  /** For nonces and incarnations. */
  token(): string {
    return freshToken(this.#options.random);
  }

  get(key: string): Promise<Answer<KvEntry | null>> {
    return this.within(this.#options.callMs, () => this.#options.kv.get(key));
  }

  list(): Promise<Answer<KvEntry[]>> {
    return this.within(this.#options.callMs, () => this.#options.kv.list());
  }

  lastRevision(): Promise<Answer<number>> {
    return this.within(this.#options.callMs, () => this.#options.kv.lastRevision());
  }

  remove(key: string, revision: number): Promise<Answer<void>> {
    return this.within(this.#options.callMs, () => this.#options.kv.remove(key, revision));
  }

  mint(shards: readonly number[], owner: string): Promise<Answer<number[]>> {
    return this.within(this.#options.mintMs, () => this.#options.epochs.mint(shards, owner));
  }

  /** Compare-and-set on exactly this revision. The record's nonce must be fresh. */
  async write(key: string, record: NodeRecord | ShardRecord, revision: number): Promise<Written> {
    const value = encodeRecord(record);
    const put = await this.within(this.#options.callMs, () => this.#options.kv.put(key, value, revision));
    if (put.ok) return { kind: 'written', entry: { key, value, revision: put.value } };
    if (put.fault === 'unavailable') return { kind: 'refused' };
    const found = await this.get(key);
    if (!found.ok) return { kind: put.fault === 'conflict' ? 'refused' : 'doubt' };
    const entry = found.value;
    if (entry && nonceOf(entry.value) === record.nonce) return { kind: 'written', entry };
    return { kind: 'other', entry };
  }

  within<T>(ms: number, call: () => Promise<T>): Promise<Answer<T>> {
    return within(this.#options.scheduler, ms, call);
  }

  pause(ms: number): Promise<void> {
    return new Promise(resolve => this.#options.scheduler.after(ms, resolve));
  }
}

/** Settles at the latest after `ms`; what comes later is dropped. */
export function within<T>(
  scheduler: Pick<Scheduler, 'after'>,
  ms: number,
  call: () => Promise<T>,
): Promise<Answer<T>> {
  return new Promise(resolve => {
    const cancel = scheduler.after(ms, () => resolve({ ok: false, fault: 'unknown' }));
    const settle = (answer: Answer<T>): void => {
      cancel();
      resolve(answer);
    };
    const failed = (error: unknown): void =>
      settle({ ok: false, fault: error instanceof KvError ? error.fault : 'unknown' });
    try {
      call().then(value => settle({ ok: true, value }), failed);
    } catch (error) {
      failed(error);
    }
  });
}

/** Runs `one` for every item, at most `width` at once; settles when all are done. */
export async function inLanes<T>(
  items: readonly T[],
  width: number,
  one: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) await one(items[next++]!);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
}
