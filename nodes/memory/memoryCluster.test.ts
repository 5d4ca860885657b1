/** The bus and the coordination store in memory keep the contracts of the real ones. */
import { expect, it } from 'vitest';
import { systemScheduler } from '../../infra/clock.ts';
import { busContract } from '../contracts/bus.contract.ts';
import { kvStoreContract } from '../contracts/kvStore.contract.ts';
import type { Log } from '../ports.ts';
import { MemoryHub } from './memoryBus.ts';
import { MemoryBucket, MemoryKv } from './memoryKv.ts';

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

kvStoreContract('memory', async () => {
  const bucket = new MemoryBucket(systemScheduler);
  return {
    one: new MemoryKv(bucket),
    two: new MemoryKv(bucket),
    deleteBucket: async () => bucket.restore(),
    close: async () => {},
  };
});

busContract('memory', async () => {
  const hub = new MemoryHub(systemScheduler, quiet);
  return {
    connect: async () => {
      const bus = hub.connect();
      return { bus, cut: async () => bus.setConnected(false), heal: async () => bus.setConnected(true) };
    },
    close: async () => {},
  };
});

it('a bucket restored from an old copy is what it was, with the revision of then', async () => {
  const bucket = new MemoryBucket(systemScheduler);
  const kv = new MemoryKv(bucket);
  const value = new Uint8Array([1]);
  const first = await kv.put('node.a', value, 0);
  const copy = bucket.copy();
  await kv.put('node.a', new Uint8Array([2]), first);
  bucket.restore(copy);
  expect(await kv.get('node.a')).toEqual({ key: 'node.a', value, revision: first });
  expect(await kv.lastRevision()).toBe(first);
  expect(await kv.put('node.a', value, first)).toBe(first + 1);
});
