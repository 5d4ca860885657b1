/** The directory over the store in memory; over NATS the same contract runs in `infra/nats`. */
import { expect, test } from 'vitest';
import { regionDirectoryContract } from './contracts/regionDirectory.contract.ts';
import { CLUSTER_LIMITS, HEAT_LIMITS } from './limits.ts';
import { MemoryBucket, MemoryKv } from './memory/memoryKv.ts';
import { KvRegionDirectory } from './regionDirectory.ts';
import { VirtualTime } from './simulation/virtualTime.ts';

regionDirectoryContract('memory', async () => {
  const bucket = new MemoryBucket({ immediate: run => setImmediate(run) });
  return { one: new MemoryKv(bucket), two: new MemoryKv(bucket), close: async () => {} };
});

test('a store that hangs holds up no start, no change and no later look', async () => {
  const time = new VirtualTime();
  const bucket = new MemoryBucket(time);
  let isHanging = true;
  const hung = new Promise<never>(() => {});
  const kv = new (class extends MemoryKv {
    override list() {
      return isHanging ? hung : super.list();
    }
    override get(key: string) {
      return isHanging ? hung : super.get(key);
    }
    override watch() {
      return () => {};
    }
  })(bucket);
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const metrics = { count() {}, observe() {}, gauge() {} };
  const world = { clock: time, scheduler: time, log, metrics };
  const directory = new KvRegionDirectory({ ...world, kv });
  let told = '';
  void directory.start().then(() => (told += 'started '));
  void directory.divide(7, '', 3, 1).then(outcome => (told += outcome));
  await time.advance(CLUSTER_LIMITS.callMs);
  expect(told.split(' ').sort()).toEqual(['failed', 'started']);
  isHanging = false;
  await new KvRegionDirectory({ ...world, kv: new MemoryKv(bucket) }).divide(8, '', 3, 1);
  await time.advance(HEAT_LIMITS.lookMs);
  expect(directory.of(8)?.version).toBe(1);
  directory.stop();
});
