import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test, vi } from 'vitest';
import { revocationStoreContract } from '../nodes/contracts/revocationStore.contract.ts';
import { MemoryHub } from '../nodes/memory/memoryBus.ts';
import { MemoryRevocations } from '../nodes/memory/memoryRevocations.ts';
import { LIMITS } from './limits.ts';
import { revocationsContract } from './revocations.contract.ts';
import { Revocations } from './revocations.ts';
import { counting, HandClock, silent } from './testing/town.ts';

revocationStoreContract('memory', async () => {
  const store = new MemoryRevocations(Date.now);
  const kept = async () => store.size;
  return { one: store, two: store, uuid: randomUUID, nowMs: Date.now, kept, close: async () => {} };
});

revocationsContract('memory', async () => {
  const hub = new MemoryHub({ immediate: run => void setImmediate(run) }, silent);
  const store = new MemoryRevocations(Date.now);
  return {
    buses: {
      connect: async () => {
        const bus = hub.connect();
        return {
          bus,
          cut: async () => bus.setConnected(false),
          heal: async () => bus.setConnected(true),
        };
      },
      close: async () => {},
    },
    store: async () => store,
    close: async () => {},
  };
});

test('without a bus the list is read often enough for a revocation to hold within a second', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const clock = new HandClock();
  const store = new MemoryRevocations(clock.nowMs);
  const options = { store, bus: null, subject: 'x', tokenLifeMs: 900_000, wallMs: clock.nowMs, log: silent };
  const [one, two] = [0, 1].map(() => new Revocations({ ...options, metrics: counting() }));
  await Promise.all([one!.start(), two!.start()]);
  const token = { userId: 'u', deviceId: 'd', tokenId: 't', issuedAtMs: clock.wall };
  await one!.user('u');
  expect(two!.covers(token)).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(two!.covers(token)).toBe(true);
  // and the list is as long as one token life
  clock.advance(900_000 + LIMITS.revocationSpareMs);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([one!.covers(token), two!.covers(token), store.size]).toEqual([false, false, 0]);
  one!.stop();
  two!.stop();
  expect(vi.getTimerCount()).toBe(0);
});
