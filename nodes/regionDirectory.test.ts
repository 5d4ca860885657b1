/** The directory over the store in memory; over NATS the same contract runs in `infra/nats`. */
import { regionDirectoryContract } from './contracts/regionDirectory.contract.ts';
import { MemoryBucket, MemoryKv } from './memory/memoryKv.ts';

regionDirectoryContract('memory', async () => {
  const bucket = new MemoryBucket({ immediate: run => setImmediate(run) });
  return { one: new MemoryKv(bucket), two: new MemoryKv(bucket), close: async () => {} };
});
