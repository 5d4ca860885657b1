/**
 * Latencies without keeping them all: counts in buckets that are at most 0.8 % wide, so that a percentile is right to
 * two digits however long the tail (the idea of HdrHistogram). Several processes' histograms add up.
 */

/** Buckets per power of two. */
const SUB = 128;
/** One microsecond is the smallest thing told apart; 2^33 us is more than two hours. */
const POWERS = 34;

export interface HistogramData {
  /** Pairs of bucket and count. */
  readonly counts: readonly (readonly [number, number])[];
  readonly maxMs: number;
}

const bucketOf = (us: number): number => {
  if (us < SUB) return us;
  const power = us < 2 ** 31 ? 31 - Math.clz32(us) : Math.floor(Math.log2(us));
  const shift = power - 7;
  return Math.min((shift + 1) * SUB + Math.floor(us / 2 ** shift) - SUB, SUB * POWERS - 1);
};

/** The upper edge of a bucket, in microseconds: percentiles never look better than they were. */
const upperUs = (bucket: number): number => {
  if (bucket < SUB) return bucket;
  const shift = Math.floor(bucket / SUB) - 1;
  return (SUB + (bucket % SUB) + 1) * 2 ** shift - 1;
};

export class Histogram {
  readonly #counts = new Float64Array(SUB * POWERS);
  #count = 0;
  #maxMs = 0;

  static of(latenciesMs: readonly number[]): Histogram {
    const made = new Histogram();
    for (const ms of latenciesMs) made.record(ms);
    return made;
  }

  /** Those of several processes, or of several times, as one. */
  static sum(parts: readonly HistogramData[]): Histogram {
    const made = new Histogram();
    for (const one of parts) made.add(one);
    return made;
  }

  get count(): number {
    return this.#count;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** Records one latency; a negative one (clocks) counts as zero. */
  record(ms: number): void {
    if (!Number.isFinite(ms)) throw new RangeError('a latency is a finite number');
    const positive = Math.max(0, ms);
    this.#counts[bucketOf(Math.round(positive * 1000))]!++;
    this.#count++;
    if (positive > this.#maxMs) this.#maxMs = positive;
  }

  /** The smallest value that at least `percent` of the recorded ones do not exceed; 0 when nothing was recorded. */
  percentileMs(percent: number): number {
    const wanted = Math.max(1, Math.ceil((percent / 100) * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= wanted) return Math.min(upperUs(bucket) / 1000, this.#maxMs);
    }
    return 0;
  }

  add(data: HistogramData): void {
    for (const [bucket, count] of data.counts) {
      this.#counts[bucket]! += count;
      this.#count += count;
    }
    this.#maxMs = Math.max(this.#maxMs, data.maxMs);
  }

  data(): HistogramData {
    const counts: [number, number][] = [];
    this.#counts.forEach((count, bucket) => {
      if (count > 0) counts.push([bucket, count]);
    });
    return { counts, maxMs: this.#maxMs };
  }
}
