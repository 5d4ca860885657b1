/**
 * What the shards of a stream take: 1,000 records and 1 MB a second each. Who sends more is refused record by record, and pays
 * for the refused ones with the next second; so a publisher counts for itself, shard by shard.
 *
 * A quarter may go at once, the rest is spread; so no window of a second holds more than the service takes.
 */
import { createHash } from 'node:crypto';
import type { Shard } from '@aws-sdk/client-kinesis';

/** Of one shard, by the service's documentation. */
export const SHARD_RECORDS_PER_S = 1_000;
export const SHARD_BYTES_PER_S = 1_000_000;
const AT_ONCE = 0.25;

class Allowance {
  readonly #most: number;
  readonly #perMs: number;
  #left: number;

  constructor(perS: number) {
    this.#most = perS * AT_ONCE;
    this.#perMs = (perS * (1 - AT_ONCE)) / 1_000;
    this.#left = this.#most;
  }

  passed(ms: number): void {
    this.#left = Math.min(this.#most, this.#left + ms * this.#perMs);
  }

  /** Milliseconds until `amount` may go; what is more than goes at once needs all of it, and leaves a debt. */
  waitMs(amount: number): number {
    const missing = Math.min(amount, this.#most) - this.#left;
    return missing <= 0 ? 0 : missing / this.#perMs;
  }

  spend(amount: number): void {
    this.#left -= amount;
  }

  empty(): void {
    this.#left = Math.min(this.#left, 0);
  }
}

interface Range {
  readonly shard: string;
  readonly from: bigint;
  readonly to: bigint;
  readonly records: Allowance;
  readonly bytes: Allowance;
}

export class ShardBudget {
  readonly #nowMs: () => number;
  #ranges: Range[] = [];
  #atMs: number;

  /** @param nowMs monotonic */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#atMs = nowMs();
  }

  /** The shards that there are; those that take records keep their account. */
  learn(shards: readonly Shard[]): void {
    const known = new Map(this.#ranges.map(one => [one.shard, one]));
    this.#ranges = shards.flatMap(({ ShardId = '', HashKeyRange, SequenceNumberRange }) => {
      if (SequenceNumberRange?.EndingSequenceNumber !== undefined) return [];
      const { StartingHashKey: from = '0', EndingHashKey: to = '0' } = HashKeyRange ?? {};
      const fresh = () => ({
        shard: ShardId,
        from: BigInt(from),
        to: BigInt(to),
        records: new Allowance(SHARD_RECORDS_PER_S),
        bytes: new Allowance(SHARD_BYTES_PER_S),
      });
      return [known.get(ShardId) ?? fresh()];
    });
  }

  knows(shard: string): boolean {
    return this.#ranges.some(one => one.shard === shard);
  }

  /** Milliseconds until a record of this key and size may go; 0: now, and it is counted. */
  take(key: string, bytes: number): number {
    const range = this.#of(key);
    if (range === undefined) return 0;
    this.#pass();
    const waitMs = Math.max(range.records.waitMs(1), range.bytes.waitMs(bytes));
    if (waitMs > 0) return waitMs;
    range.records.spend(1);
    range.bytes.spend(bytes);
    return 0;
  }

  /** The service refused a record of this key: others use the shard, too. */
  refused(key: string): void {
    const range = this.#of(key);
    range?.records.empty();
    range?.bytes.empty();
  }

  #pass(): void {
    const nowMs = this.#nowMs();
    for (const { records, bytes } of this.#ranges) {
      records.passed(nowMs - this.#atMs);
      bytes.passed(nowMs - this.#atMs);
    }
    this.#atMs = nowMs;
  }

  /** The service puts a record into the shard whose range holds the MD5 of its key. */
  #of(key: string): Range | undefined {
    if (this.#ranges.length < 2) return this.#ranges[0];
    const hash = BigInt(`0x${createHash('md5').update(key).digest('hex')}`);
    return this.#ranges.find(({ from, to }) => hash >= from && hash <= to);
  }
}
