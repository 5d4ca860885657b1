/** A cluster of coordinators on virtual time, over the stores in memory. */
import { MemoryBucket, MemoryKv } from '../memory/memoryKv.ts';
import { MemoryLedger } from '../memory/memoryLedger.ts';
import { VirtualTime } from '../simulation/virtualTime.ts';
import type { ClusterLimits } from './options.ts';
import { TestCluster } from './testCluster.ts';

export class VirtualCluster extends TestCluster {
  readonly time: VirtualTime;
  readonly bucket: MemoryBucket;
  readonly ledger: MemoryLedger;

  constructor(seed = 1, limits: Partial<ClusterLimits> = {}) {
    const time = new VirtualTime();
    const bucket = new MemoryBucket(time);
    const ledger = new MemoryLedger(() => time.nowMs());
    super({
      base: time,
      kvFor: () => new MemoryKv(bucket),
      epochs: ledger,
      limits,
      seed,
      pass: ms => time.advance(ms),
    });
    this.time = time;
    this.bucket = bucket;
    this.ledger = ledger;
  }
}
