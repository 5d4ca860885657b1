/**
 * Keeps one operation of a service within its quota: in no second more requests than the rate, waiting callers in order.
 *
 * A tenth of the rate may go at once, the rest is spread; so no window of a second holds more than the rate. Throttled all
 * the same (others use the same quota), everybody waits together.
 */
import type { Clock, Scheduler } from '../../nodes/ports.ts';

export class TokenBucket {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #scheduler: Scheduler;
  readonly #waitersMax: number;
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  /** When the tokens were counted; in the future while everybody waits. */
  #atMs: number;
  readonly #waiters: ((got: boolean) => void)[] = [];
  #cancel: (() => void) | null = null;

  constructor(
    perS: number,
    clock: Pick<Clock, 'monotonicMs'>,
    scheduler: Scheduler,
    waitersMax: number = Number.POSITIVE_INFINITY,
  ) {
    this.#clock = clock;
    this.#scheduler = scheduler;
    this.#waitersMax = waitersMax;
    this.#burst = Math.max(1, Math.floor(perS / 10));
    this.#perMs = Math.max(perS - this.#burst, perS / 2) / 1_000;
    this.#tokens = this.#burst;
    this.#atMs = clock.monotonicMs();
  }

  /** True when it is the caller's turn; false when too many wait already, or the bucket is closed. */
  take(): Promise<boolean> {
    if (this.#waiters.length >= this.#waitersMax) return Promise.resolve(false);
    return new Promise(resolve => {
      this.#waiters.push(resolve);
      this.#serve();
    });
  }

  /** The service said that it is too much: nobody goes for so long, and then one by one. */
  rest(ms: number): void {
    this.#tokens = 0;
    this.#atMs = Math.max(this.#atMs, this.#clock.monotonicMs() + ms);
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = null;
    for (const waiter of this.#waiters.splice(0)) waiter(false);
  }

  #serve(): void {
    if (this.#cancel !== null) return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs > this.#atMs) {
      this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
      this.#atMs = nowMs;
    }
    while (this.#tokens >= 1 && this.#waiters.length > 0) {
      this.#tokens -= 1;
      this.#waiters.shift()?.(true);
    }
    if (this.#waiters.length === 0) return;
    const waitMs = this.#atMs - nowMs + (1 - this.#tokens) / this.#perMs;
    this.#cancel = this.#scheduler.after(Math.max(1, Math.ceil(waitMs)), () => {
      this.#cancel = null;
      this.#serve();
    });
  }
}
