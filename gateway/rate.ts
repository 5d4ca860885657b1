/**
 * Token buckets that cost one number each (GCRA): the theoretical arrival time of the next message. A phone has five of
 * them and thousands of phones are idle, so a bucket is a field, not an object.
 */
import type { Rate } from './limits.ts';

/** A rate prepared for the hot path. */
export interface Bucket {
  readonly intervalMs: number;
  readonly toleranceMs: number;
}

export const bucket = (rate: Rate): Bucket => {
  const intervalMs = 1_000 / rate.perS;
  return { intervalMs, toleranceMs: (rate.burst - 1) * intervalMs };
};

/** Milliseconds until the next message is welcome; 0 or less means now. */
export const waitMs = (b: Bucket, arrivalMs: number, nowMs: number): number =>
  arrivalMs - nowMs - b.toleranceMs;

/** The arrival time to keep after taking one message. */
export const taken = (b: Bucket, arrivalMs: number, nowMs: number): number =>
  Math.max(arrivalMs, nowMs) + b.intervalMs;

/** Buckets by name (an address, a handle), forgotten once they are full again. At most `max` are kept. */
export class RateTable {
  private readonly arrivals = new Map<string, number>();
  private readonly bucket: Bucket;
  private readonly max: number;

  constructor(rate: Rate, max: number) {
    this.bucket = bucket(rate);
    this.max = max;
  }

  /** Milliseconds to wait; 0 when there is room. Takes nothing. */
  waitMs(name: string, nowMs: number): number {
    return Math.max(0, Math.ceil(waitMs(this.bucket, this.arrivals.get(name) ?? 0, nowMs)));
  }

  take(name: string, nowMs: number): void {
    const next = taken(this.bucket, this.arrivals.get(name) ?? 0, nowMs);
    this.arrivals.delete(name);
    if (this.arrivals.size >= this.max) this.forget(nowMs);
    this.arrivals.set(name, next);
  }

  get size(): number {
    return this.arrivals.size;
  }

  /** Drops full buckets; when that is not enough, the ones touched longest ago. */
  private forget(nowMs: number): void {
    for (const [name, arrivalMs] of this.arrivals) if (arrivalMs <= nowMs) this.arrivals.delete(name);
    for (const name of this.arrivals.keys()) {
      if (this.arrivals.size < this.max) return;
      this.arrivals.delete(name);
    }
  }
}
