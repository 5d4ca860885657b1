/** The shards of this node under its present incarnation, as it knows them itself; the store may be ahead or behind. */
import { LIMITS } from '../limits.ts';

const none = (): null[] => new Array(LIMITS.shards).fill(null);

export class Holdings {
  /** Epoch of each shard that is open here; null while it is handed over. Read with every message. */
  readonly served: (number | null)[] = none();
  /** Epoch of each shard that is not yet let go, open or not. */
  readonly held: (number | null)[] = none();
  /** Somebody is at the record of the shard: everybody else keeps away. */
  readonly busy: boolean[] = new Array(LIMITS.shards).fill(false);
  /** Neither taken nor handed over before; monotonic. */
  readonly takeMs: number[] = new Array(LIMITS.shards).fill(0);
  readonly giveMs: number[] = new Array(LIMITS.shards).fill(0);
  /** Taken away by the fence so often in a row. */
  readonly losses: number[] = new Array(LIMITS.shards).fill(0);
  readonly openedMs: number[] = new Array(LIMITS.shards).fill(0);

  open(shard: number, epoch: number, nowMs: number): void {
    this.held[shard] = epoch;
    this.served[shard] = epoch;
    this.openedMs[shard] = nowMs;
  }

  drop(shard: number): void {
    this.held[shard] = null;
    this.served[shard] = null;
  }

  clear(): void {
    this.served.fill(null);
    this.held.fill(null);
    this.busy.fill(false);
    this.takeMs.fill(0);
    this.giveMs.fill(0);
  }

  get count(): number {
    let count = 0;
    for (const epoch of this.held) if (epoch !== null) count++;
    return count;
  }
}
